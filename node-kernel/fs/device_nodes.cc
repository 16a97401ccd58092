#include "fs/device_nodes.h"

#include <algorithm>
#include <cstring>

#include "fs/name_tree.h"
#include "io/stream_attributes.h"
#include "machine/random.h"

namespace k42::fs {
namespace {

// An opening of one of the simple devices.
class SimpleDeviceFile final : public OpenFileBase<IOpenFile> {
 public:
  using Caller = const cobj::CallContext&;
  SimpleDeviceFile(SimpleDevice device, RefPtr<Node> node, RefPtr<Entry> entry, std::uint32_t flags)
      : OpenFileBase(flags), device_(device), node_(std::move(node)), entry_(std::move(entry)) {}

  Result<std::uint64_t> PollState() override { return kAlways.Pack(); }
  Status Arm(std::uint32_t mask, std::uint64_t since, cobj::Ticket ready) override {
    return (mask & kAlways.ready) != 0 && since == abi::kArmLevel
               ? ready.Fire(Status::kOk, kAlways.Pack())
               : Status::kOk;
  }
  Status Disarm(Caller, std::uint32_t) override { return Status::kOk; }
  Result<std::uint64_t> Read(Caller, BufferOut data) override;
  Result<std::uint64_t> Write(Caller, BufferIn data) override {
    return device_ == SimpleDevice::kFull ? Result<std::uint64_t>(Status::kNoSpace)
                                          : Result<std::uint64_t>(std::uint64_t{data.size()});
  }
  Result<std::uint64_t> ReadAt(Caller caller, std::uint64_t, BufferOut data) override {
    return Read(caller, data);
  }
  Result<std::uint64_t> WriteAt(Caller caller, std::uint64_t, BufferIn data) override {
    return Write(caller, data);
  }
  Result<std::uint64_t> Seek(std::int64_t, SeekFrom) override { return std::uint64_t{0}; }
  Status GetAttributes(FileAttributes& attributes) override {
    return io::NodeAttributes(*node_, &attributes);
  }
  Status GetFileSystem(FileSystemInfo& info) override {
    return node_->file_system().GetInfo(&info);
  }
  Result<FileKind> Kind() override { return FileKind::kCharacterDevice; }
  Result<Entry*> TakeEntry() override {
    RefPtr<Entry> entry = entry_;
    return entry.Release();
  }

 private:
  static constexpr abi::PollWord kAlways{abi::kReadable | abi::kWritable, 0, 0};
  void Closed() override {}

  const SimpleDevice device_;
  const RefPtr<Node> node_;
  const RefPtr<Entry> entry_;
};

Result<std::uint64_t> SimpleDeviceFile::Read(Caller, BufferOut data) {
  if (device_ == SimpleDevice::kNull) {
    return std::uint64_t{0};
  }
  constexpr std::size_t kPiece = 512;
  alignas(8) std::byte piece[kPiece] = {};
  for (std::size_t done = 0; done < data.size();) {
    const std::size_t part = std::min(kPiece, data.size() - done);
    if (device_ == SimpleDevice::kRandom) {
      machine::FillRandom(piece, part);
    }
    TRY(data.CopyFrom(piece, done, part));
    done += part;
  }
  return std::uint64_t{data.size()};
}

Result<cobj::Granted<IOpenFile>> OpenSimple(const OpenRequest& request, Node& node,
                                            std::uint64_t argument) {
  const auto ref = TRY(cobj::MakeShared<SimpleDeviceFile>(
      static_cast<SimpleDevice>(argument), RefPtr<Node>(&node), request.entry, request.flags));
  return cobj::Granted<IOpenFile>(ref, RightsFor(request.flags));
}

struct SimpleEntry {
  std::string_view name;
  DeviceNumber number;
  SimpleDevice device;
};
constexpr SimpleEntry kSimple[] = {
    {"null", {1, 3}, SimpleDevice::kNull},      {"zero", {1, 5}, SimpleDevice::kZero},
    {"full", {1, 7}, SimpleDevice::kFull},      {"random", {1, 8}, SimpleDevice::kRandom},
    {"urandom", {1, 9}, SimpleDevice::kRandom},
};
constexpr std::string_view kLinks[][2] = {{"fd", "/proc/self/fd"},
                                          {"stdin", "/proc/self/fd/0"},
                                          {"stdout", "/proc/self/fd/1"},
                                          {"stderr", "/proc/self/fd/2"}};

}  // namespace

Status DeviceNode::GetAttributes(FileAttributes* attributes) {
  TRY(SyntheticNode::GetAttributes(attributes));
  attributes->device_major = device_.major;
  attributes->device_minor = device_.minor;
  return Status::kOk;
}

Status DeviceNode::SetAttributes(const AttributeChange& change) {
  Ownership owned = ownership();
  owned.mode = (change.mask & kSetMode) != 0 ? change.mode : owned.mode;
  owned.user = (change.mask & kSetUser) != 0 ? change.user : owned.user;
  owned.group = (change.mask & kSetGroup) != 0 ? change.group : owned.group;
  SetOwnership(owned);
  return Status::kOk;
}

Status AddDevice(SyntheticDirectory& directory, std::string_view name, DeviceNumber number,
                 OpenDevice open, std::uint64_t argument, std::uint32_t mode) {
  auto& file_system = static_cast<SyntheticFileSystem&>(directory.file_system());
  return directory.Add(name, RefPtr<DeviceNode>::Adopt(TRY(
                                 mem::New<DeviceNode>(file_system, number, open, argument, mode))));
}

Status AddSimpleDevices(SyntheticDirectory& directory) {
  for (const SimpleEntry& entry : kSimple) {
    TRY(AddDevice(directory, entry.name, entry.number, &OpenSimple,
                  static_cast<std::uint64_t>(entry.device)));
  }
  for (const auto& link : kLinks) {
    TRY(directory.AddSymlink(link[0], link[1]));
  }
  TRY(directory.AddDirectory("shm"));  // a memory file system and the terminals are mounted here
  TRY(directory.AddDirectory("pts"));
  return Status::kOk;
}

}  // namespace k42::fs
