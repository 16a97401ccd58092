// What a Hat does of a long range with its lock held once is bounded by tables, too: not only by
// pages that are there.
#include "machine/hosted.h"
#include "mem/hat.h"
#include "unit/mem/test_space.h"

namespace k42::mem {
namespace {

constexpr std::uint64_t kAt = 1ull << 40;
constexpr std::uint64_t kTables = 200;
constexpr std::uint64_t kFrame = 20ull << 20;
constexpr std::uint64_t kMostAtATime = 4;  // tables

struct HatPieces : testing::Test {
  HatPieces() { EXPECT_EQ(hat.Initialise(), Status::kOk); }
  ~HatPieces() override { hat.Destroy(); }
  // One page in the middle of each of kTables leaf tables, `stride` bytes apart.
  void MapSparsely(std::uint64_t stride) {
    TlbGather gather(*test.frames.allocator);
    for (std::uint64_t i = 0; i < kTables; ++i) {
      ASSERT_EQ(hat.Map(PageOf(i, stride), kFrame, kProtectRead, gather), Status::kOk);
    }
    gather.Finish();
  }
  static std::uint64_t PageOf(std::uint64_t i, std::uint64_t stride) {
    return kAt + i * stride + 77 * kPageSize;
  }

  TestServices test;
  Hat hat{*test.frames.allocator, test.services.loaded_hats};
};

TEST_F(HatPieces, FewTablesAtATime) {
  for (const std::uint64_t stride : {std::uint64_t{kLargePageSize}, std::uint64_t{1} << 30}) {
    MapSparsely(stride);
    const std::uint64_t end = kAt + kTables * stride;
    EXPECT_EQ(hat.CountPresent(kAt, end), kTables);
    TlbGather gather(*test.frames.allocator);
    std::uint64_t pieces = 0;
    for (std::uint64_t at = kAt; at < end; ++pieces) {
      const std::uint64_t before = hat.resident_pages();
      at = hat.UnmapPiece(kAt, at, end, gather);
      ASSERT_LE(before - hat.resident_pages(), kMostAtATime);
    }
    gather.Finish();
    EXPECT_EQ(hat.resident_pages(), 0u);
    EXPECT_LE(pieces, 2 * kTables);
  }
}

// Tables whose pages have all gone are looked at as others are, and given back at the end.
TEST_F(HatPieces, EmptyTablesCountAsWell) {
  const std::uint64_t free = test.frames.allocator->free_frames();
  MapSparsely(kLargePageSize);
  const std::uint64_t end = kAt + kTables * kLargePageSize;
  TlbGather gather(*test.frames.allocator);
  for (std::uint64_t i = 0; i < kTables; ++i) {
    const std::uint64_t page = PageOf(i, kLargePageSize);
    hat.Unmap(page, page + kPageSize, gather);
  }
  gather.Finish();
  EXPECT_LE(test.frames.allocator->free_frames(), free - kTables);
  for (std::uint64_t at = kAt; at < end;) {
    const std::uint64_t next = hat.UnmapPiece(kAt, at, end, gather);
    ASSERT_LE(next - at, kMostAtATime * kLargePageSize);
    at = next;
  }
  gather.Finish();
  EXPECT_GE(test.frames.allocator->free_frames() + 10, free);
}

// What was never there costs a few steps: 64 TiB of nothing.
TEST_F(HatPieces, NothingIsPassedOver) {
  MapSparsely(kLargePageSize);
  TlbGather gather(*test.frames.allocator);
  std::uint64_t pieces = 0;
  for (std::uint64_t at = 1ull << 45; at < 3ull << 45; ++pieces) {
    at = hat.UnmapPiece(1ull << 45, at, 3ull << 45, gather);
  }
  EXPECT_LE(pieces, 2u);
  hat.Restrict(kPageSize, 3ull << 45, kProtectNone, gather);
  EXPECT_EQ(hat.resident_pages(), 0u);
  gather.Finish();
}

// Another page where CPU 1 may have one still: nothing is there in between.
struct HatReplaces : HatPieces {
  HatReplaces() {
    machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
      if (cpu == 1) {
        hat.Activate();
      }
    });
  }
  ~HatReplaces() override {
    machine::hosted::RunOnAllCpus(
        [this](machine::CpuId) { Hat::LeaveThisCpu(test.services.loaded_hats); });
  }
  machine::PhysAddr Shown(std::uint64_t address) {
    return machine::PteAddress(hat.EntryOf(address));
  }
  static constexpr std::uint64_t kOther = kFrame + kLargePageSize;
  TlbGather gather{*test.frames.allocator};
};

TEST_F(HatReplaces, ASmallPageIsHeldBack) {
  ASSERT_EQ(hat.Map(kAt, kFrame, kProtectRead, gather), Status::kOk);
  EXPECT_FALSE(gather.HoldsBack()) << "nothing was there";
  ASSERT_EQ(hat.Map(kAt, kFrame, kProtectRead | kProtectWrite, gather), Status::kOk);
  EXPECT_FALSE(gather.HoldsBack()) << "the same page";
  ASSERT_EQ(hat.Map(kAt, kOther, kProtectRead, gather), Status::kOk);
  EXPECT_TRUE(gather.HoldsBack());
  EXPECT_EQ(hat.EntryOf(kAt), 0u);
  EXPECT_EQ(hat.resident_pages(), 0u);
  TlbGather another(*test.frames.allocator);  // as of another CPU's fault meanwhile
  ASSERT_EQ(hat.Map(kAt, kOther, kProtectRead, another), Status::kOk);
  EXPECT_TRUE(another.HoldsBack());
  EXPECT_EQ(hat.EntryOf(kAt), 0u);
  another.Finish();
  EXPECT_FALSE(another.HoldsBack());
  ASSERT_EQ(hat.Map(kAt, kOther, kProtectRead, another), Status::kOk);
  EXPECT_FALSE(another.HoldsBack());
  EXPECT_EQ(Shown(kAt), kOther);
  gather.Finish();
  EXPECT_EQ(hat.resident_pages(), 1u);
}

TEST_F(HatReplaces, ALargePageIsHeldBack) {
  ASSERT_EQ(hat.MapLarge(kAt, kFrame, kProtectRead, gather), Status::kOk);
  EXPECT_FALSE(gather.HoldsBack());
  ASSERT_EQ(hat.MapLarge(kAt, kOther, kProtectRead, gather), Status::kOk);
  EXPECT_TRUE(gather.HoldsBack());
  EXPECT_EQ(hat.EntryOf(kAt), 0u);
  gather.Finish();
  ASSERT_EQ(hat.MapLarge(kAt, kOther, kProtectRead, gather), Status::kOk);
  EXPECT_EQ(Shown(kAt), kOther);
  EXPECT_EQ(hat.large_pages(), 1u);
  // A small one in its place, of other memory.
  ASSERT_EQ(hat.Map(kAt + kPageSize, kFrame, kProtectRead, gather), Status::kOk);
  EXPECT_TRUE(gather.HoldsBack());
  EXPECT_EQ(hat.EntryOf(kAt + kPageSize), 0u);
  gather.Finish();
  EXPECT_EQ(hat.large_pages(), 0u);
}

TEST_F(HatReplaces, NeighboursWaitForTheirOwnFaults) {
  ASSERT_EQ(hat.Map(kAt, kFrame, kProtectRead, gather), Status::kOk);
  hat.Unmap(kAt, kAt + kPageSize, gather);
  Hat::Leaves leaves;
  leaves.leaf[leaves.count++] = {kAt, Hat::LeafEntry(kOther, kProtectRead), false};
  hat.MapLeaves(leaves);
  EXPECT_EQ(hat.EntryOf(kAt), 0u);
  gather.Finish();
  hat.MapLeaves(leaves);
  EXPECT_EQ(Shown(kAt), kOther);
}

// Nobody else has the table: there is nobody to wait for.
TEST_F(HatPieces, APageIsReplacedAtOnceWhereNobodyElseHasIt) {
  hat.Activate();
  TlbGather gather(*test.frames.allocator);
  ASSERT_EQ(hat.Map(kAt, kFrame, kProtectRead, gather), Status::kOk);
  ASSERT_EQ(hat.Map(kAt, kFrame + kPageSize, kProtectRead, gather), Status::kOk);
  EXPECT_FALSE(gather.HoldsBack());
  EXPECT_EQ(machine::PteAddress(hat.EntryOf(kAt)), kFrame + kPageSize);
  EXPECT_EQ(hat.resident_pages(), 1u);
  gather.Finish();
  Hat::LeaveThisCpu(test.services.loaded_hats);
}

}  // namespace
}  // namespace k42::mem
