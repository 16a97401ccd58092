// What a Hat does of a long range with its lock held once is bounded by tables, too: not only by
// pages that are there.
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

}  // namespace
}  // namespace k42::mem
