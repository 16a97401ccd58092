// Random maps, protects, moves, forks, writes and reclaims on several address spaces, compared with
// a model that knows nothing of frames: a page is a protection and one word, shared or its own.
#include <cstdlib>
#include <map>
#include <memory>
#include <random>

#include "unit/mem/test_space.h"

namespace k42::mem {
namespace {

constexpr std::uint64_t kWindow = 0x1000'0000;
constexpr std::uint64_t kPages = 48;
constexpr std::uint64_t kFilePages = 12;
constexpr std::uint64_t kSlot = 16;  // where in the page the word is

struct Cell {
  std::uint64_t value = 0;
};

struct ModelPage {
  Protection protection;
  bool shared;
  std::shared_ptr<Cell> cell;  // shared: everybody's; private: its own, or the file's until written
  bool own;                    // private and written (or zero-filled)
  ForkPolicy fork = ForkPolicy::kCopy;
};

struct Process {
  AddressSpace* space;
  std::map<std::uint64_t, ModelPage> pages;  // by index in the window
};

class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed) {
    for (auto* cells : {&file_cells_, &memory_cells_}) {
      for (auto& cell : *cells) {
        cell = std::make_shared<Cell>();
      }
    }
    for (std::uint64_t i = 0; i < kFilePages; ++i) {
      file_cells_[i]->value = 1000 + i;
      std::memcpy(&file_.bytes[i * kPageSize + kSlot], &file_cells_[i]->value, 8);
    }
    processes_.push_back({AddressSpace::Create(test_.services).value(), {}});
  }
  ~Model() {
    for (const Process& process : processes_) {
      process.space->Destroy();
    }
    file_.fcm->DropReference();
    memory_->DropReference();
  }

  void Step() {
    Process& process = processes_[random_() % processes_.size()];
    const std::uint64_t first = random_() % kPages;
    const std::uint64_t count = 1 + random_() % std::min<std::uint64_t>(8, kPages - first);
    switch (random_() % 16) {
      case 0:
      case 1:
      case 2:
        return Map(process, first, count);
      case 3:
        return Unmap(process, first, count);
      case 4:
      case 5:
        return Protect(process, first, count);
      case 6:
        return Move(process, first, random_() % kPages);
      case 7:
        return random_() % 2 == 0 ? Fork(process) : Exit();
      case 8:
        return DontNeed(process, first, count);
      case 9:
        return FileWrite(first % kFilePages);
      case 10:
        test_.services.page_manager.Reclaim(1 + random_() % 8);
        if (random_() % 4 == 0) {
          ASSERT_EQ(file_.fcm->Sync(), Status::kOk);
        }
        return;
      case 11:
        return SetFork(process, first, count);
      default:
        for (std::uint64_t page = first; page < first + count; ++page) {
          Write(process, page, random_());
        }
    }
  }
  void CompareAll() {
    for (Process& process : processes_) {
      for (std::uint64_t page = 0; page < kPages; ++page) {
        Compare(process, page);
      }
    }
  }

 private:
  static std::uint64_t At(std::uint64_t page) { return kWindow + page * kPageSize; }

  void Map(Process& process, std::uint64_t first, std::uint64_t count) {
    const auto protection = static_cast<Protection>(random_() % 4);
    const int source = static_cast<int>(random_() % 3);
    const bool shared = random_() % 2 == 0;
    const std::uint64_t file_page = random_() % (kFilePages - std::min(count, kFilePages) + 1);
    MapRequest request{.address = At(first),
                       .size = count * kPageSize,
                       .placement = Placement::kFixed,
                       .protection = protection,
                       .shared = shared};
    if (source != 0) {
      request.source = source == 1 ? file_.fcm : memory_;
      request.offset = file_page * kPageSize;
    }
    // (Populating does not wait: of a file that must be read it may or may not copy pages.)
    request.populate = source != 1 && random_() % 4 == 0;
    ASSERT_EQ(process.space->Map(request).value(), At(first));
    const auto& cells = source == 1 ? file_cells_ : memory_cells_;
    for (std::uint64_t i = 0; i < count; ++i) {
      ModelPage page{protection, shared,
                     source == 0 ? std::make_shared<Cell>() : cells[file_page + i],
                     source == 0 && !shared};
      // Populating writable private memory makes the copies at once.
      if (request.populate && !shared && !page.own && (protection & kProtectWrite) != 0) {
        page.cell = std::make_shared<Cell>(*page.cell);
        page.own = views_written_ = true;
      }
      process.pages[first + i] = page;
    }
  }
  void Unmap(Process& process, std::uint64_t first, std::uint64_t count) {
    ASSERT_EQ(process.space->Unmap(At(first), count * kPageSize), Status::kOk);
    for (std::uint64_t page = first; page < first + count; ++page) {
      process.pages.erase(page);
    }
  }
  // Both stop at the first hole.
  template <typename F>
  Status UpToHole(Process& process, std::uint64_t first, std::uint64_t count, F change) {
    for (std::uint64_t page = first; page < first + count; ++page) {
      const auto found = process.pages.find(page);
      if (found == process.pages.end()) {
        return Status::kOutOfRange;
      }
      change(found->second);
    }
    return Status::kOk;
  }
  void Protect(Process& process, std::uint64_t first, std::uint64_t count) {
    const auto protection = static_cast<Protection>(random_() % 8);
    const Status expected =
        UpToHole(process, first, count, [&](ModelPage& page) { page.protection = protection; });
    ASSERT_EQ(process.space->Protect(At(first), count * kPageSize, protection), expected);
  }
  void SetFork(Process& process, std::uint64_t first, std::uint64_t count) {
    const bool omit = random_() % 2 == 0;
    const Status expected = UpToHole(process, first, count, [&](ModelPage& page) {
      page.fork = omit ? ForkPolicy::kOmit : ForkPolicy::kCopy;
    });
    ASSERT_EQ(process.space->Advise(At(first), count * kPageSize,
                                    omit ? Advice::kDontFork : Advice::kDoFork),
              expected);
  }
  void DontNeed(Process& process, std::uint64_t first, std::uint64_t count) {
    // What a written private view falls back to is the file, which the model forgets: anonymous
    // only.
    for (std::uint64_t page = first; page < first + count; ++page) {
      const auto found = process.pages.find(page);
      if (found != process.pages.end() && (found->second.shared || !found->second.own)) {
        return;
      }
      if (found != process.pages.end() && views_written_) {
        return;
      }
    }
    const Status expected = UpToHole(process, first, count,
                                     [](ModelPage& page) { page.cell = std::make_shared<Cell>(); });
    ASSERT_EQ(process.space->Advise(At(first), count * kPageSize, Advice::kDontNeed), expected);
  }
  void Move(Process& process, std::uint64_t from, std::uint64_t to) {
    const Result<std::uint64_t> moved = process.space->Remap({.address = At(from),
                                                              .size = kPageSize,
                                                              .new_size = kPageSize,
                                                              .may_move = true,
                                                              .fixed = true,
                                                              .new_address = At(to)});
    const auto found = process.pages.find(from);
    if (found == process.pages.end()) {
      ASSERT_EQ(moved.status(), Status::kBadAddress);
    } else if (from == to) {
      ASSERT_EQ(moved.status(), Status::kInvalidArgument);
    } else {
      ASSERT_EQ(moved.value(), At(to));
      process.pages[to] = found->second;
      process.pages.erase(from);
    }
  }
  void Fork(Process& process) {
    if (processes_.size() == 6) {
      return;
    }
    Process child{process.space->ForkCopy().value(), {}};
    for (const auto& [page, content] : process.pages) {
      if (content.fork != ForkPolicy::kCopy) {
        continue;
      }
      ModelPage copy = content;
      if (!copy.shared && copy.own) {
        copy.cell = std::make_shared<Cell>(*content.cell);
      }
      child.pages[page] = copy;
    }
    processes_.push_back(std::move(child));
  }
  void Exit() {
    if (processes_.size() > 1) {
      std::swap(processes_.back(), processes_[random_() % processes_.size()]);
      processes_.back().space->Destroy();
      processes_.pop_back();
    }
  }
  void FileWrite(std::uint64_t page) {
    const bool remote = random_() % 2 == 0;
    Cell& cell = *(remote ? file_cells_ : memory_cells_)[page];
    cell.value = random_();
    ASSERT_TRUE(
        (remote ? file_.fcm : memory_)
            ->Write(page * kPageSize + kSlot, BufferIn::Kernel(&cell.value, 8), Waiting::kYes)
            .ok());
  }
  void Write(Process& process, std::uint64_t page, std::uint64_t value) {
    const auto found = process.pages.find(page);
    const bool by_kernel = random_() % 4 == 0;
    const Status status = by_kernel
                              ? process.space->CopyToSpace(At(page) + kSlot, &value, 8).status()
                              : Store(*process.space, At(page) + kSlot, value);
    if (found == process.pages.end()) {
      ASSERT_EQ(status, Status::kBadAddress);
      return;
    }
    if ((found->second.protection & kProtectWrite) == 0) {
      ASSERT_EQ(status, by_kernel ? Status::kBadAddress : Status::kPermissionDenied);
      return;
    }
    ASSERT_EQ(status, Status::kOk);
    if (!found->second.shared && !found->second.own) {
      found->second.cell = std::make_shared<Cell>();
      found->second.own = true;
      views_written_ = true;
    }
    found->second.cell->value = value;
  }
  void Compare(Process& process, std::uint64_t page) {
    const auto found = process.pages.find(page);
    const Result<std::uint64_t> value = Load(*process.space, At(page) + kSlot);
    if (found == process.pages.end()) {
      ASSERT_EQ(value.status(), Status::kBadAddress) << page;
    } else if (found->second.protection == kProtectNone) {
      ASSERT_EQ(value.status(), Status::kPermissionDenied) << page;
    } else {
      ASSERT_EQ(value.status(), Status::kOk) << page;
      ASSERT_EQ(value.value(), found->second.cell->value) << page;
    }
  }

  std::mt19937_64 random_;
  TestServices test_;
  TestFile file_{test_.services, kFilePages* kPageSize, false};
  FcmFile* memory_ = FcmFile::Create(test_.services, nullptr, kFilePages* kPageSize).value();
  std::shared_ptr<Cell> file_cells_[kFilePages];
  std::shared_ptr<Cell> memory_cells_[kFilePages];
  std::vector<Process> processes_;
  bool views_written_ = false;
};

TEST(AddressSpaceModel, RandomOperationsAgree) {
  const char* given = std::getenv("K42_SEED");
  const std::uint64_t base =
      given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  const int runs = std::getenv("K42_LONG") != nullptr ? 200 : 8;
  std::printf("seed %llu\n", static_cast<unsigned long long>(base));
  for (int run = 0; run < runs; ++run) {
    SCOPED_TRACE(testing::Message() << "K42_SEED=" << base + static_cast<unsigned>(run));
    Model model(base + static_cast<unsigned>(run));
    for (int step = 0; step < 1500 && !testing::Test::HasFatalFailure(); ++step) {
      SCOPED_TRACE(step);
      model.Step();
      if (step % 20 == 0) {
        model.CompareAll();
      }
    }
    if (testing::Test::HasFatalFailure()) {
      return;
    }
  }
}

}  // namespace
}  // namespace k42::mem
