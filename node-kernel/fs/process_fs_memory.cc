// /proc/N/maps, smaps, statm, and the sizes in stat and status: a task's address space as Linux
// shows it. What is the personality's own is left out, as it is not the program's.
#include "fs/process_fs.h"
#include "proc/process.h"

namespace k42::fs {
namespace {

using mem::AddressSpace;

// Calls look(space) while the task's process cannot go away. False: there is none.
template <typename Look>
bool WithSpace(std::uint64_t task, Look look) {
  proc::Process* process = HoldProcess(task);
  if (process == nullptr) {
    return false;
  }
  look(process->space());
  process->Drop();
  return true;
}

// Calls see(region) for each region of the program, upwards.
template <typename See>
void ForEachRegion(AddressSpace& space, See see) {
  mem::RegionInfo region;
  for (std::uint64_t at = 0; IsOk(space.QueryRegion(at, region)); at = region.end) {
    if (region.start >= abi::kUserMapLimit) {
      break;
    }
    if (!region.personality) {
      see(region);
    }
  }
}

bool IsStack(const mem::RegionInfo& region) {
  return region.end == abi::kUserMapLimit - abi::kPageSize && region.identity.object == nullptr;
}

class RegionPrinter {
 public:
  static constexpr std::size_t kNameColumn = 73;

  explicit RegionPrinter(TextWriter& text) : text_(text) {}

  void Print(const mem::RegionInfo& region) {
    const std::size_t start = text_.size();
    const bool file = region.identity.node != 0;
    text_.Hex(region.start, 8);
    text_.Text("-");
    text_.Hex(region.end, 8);
    const char access[] = {' ',
                           Letter(region, mem::kProtectRead, 'r'),
                           Letter(region, mem::kProtectWrite, 'w'),
                           Letter(region, mem::kProtectExecute, 'x'),
                           region.shared ? 's' : 'p',
                           ' '};
    text_.Text({access, sizeof(access)});
    text_.Hex(file ? region.offset : 0, 8);
    text_.Text(" ");
    text_.Hex(region.identity.device >> 8, 2);
    text_.Text(":");
    text_.Hex(region.identity.device & 0xff, 2);
    text_.Print(" {} ", region.identity.node);
    if (file || IsStack(region)) {
      while (text_.size() < start + kNameColumn) {
        text_.Text(" ");
      }
      file ? PrintFile(region.identity) : text_.Text("[stack]");
    }
    text_.Text("\n");
  }

 private:
  static char Letter(const mem::RegionInfo& region, std::uint32_t bit, char letter) {
    return (region.protection & bit) != 0 ? letter : '-';
  }
  void PrintFile(const mem::FcmIdentity& file) {
    if (file.device != device_ || file.node != node_) {  // pieces of a file lie side by side
      device_ = file.device;
      node_ = file.node;
      entry_ = Sources().tree->entries().FindNode(device_, node_);
    }
    constexpr std::size_t kRoom = kPathMax;
    auto* path = static_cast<char*>(mem::Allocate(kRoom));
    if (path == nullptr) {
      return;
    }
    const auto size = entry_ ? Sources().tree->entries().Path(*entry_, {path, kRoom})
                             : Result<std::size_t>(Status::kNotFound);
    text_.Text(size.ok() ? std::string_view(path, size.value()) : "/ (deleted)");
    mem::Free(path, kRoom);
  }

  TextWriter& text_;
  std::uint64_t device_ = 0, node_ = 0;
  RefPtr<Entry> entry_;
};

// Who else has a page is not known: each counts as the task's own, and as written if the memory is
// private and may be.
class RegionSizes {
 public:
  void Add(const mem::RegionInfo& region) {
    const bool dirty = !region.shared && (region.protection & mem::kProtectWrite) != 0;
    size_ += region.end - region.start;
    resident_ += region.resident;
    large_ += region.large;
    anonymous_ += region.identity.object == nullptr ? region.resident : 0;
    (region.shared ? shared_ : dirty ? private_dirty_ : private_clean_) += region.resident;
  }
  void Print(TextWriter& text, bool of_one) const {
    if (of_one) {
      text.Print("Size:           {8} kB\nKernelPageSize: {8} kB\nMMUPageSize:    {8} kB\n",
                 size_ >> 10, kPageKib, kPageKib);
    }
    text.Print("Rss:            {8} kB\nPss:            {8} kB\n", resident_ >> 10,
               resident_ >> 10);
    text.Print("Shared_Clean:   {8} kB\nShared_Dirty:   {8} kB\nPrivate_Clean:  {8} kB\n", 0u,
               shared_ >> 10, private_clean_ >> 10);
    text.Print("Private_Dirty:  {8} kB\nReferenced:     {8} kB\nAnonymous:      {8} kB\n",
               private_dirty_ >> 10, resident_ >> 10, anonymous_ >> 10);
    text.Print("LazyFree:       {8} kB\nAnonHugePages:  {8} kB\nShmemPmdMapped: {8} kB\n", 0u,
               large_ >> 10, 0u);
    text.Print("FilePmdMapped:  {8} kB\nShared_Hugetlb: {8} kB\nPrivate_Hugetlb:{8} kB\n", 0u, 0u,
               0u);
    text.Print("Swap:           {8} kB\nSwapPss:        {8} kB\nLocked:         {8} kB\n", 0u, 0u,
               0u);
  }

 private:
  static constexpr std::uint64_t kPageKib = machine::kPageSize >> 10;
  std::uint64_t size_ = 0, resident_ = 0, large_ = 0, anonymous_ = 0;
  std::uint64_t shared_ = 0, private_clean_ = 0, private_dirty_ = 0;
};

}  // namespace

proc::Process* HoldProcess(std::uint64_t task) {
  proc::Process* process = nullptr;
  (void)Sources().processes->tasks.Visit(static_cast<std::uint32_t>(task), 0,
                                         [&process](const proc::Task& found) {
                                           auto* host = static_cast<proc::Process*>(found.host);
                                           if (host != nullptr && host->TryHold()) {
                                             process = host;
                                           }
                                           return Status::kOk;
                                         });
  return process;
}

bool MemoryOf(std::uint64_t task, TaskMemory* memory) {
  return WithSpace(task, [memory](AddressSpace& space) {
    memory->use = space.Use();
    memory->use.mapped = 0;
    ForEachRegion(space, [memory](const mem::RegionInfo& region) {
      const std::uint64_t size = region.end - region.start;
      memory->use.mapped += size;
      if (IsStack(region)) {
        memory->stack += size;
      } else if ((region.protection & mem::kProtectExecute) != 0) {
        memory->text += size;
      } else if ((region.protection & mem::kProtectWrite) != 0 && !region.shared) {
        memory->data += size;
      }
    });
  });
}

void GenerateMaps(TextWriter& text, std::uint64_t task) {
  (void)WithSpace(task, [&text](AddressSpace& space) {
    RegionPrinter printer(text);
    ForEachRegion(space, [&](const mem::RegionInfo& region) { printer.Print(region); });
  });
}

void GenerateMapsWithSizes(TextWriter& text, std::uint64_t task) {
  (void)WithSpace(task, [&text](AddressSpace& space) {
    RegionPrinter printer(text);
    ForEachRegion(space, [&](const mem::RegionInfo& region) {
      printer.Print(region);
      RegionSizes sizes;
      sizes.Add(region);
      sizes.Print(text, true);
    });
  });
}

void GenerateSizes(TextWriter& text, std::uint64_t task) {
  (void)WithSpace(task, [&text](AddressSpace& space) {
    RegionSizes sizes;
    std::uint64_t first = 0, end = 0;
    ForEachRegion(space, [&](const mem::RegionInfo& region) {
      first = end == 0 ? region.start : first;
      end = region.end;
      sizes.Add(region);
    });
    text.Hex(first, 8);
    text.Text("-");
    text.Hex(end, 8);
    text.Text(" ---p 00000000 00:00 0                          [rollup]\n");
    sizes.Print(text, false);
  });
}

void GenerateMemoryUse(TextWriter& text, std::uint64_t task) {
  TaskMemory memory;
  if (MemoryOf(task, &memory)) {
    constexpr std::uint64_t kPage = machine::kPageSize;
    text.Print("{} {} 0 {} 0 {} 0\n", memory.use.mapped / kPage, memory.use.resident / kPage,
               memory.text / kPage, (memory.data + memory.stack) / kPage);
  }
}

}  // namespace k42::fs
