// Random maps, protects, moves, forks, writes of private memory that wants large pages, compared
// with a model that has pages only: a protection and one word each.
#include <array>
#include <cstdlib>
#include <optional>
#include <random>

#include "unit/mem/test_space.h"

namespace k42::mem {
namespace {

constexpr std::uint64_t kWindow = 0x4000'0000;
constexpr std::uint64_t kPages = 4 * kPagesPerLargePage;
constexpr std::uint64_t kSlot = 24;  // where in the page the word is
constexpr std::size_t kMostProcesses = 4;

struct ModelPage {
  Protection protection = kProtectNone;
  std::uint64_t value = 0;
};

struct Process {
  AddressSpace* space = nullptr;
  std::array<std::optional<ModelPage>, kPages> pages = {};
};

struct Range {
  std::uint64_t first, count;
};

class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed) {
    processes_.push_back({AddressSpace::Create(test_.services).value(), {}});
  }
  ~Model() {
    for (const Process& process : processes_) {
      process.space->Destroy();
    }
    EXPECT_EQ(test_.services.loaded_hats.large_pages, 0u);
  }

  void Step() {
    Process& process = processes_[random_() % processes_.size()];
    const Range range = AnyRange();
    switch (random_() % 16) {
      case 0:
      case 1:
        return Map(process, range);
      case 2:
        return Unmap(process, range);
      case 3:
      case 4:
        return Protect(process, range);
      case 5:
        return Move(process, range);
      case 6:
        return random_() % 2 == 0 ? Fork(process) : Exit();
      case 7:
        return DontNeed(process, range);
      case 8:
        return Advise(process, range);
      case 9:
        process.space->RefuseLargePages(random_() % 8 == 0);
        test_.services.large_policy =
            random_() % 3 == 0 ? LargePolicy::kAlways : LargePolicy::kWhenWanted;
        return;
      default:
        for (int i = 0; i < 12; ++i) {
          Write(process, SomePage(range), random_());
        }
    }
    large_seen_ += process.space->hat().large_pages();
  }
  void CompareSome(std::uint64_t stride) {
    for (Process& process : processes_) {
      for (std::uint64_t page = random_() % stride; page < kPages; page += 1 + random_() % stride) {
        Compare(process, page);
      }
    }
  }
  std::uint64_t large_seen() const { return large_seen_; }

 private:
  static std::uint64_t At(std::uint64_t page) { return kWindow + page * kPageSize; }

  // Whole large pages, or a few pages, or anything.
  Range AnyRange() {
    constexpr std::uint64_t kLarge = kPagesPerLargePage;
    switch (random_() % 5) {
      case 0:
      case 1:
      case 2: {
        const std::uint64_t first = random_() % 4;
        return {first * kLarge, (1 + random_() % (4 - first)) * kLarge};
      }
      case 3: {
        const std::uint64_t first = random_() % (kPages - 8);
        return {first, 1 + random_() % 8};
      }
      default: {
        const std::uint64_t first = random_() % kPages;
        return {first, 1 + random_() % (kPages - first)};
      }
    }
  }
  // Mostly one of few, so that what one process has copied the other touches first.
  std::uint64_t SomePage(Range range) {
    const std::uint64_t page = range.first + random_() % range.count;
    const std::uint64_t hot = AlignUp(page, kPagesPerLargePage / 4);
    return random_() % 4 != 0 && hot < range.first + range.count ? hot : page;
  }
  void Map(Process& process, Range range) {
    const Protection protection = random_() % 4 == 0 ? kProtectRead : kProtectRead | kProtectWrite;
    const MapRequest request{
        .address = At(range.first),
        .size = range.count * kPageSize,
        .placement = Placement::kFixed,
        .protection = protection,
        .populate = random_() % 8 == 0,
        .large = random_() % 8 == 0 ? LargePages::kAsNode : LargePages::kWanted};
    ASSERT_EQ(process.space->Map(request).value(), At(range.first));
    for (std::uint64_t i = 0; i < range.count; ++i) {
      process.pages[range.first + i] = ModelPage{protection, 0};
    }
    for (int i = 0; i < 8; ++i) {
      Write(process, SomePage(range), random_());
    }
  }
  void Unmap(Process& process, Range range) {
    ASSERT_EQ(process.space->Unmap(At(range.first), range.count * kPageSize), Status::kOk);
    for (std::uint64_t i = 0; i < range.count; ++i) {
      process.pages[range.first + i].reset();
    }
  }
  // All of these stop at the first hole.
  template <typename F>
  Status UpToHole(Process& process, Range range, F change) {
    for (std::uint64_t i = 0; i < range.count; ++i) {
      std::optional<ModelPage>& page = process.pages[range.first + i];
      if (!page.has_value()) {
        return Status::kOutOfRange;
      }
      change(*page);
    }
    return Status::kOk;
  }
  void Protect(Process& process, Range range) {
    const auto protection = static_cast<Protection>(random_() % 4);
    const Status expected =
        UpToHole(process, range, [&](ModelPage& page) { page.protection = protection; });
    ASSERT_EQ(process.space->Protect(At(range.first), range.count * kPageSize, protection),
              expected);
  }
  void DontNeed(Process& process, Range range) {
    const Status expected = UpToHole(process, range, [](ModelPage& page) { page.value = 0; });
    ASSERT_EQ(process.space->Advise(At(range.first), range.count * kPageSize, Advice::kDontNeed),
              expected);
  }
  void Advise(Process& process, Range range) {
    const Status expected = UpToHole(process, range, [](ModelPage&) {});
    ASSERT_EQ(process.space->Advise(At(range.first), range.count * kPageSize,
                                    random_() % 4 == 0 ? Advice::kSmallPages : Advice::kLargePages),
              expected);
  }
  void Move(Process& process, Range from) {
    const std::uint64_t to = random_() % 2 == 0 ? random_() % 4 * kPagesPerLargePage
                                                : random_() % (kPages - from.count + 1);
    if (to + from.count > kPages) {
      return;
    }
    const Result<std::uint64_t> moved = process.space->Remap({.address = At(from.first),
                                                              .size = from.count * kPageSize,
                                                              .new_size = from.count * kPageSize,
                                                              .may_move = true,
                                                              .fixed = true,
                                                              .new_address = At(to)});
    const bool overlaps = to < from.first + from.count && from.first < to + from.count;
    const bool whole = IsOk(UpToHole(process, from, [](ModelPage&) {}));
    if (!moved.ok()) {  // or the range is of several regions, which the model does not know
      ASSERT_TRUE(moved.status() == Status::kBadAddress ||
                  (overlaps && moved.status() == Status::kInvalidArgument));
      return;
    }
    ASSERT_TRUE(whole && !overlaps);
    for (std::uint64_t i = 0; i < from.count; ++i) {
      process.pages[to + i] = process.pages[from.first + i];
      process.pages[from.first + i].reset();
    }
  }
  void Fork(Process& process) {
    if (processes_.size() < kMostProcesses) {
      Process child{process.space->ForkCopy().value(), process.pages};
      processes_.push_back(child);
    }
  }
  void Exit() {
    if (processes_.size() > 1) {
      std::swap(processes_.back(), processes_[random_() % processes_.size()]);
      processes_.back().space->Destroy();
      processes_.pop_back();
    }
  }
  void Write(Process& process, std::uint64_t page, std::uint64_t value) {
    const std::uint64_t address = At(page) + kSlot;
    const bool by_kernel = random_() % 4 == 0;
    const Status status = by_kernel ? process.space->CopyToSpace(address, &value, 8).status()
                                    : Store(*process.space, address, value);
    std::optional<ModelPage>& found = process.pages[page];
    if (!found.has_value()) {
      ASSERT_EQ(status, Status::kBadAddress);
    } else if ((found->protection & kProtectWrite) == 0) {
      ASSERT_EQ(status, by_kernel ? Status::kBadAddress : Status::kPermissionDenied);
    } else {
      ASSERT_EQ(status, Status::kOk);
      found->value = value;
    }
  }
  void Compare(Process& process, std::uint64_t page) {
    const Result<std::uint64_t> value = Load(*process.space, At(page) + kSlot);
    const std::optional<ModelPage>& found = process.pages[page];
    if (!found.has_value()) {
      ASSERT_EQ(value.status(), Status::kBadAddress) << page;
    } else if (found->protection == kProtectNone) {
      ASSERT_EQ(value.status(), Status::kPermissionDenied) << page;
    } else {
      ASSERT_EQ(value.status(), Status::kOk) << page;
      ASSERT_EQ(value.value(), found->value) << page;
    }
  }

  std::mt19937_64 random_;
  TestServices test_{96ull << 20};
  std::vector<Process> processes_;
  std::uint64_t large_seen_ = 0;
};

TEST(LargePagesModel, RandomOperationsAgree) {
  const char* given = std::getenv("K42_SEED");
  const std::uint64_t base =
      given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  const int runs = std::getenv("K42_LONG") != nullptr ? 100 : 4;
  std::printf("seed %llu\n", static_cast<unsigned long long>(base));
  for (int run = 0; run < runs; ++run) {
    SCOPED_TRACE(testing::Message() << "K42_SEED=" << base + static_cast<unsigned>(run));
    Model model(base + static_cast<unsigned>(run));
    for (int step = 0; step < 600 && !testing::Test::HasFatalFailure(); ++step) {
      SCOPED_TRACE(step);
      model.Step();
      if (step % 10 == 0) {
        model.CompareSome(step % 50 == 0 ? 1 : 97);
      }
    }
    if (testing::Test::HasFatalFailure()) {
      return;
    }
    EXPECT_GT(model.large_seen(), 10u);
  }
}

}  // namespace
}  // namespace k42::mem
