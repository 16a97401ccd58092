#include "fs/terminal_nodes.h"

#include "fs/device_nodes.h"
#include "fs/directory_writer.h"

namespace k42::fs {
namespace {

constexpr std::uint64_t kFirstPairNumber = 3;  // node numbers and cookies of pairs start here
constexpr std::uint32_t kPairMajor = 136;

io::TerminalSet& SetOf(std::uint64_t argument) {
  return *reinterpret_cast<io::TerminalSet*>(argument);
}

Result<cobj::Granted<IOpenFile>> OpenOwn(const OpenRequest& request, Node& node,
                                         std::uint64_t set) {
  return SetOf(set).OpenOwn(request.caller, RefPtr<Node>(&node), request.flags);
}
Result<cobj::Granted<IOpenFile>> OpenConsole(const OpenRequest& request, Node& node,
                                             std::uint64_t set) {
  return SetOf(set).OpenConsole(request.caller, RefPtr<Node>(&node), request.flags);
}
Result<cobj::Granted<IOpenFile>> OpenMaster(const OpenRequest& request, Node& node,
                                            std::uint64_t set) {
  return SetOf(set).OpenMaster(request.caller, RefPtr<Node>(&node), request.flags);
}

// /dev/pts/N: belongs to whoever opens it (first version: the pair does not know who made it).
class PairNode final : public SyntheticNode {
 public:
  PairNode(SyntheticFileSystem& file_system, io::TerminalSet& set, std::uint32_t pair)
      : SyntheticNode(file_system, FileKind::kCharacterDevice, 0666, pair + kFirstPairNumber),
        set_(set),
        pair_(pair) {}

  Status GetAttributes(FileAttributes* attributes) override {
    TRY(SyntheticNode::GetAttributes(attributes));
    attributes->device_major = kPairMajor;
    attributes->device_minor = pair_;
    return Status::kOk;
  }
  Status SetAttributes(const AttributeChange&) override { return Status::kOk; }  // chown, chmod
  Result<cobj::Granted<IOpenFile>> Open(const OpenRequest& request) override {
    return set_.OpenSlave(request.caller, pair_, RefPtr<Node>(this), request.flags);
  }

 private:
  void Dispose() override { mem::Delete(this); }
  io::TerminalSet& set_;
  const std::uint32_t pair_;
};

class PairDirectory final : public SyntheticDirectory {
 public:
  PairDirectory(SyntheticFileSystem& file_system, io::TerminalSet& set)
      : SyntheticDirectory(file_system), set_(set) {}

  Result<Node*> Lookup(std::string_view name) override {
    const auto fixed = SyntheticDirectory::Lookup(name);
    if (fixed.status() != Status::kNotFound) {
      return fixed;
    }
    std::uint32_t pair = 0;
    for (const char digit : name) {
      if (digit < '0' || digit > '9' || pair >= io::TerminalSet::kMaxPairs) {
        return Status::kNotFound;
      }
      pair = pair * 10 + static_cast<std::uint32_t>(digit - '0');
    }
    if (name.empty() || set_.NextPair(pair) != pair || pair >= io::TerminalSet::kMaxPairs) {
      return Status::kNotFound;
    }
    return TRY(mem::New<PairNode>(synthetic(), set_, pair));
  }

  Status ReadDirectory(std::uint64_t cookie, DirectoryWriter& writer) override {
    auto pair =
        static_cast<std::uint32_t>(cookie < kFirstPairNumber ? 0 : cookie - kFirstPairNumber + 1);
    for (pair = set_.NextPair(pair); pair < io::TerminalSet::kMaxPairs;
         pair = set_.NextPair(pair + 1)) {
      char name[8];
      const std::size_t size = Format(name, "{}", pair);
      if (!writer.Add({name, size}, FileKind::kCharacterDevice, pair + kFirstPairNumber,
                      pair + kFirstPairNumber)) {
        break;
      }
    }
    return Status::kOk;
  }

 private:
  void Dispose() override { mem::Delete(this); }
  io::TerminalSet& set_;
};

}  // namespace

Status AddTerminals(SyntheticDirectory& devices, io::TerminalSet& terminals) {
  const auto set = reinterpret_cast<std::uint64_t>(&terminals);
  TRY(AddDevice(devices, "tty", {5, 0}, &OpenOwn, set));
  TRY(AddDevice(devices, "console", {5, 1}, &OpenConsole, set, 0600));
  return AddDevice(devices, "ptmx", {5, 2}, &OpenMaster, set);
}

Result<SyntheticFileSystem*> MakePairFileSystem(io::TerminalSet& terminals, std::uint64_t device) {
  auto* made = TRY(SyntheticFileSystem::Make("devpts", FileSystemKind::kTerminals, device,
                                             FileSystem::Caching::kNever));
  auto* root = TRY(mem::New<PairDirectory>(*made, terminals));
  made->SetRoot(*root);
  TRY(AddDevice(*root, "ptmx", {5, 2}, &OpenMaster, reinterpret_cast<std::uint64_t>(&terminals)));
  return made;
}

}  // namespace k42::fs
