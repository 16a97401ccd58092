// Every kind of region over every kind of memory over every kind of file: what is read first, who
// sees what is written, what a copy of the address space has, and that nothing is left behind.
#include <memory>
#include <string>
#include <tuple>

#include "mem/fcm_on_demand.h"
#include "mem/fcm_pinned.h"
#include "unit/mem/test_space.h"

namespace k42::mem {
namespace {

enum class Source { kNone, kMemoryFile, kFileAtOnce, kFileLater, kPinned, kOnDemand };
constexpr const char* kSourceNames[] = {"None",      "MemoryFile", "FileAtOnce",
                                        "FileLater", "Pinned",     "OnDemand"};
constexpr std::uint64_t kPages = 3;
constexpr Protection kReadWrite = kProtectRead | kProtectWrite;
constexpr std::uint64_t kFirst = 0x1122'3344'5566'7788;  // in page 1 of what has contents

// source, shared, writable, the personality's, what a fork does, shown by large pages
using Case = std::tuple<Source, bool, bool, bool, ForkPolicy, LargePages>;

class Matrix : public testing::TestWithParam<Case> {
 protected:
  Matrix() : source(std::get<0>(GetParam())) {
    switch (source) {
      case Source::kNone:
        break;
      case Source::kMemoryFile:
        fcm = FcmFile::Create(test.services, nullptr, kPages * kPageSize).value();
        break;
      case Source::kFileAtOnce:
      case Source::kFileLater:
        file = std::make_unique<TestFile>(test.services, kPages * kPageSize,
                                          source == Source::kFileLater);
        fcm = file->fcm;
        std::memcpy(&file->bytes[kPageSize], &kFirst, sizeof(kFirst));
        break;
      case Source::kPinned: {
        auto* pinned = FcmPinned::Create(test.services, kPages).value();
        pinned->data<std::uint64_t>()[kPageSize / 8] = kFirst;
        fcm = pinned;
        break;
      }
      case Source::kOnDemand: {
        auto* pages = FcmOnDemand::Create(test.services, kPages).value();
        EXPECT_EQ(pages->Make(1), Status::kOk);
        *pages->data<std::uint64_t>(1) = kFirst;
        fcm = pages;
        break;
      }
    }
  }
  ~Matrix() override {
    space->Destroy();
    if (fcm != nullptr) {
      fcm->DropReference();
    }
    while (file != nullptr && !file->gone) {
      machine::Thread::Yield();  // what was dirty is still written
    }
  }
  bool HasContents() const { return source != Source::kNone && source != Source::kMemoryFile; }

  TestServices test;
  const Source source;
  Fcm* fcm = nullptr;
  std::unique_ptr<TestFile> file;
  AddressSpace* space = AddressSpace::Create(test.services).value();
};

TEST_P(Matrix, DoesWhatItIs) {
  const auto [_, shared, writable, personality, fork, large] = GetParam();
  // Of large pages every one that is touched is one.
  const std::uint64_t page = large == LargePages::kPromised ? kLargePageSize : kPageSize;
  MapRequest request;
  request.size = kPages * page;
  request.large = large;
  request.protection = writable ? kReadWrite : kProtectRead;
  request.shared = shared;
  request.personality = personality;
  request.fork = fork;
  request.source = fcm;
  const Result<std::uint64_t> mapped = space->Map(request);
  if (large == LargePages::kPromised && (shared || personality)) {
    EXPECT_EQ(mapped.status(), Status::kInvalidArgument);
    return;
  }
  if (!shared && (source == Source::kPinned || source == Source::kOnDemand)) {
    EXPECT_EQ(mapped.status(), Status::kNotSupported);
    return;
  }
  ASSERT_TRUE(mapped.ok());
  const std::uint64_t at = mapped.value();
  EXPECT_EQ(at >= abi::kUserMapLimit, personality);
  const std::uint64_t first = HasContents() ? kFirst : 0;
  EXPECT_EQ(Load(*space, at + page).value(), first);
  EXPECT_EQ(Load(*space, at).value(), 0u);
  EXPECT_EQ(Store(*space, at + page, 5), writable ? Status::kOk : Status::kPermissionDenied);
  const std::uint64_t now = writable ? 5 : first;
  EXPECT_EQ(Load(*space, at + page).value(), now);

  EXPECT_EQ(space->hat().large_pages(), large == LargePages::kPromised ? 2u : 0u);

  // Another mapping of the same object sees it if it is shared.
  if (fcm != nullptr) {
    request.protection = kProtectRead;
    request.shared = true;
    const std::uint64_t other = space->Map(request).value();
    EXPECT_EQ(Load(*space, other + page).value(), shared ? now : first);
    EXPECT_EQ(space->Unmap(other, request.size), Status::kOk);
  }

  AddressSpace* child = space->ForkCopy().value();
  const Result<std::uint64_t> there = Load(*child, at + page);
  if (fork == ForkPolicy::kOmit) {
    EXPECT_EQ(there.status(), Status::kBadAddress);
  } else {
    const bool wiped = fork == ForkPolicy::kWipe && !shared;
    EXPECT_EQ(there.value(), wiped ? first : now);
    EXPECT_EQ(Store(*child, at + page, 6), writable ? Status::kOk : Status::kPermissionDenied);
    EXPECT_EQ(Load(*space, at + page).value(), shared && writable ? 6 : now);
    EXPECT_EQ(Store(*space, at + page, 7), writable ? Status::kOk : Status::kPermissionDenied);
    const std::uint64_t own = wiped ? first : now;
    EXPECT_EQ(Load(*child, at + page).value(), !writable ? own : shared ? 7 : 6);
  }
  child->Destroy();

  EXPECT_EQ(space->Protect(at, request.size, kProtectNone), Status::kOk);
  EXPECT_EQ(Load(*space, at).status(), Status::kPermissionDenied);
  EXPECT_EQ(space->Protect(at, request.size, kProtectRead), Status::kOk);
  EXPECT_EQ(space->Advise(at, request.size, Advice::kDontNeed), Status::kOk);
  const Result<std::uint64_t> kept = Load(*space, at + page);
  EXPECT_EQ(kept.value(), !shared ? first : !writable ? first : fork == ForkPolicy::kOmit ? 5 : 7);
  EXPECT_EQ(space->Unmap(at, request.size), Status::kOk);
  EXPECT_EQ(Load(*space, at).status(), Status::kBadAddress);
}

std::string NameOf(const testing::TestParamInfo<Case>& info) {
  const auto [source, shared, writable, personality, fork, large] = info.param;
  return std::string(kSourceNames[static_cast<int>(source)]) + (shared ? "Shared" : "Private") +
         (writable ? "Written" : "Read") + (personality ? "Hidden" : "") +
         (fork == ForkPolicy::kCopy   ? "Copied"
          : fork == ForkPolicy::kOmit ? "Omitted"
                                      : "Wiped") +
         (large == LargePages::kPromised ? "Large" : "");
}

INSTANTIATE_TEST_SUITE_P(
    All, Matrix,
    testing::Combine(testing::Values(Source::kNone, Source::kMemoryFile, Source::kFileAtOnce,
                                     Source::kFileLater, Source::kPinned, Source::kOnDemand),
                     testing::Bool(), testing::Bool(), testing::Bool(),
                     testing::Values(ForkPolicy::kCopy, ForkPolicy::kOmit, ForkPolicy::kWipe),
                     testing::Values(LargePages::kAsNode)),
    NameOf);
INSTANTIATE_TEST_SUITE_P(Large, Matrix,
                         testing::Combine(testing::Values(Source::kNone), testing::Bool(),
                                          testing::Bool(), testing::Bool(),
                                          testing::Values(ForkPolicy::kCopy, ForkPolicy::kOmit,
                                                          ForkPolicy::kWipe),
                                          testing::Values(LargePages::kPromised)),
                         NameOf);

}  // namespace
}  // namespace k42::mem
