// The arena's layout: disjoint, inside, and a header that says otherwise is refused.
#include "abi/arena_layout.h"

#include <gtest/gtest.h>

#include <memory>

#include "abi/frame.h"

namespace k42::abi {
namespace {

constexpr std::uint64_t kMiB = 1 << 20;

std::unique_ptr<ArenaHeader> HeaderFor(const ArenaLayout& layout) {
  auto header = std::make_unique<ArenaHeader>();
  header->magic = kArenaMagic;
  header->version = kArenaVersion;
  header->header_size = sizeof(ArenaHeader);
  header->arena_size = layout.arena_size;
  header->cpu_count = layout.cpu_count;
  header->chunks = layout.chunks;
  header->windows = layout.windows;
  header->operations = layout.operations;
  header->submit_rings = layout.submit_rings;
  header->receive_rings = layout.receive_rings;
  header->data = layout.data;
  header->state = KernelState::kFormatted;
  return header;
}

TEST(ArenaLayout, PartsAreDisjointAndInside) {
  for (std::uint64_t size : {4 * kMiB, 32 * kMiB, 33 * kMiB, 4096 * kMiB}) {
    for (std::uint32_t cpus : {1u, 2u, 8u, 64u}) {
      auto result = ComputeArenaLayout(size, cpus);
      if (!result.ok()) {
        EXPECT_EQ(result.status(), Status::kNoSpace);
        EXPECT_LT(size, 32 * kMiB);
        continue;
      }
      const ArenaLayout& at = result.value();
      EXPECT_LE(2 * kArenaPage, at.chunks);
      EXPECT_LE(at.chunks + at.chunk_count * sizeof(ChunkEntry), at.windows);
      EXPECT_LE(at.windows + kMaxWindows * sizeof(WindowEntry), at.operations);
      EXPECT_LE(at.OperationAt(at.OperationCount()), at.submit_rings);
      EXPECT_LE(at.SubmitRingAt(cpus), at.receive_rings);
      EXPECT_LE(at.ReceiveRingAt(cpus), at.data);
      EXPECT_LE(at.data_end, size - kArenaTopReserve);
      EXPECT_EQ(at.data + at.chunk_count * kChunkSize, at.data_end);
    }
  }
}

TEST(ArenaLayout, RefusesImpossibleSizes) {
  EXPECT_EQ(ComputeArenaLayout(kMiB, 1).status(), Status::kInvalidArgument);
  EXPECT_EQ(ComputeArenaLayout(32 * kMiB + 4096, 1).status(), Status::kInvalidArgument);
  EXPECT_EQ(ComputeArenaLayout(32 * kMiB, 0).status(), Status::kInvalidArgument);
  EXPECT_EQ(ComputeArenaLayout(32 * kMiB, 65).status(), Status::kInvalidArgument);
  EXPECT_EQ(ComputeArenaLayout(~0ull, 1).status(), Status::kInvalidArgument);
}

TEST(ArenaLayout, DataRangesDoNotOverflow) {
  ArenaLayout at = ComputeArenaLayout(32 * kMiB, 2).value();
  EXPECT_TRUE(at.InData(at.data, kChunkSize));
  EXPECT_TRUE(at.InData(at.data_end, 0));
  EXPECT_FALSE(at.InData(at.data_end, 1));
  EXPECT_FALSE(at.InData(at.data, ~0ull));
  EXPECT_FALSE(at.InData(~0ull, 2));
  EXPECT_FALSE(at.InData(0, 8));
}

TEST(ArenaHeader, IsBelievedOnlyIfItSaysWhatTheLayoutIs) {
  ArenaLayout at = ComputeArenaLayout(32 * kMiB, 4).value();
  EXPECT_EQ(CheckArenaHeader(*HeaderFor(at), 32 * kMiB).value().data, at.data);
  EXPECT_EQ(CheckArenaHeader(*HeaderFor(at), 64 * kMiB).status(), Status::kCorrupt);
  auto header = HeaderFor(at);
  header->state = KernelState::kUnformatted;
  EXPECT_EQ(CheckArenaHeader(*header, 32 * kMiB).status(), Status::kUnavailable);
  header = HeaderFor(at);
  header->version = 9;
  EXPECT_EQ(CheckArenaHeader(*header, 32 * kMiB).status(), Status::kVersionMismatch);
  header = HeaderFor(at);
  header->operations += 64;
  EXPECT_EQ(CheckArenaHeader(*header, 32 * kMiB).status(), Status::kCorrupt);
  header = HeaderFor(at);
  header->cpu_count = 4096;
  EXPECT_EQ(CheckArenaHeader(*header, 32 * kMiB).status(), Status::kCorrupt);
}

TEST(Window, IsCheckedByGenerationAccessAndRange) {
  ArenaLayout at = ComputeArenaLayout(32 * kMiB, 2).value();
  WindowId id = MakeWindowId(3, 5);
  auto check = [&](std::uint32_t generation, std::uint64_t offset, std::uint64_t length,
                   std::uint32_t access) {
    return CheckWindow(at, generation, at.data + 4096, 8192, kAccessRead, id, offset, length,
                       access);
  };
  EXPECT_EQ(check(5, 100, 8, kAccessRead).value(), at.data + 4196);
  EXPECT_EQ(check(6, 100, 8, kAccessRead).status(), Status::kRevoked);
  EXPECT_EQ(check(7, 100, 8, kAccessRead).status(), Status::kRevoked);
  EXPECT_EQ(check(5, 100, 8, kAccessWrite).status(), Status::kPermissionDenied);
  EXPECT_EQ(check(5, 8192, 1, kAccessRead).status(), Status::kOutOfRange);
  EXPECT_EQ(check(5, ~0ull, 8, kAccessRead).status(), Status::kOutOfRange);
}

TEST(Frame, ShapeIsChecked) {
  std::byte message[sizeof(Frame) + 10] = {};
  Frame frame{};
  frame.magic = kFrameMagic;
  frame.version = kFrameVersion;
  frame.kind = FrameKind::kCall;
  frame.payload_size = 10;
  Frame out;
  auto check = [&] {
    std::memcpy(message, &frame, sizeof frame);
    return CheckFrame(message, &out).status();
  };
  EXPECT_EQ(check(), Status::kOk);
  frame.payload_size = 11;
  EXPECT_EQ(check(), Status::kCorrupt);
  frame.payload_size = 10;
  frame.version = 2;
  EXPECT_EQ(check(), Status::kVersionMismatch);
  frame.version = kFrameVersion;
  frame.kind = static_cast<FrameKind>(99);
  EXPECT_EQ(check(), Status::kCorrupt);
  EXPECT_EQ(CheckFrame(std::span(message).first(20), &out).status(), Status::kCorrupt);
}

}  // namespace
}  // namespace k42::abi
