#include "fs/memory_fs.h"

#include <cstring>

#include "fs/memory_file.h"
#include "mem/heap.h"

namespace k42::fs {

Result<MemoryFileSystem*> MemoryFileSystem::Make(FileDataSource& source, std::uint64_t device,
                                                 std::uint32_t root_mode) {
  auto* made = TRY(mem::New<MemoryFileSystem>(source, device));
  const auto root =
      mem::New<MemoryDirectory>(*made, made->next_number_.fetch_add(1), Ownership{root_mode, 0, 0});
  if (!root.ok()) {
    mem::Delete(made);
    return root.status();
  }
  made->root_ = RefPtr<MemoryDirectory>::Adopt(root.value());
  made->root_->CountLink(2);
  return made;
}

Status MemoryFileSystem::GetInfo(FileSystemInfo* info) {
  constexpr std::uint64_t kBlock = 4096;
  *info = {};
  info->kind = FileSystemKind::kMemory;
  info->block_size = kBlock;
  info->name_max = kNameMax;
  info->blocks = source_.Capacity() / kBlock;
  info->blocks_free = source_.Free() / kBlock;
  info->files = kMaxFiles;
  info->files_free = kMaxFiles - files_.load(std::memory_order_relaxed);
  info->device = device();
  return Status::kOk;
}

Result<MemoryNode*> MemoryFileSystem::MakeNode(const NewNode& what) {
  if (files_.load(std::memory_order_relaxed) >= kMaxFiles) {
    return Status::kNoSpace;
  }
  const std::uint64_t number = next_number_.fetch_add(1, std::memory_order_relaxed);
  const Ownership owned{what.mode, what.user, what.group};
  switch (what.kind) {
    case FileKind::kDirectory:
      return TRY(mem::New<MemoryDirectory>(*this, number, owned));
    case FileKind::kRegular: {
      FileData* data = TRY(source_.Make(device(), number));
      const auto file = mem::New<MemoryFile>(*this, number, owned, *data);
      if (!file.ok()) {
        data->Dispose();
        return file.status();
      }
      return file.value();
    }
    case FileKind::kSymbolicLink: {
      const std::size_t size = what.link_text.size();
      auto* text = static_cast<char*>(mem::Allocate(size));
      if (text == nullptr) {
        return Status::kNoMemory;
      }
      std::memcpy(text, what.link_text.data(), size);
      const auto link =
          mem::New<MemoryLink>(*this, number, Ownership{0777, what.user, what.group}, text, size);
      if (!link.ok()) {
        mem::Free(text, size);
        return link.status();
      }
      return link.value();
    }
    case FileKind::kFifo: {
      auto fifo = RefPtr<io::Fifo>::Adopt(TRY(io::Fifo::Make()));
      return TRY(mem::New<MemoryFifo>(*this, number, owned, std::move(fifo)));
    }
    case FileKind::kSocket: {
      auto name = RefPtr<io::SocketName>::Adopt(TRY(io::SocketName::Make()));
      return TRY(mem::New<MemorySocket>(*this, number, owned, std::move(name)));
    }
    default:
      return Status::kNotSupported;
  }
}

}  // namespace k42::fs
