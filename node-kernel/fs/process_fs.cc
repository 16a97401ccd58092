#include "fs/process_fs.h"

#include "fs/directory_writer.h"

namespace k42::fs {
namespace {

constinit ProcessFileSources sources = {};

// The root: fixed files first, then a directory per task.
class ProcessRoot final : public SyntheticDirectory {
 public:
  using SyntheticDirectory::SyntheticDirectory;

  Result<Node*> Lookup(std::string_view name) override {
    const auto fixed = SyntheticDirectory::Lookup(name);
    return fixed.status() == Status::kNotFound ? LookupTask(synthetic(), name) : fixed;
  }
  Status ReadDirectory(std::uint64_t cookie, DirectoryWriter& writer) override {
    TRY(SyntheticDirectory::ReadDirectory(cookie, writer));
    return writer.full() ? Status::kOk : ListTasks(cookie, writer);
  }

 private:
  void Dispose() override { mem::Delete(this); }
};

}  // namespace

const ProcessFileSources& Sources() {
  return sources;
}

Result<SyntheticFileSystem*> MakeProcessFileSystem(NameTree& tree, proc::ProcessServices& processes,
                                                   mem::MemoryServices& memory,
                                                   io::SocketServices& sockets,
                                                   std::uint64_t device) {
  sources = {&tree, &processes, &memory, &sockets};
  // Tasks come and go without telling us: never remember a name.
  auto* made = TRY(SyntheticFileSystem::Make("proc", FileSystemKind::kProcesses, device,
                                             FileSystem::Caching::kNever));
  auto* root = TRY(mem::New<ProcessRoot>(*made));
  made->SetRoot(*root);
  TRY(AddNodeFiles(*root));
  return made;
}

}  // namespace k42::fs
