// All memory taken: who asks gets an error, the reserves are where they should be, the kernel goes
// on with its own work, and afterwards everything is there again.
#include <atomic>

#include "boot/start_memory.h"
#include "cobj/make.h"
#include "guest/guest_test.h"
#include "machine/thread.h"
#include "mem/address_space.h"
#include "support/counters.h"

namespace k42 {
namespace {

// Frames are kept in a list through their first words.
struct Hoard {
  explicit Hoard(mem::FramePurpose purpose_in) : purpose(purpose_in) {
    for (;;) {
      const Result<mem::Frame*> frame = boot::Frames().Allocate(purpose);
      if (!frame.ok()) {
        status = frame.status();
        return;
      }
      auto* word = mem::FrameAllocator::Data<mem::Frame*>(frame.value());
      *word = first;
      first = frame.value();
      ++count;
    }
  }
  ~Hoard() {
    while (first != nullptr) {
      mem::Frame* next = *mem::FrameAllocator::Data<mem::Frame*>(first);
      boot::Frames().DropReference(first);
      first = next;
    }
  }
  mem::FramePurpose purpose;
  mem::Frame* first = nullptr;
  std::uint64_t count = 0;
  Status status = Status::kOk;
};

GUEST_TEST(mem_exhaustion_is_an_error) {
  using mem::FramePurpose;
  mem::FrameAllocator& frames = boot::Frames();
  mem::AddressSpace* space = mem::AddressSpace::Create(boot::MemoryServices()).value();
  const std::uint64_t at =
      space->Map({.size = 16 * 4096, .protection = mem::kProtectRead | mem::kProtectWrite}).value();
  const std::uint64_t before = frames.free_frames();
  {
    // 1. User pages end first, and leave the kernel its reserve.
    const Hoard user(FramePurpose::kUser);
    EXPECT_EQ(user.status, Status::kNoMemory);
    EXPECT(frames.free_frames() + 64 >= frames.user_reserve());
    EXPECT_EQ(space->HandleFault(at, mem::Access::kWrite, nullptr), Status::kNoMemory);
    const auto object = cobj::MakeShared<test::SharedCounter>();
    REQUIRE(object.ok());
    EXPECT(IsOk(cobj::Destroy(object.value())));
    // 2. The kernel's ordinary needs end next: asking for objects is an error, not a panic.
    const Hoard kernel(FramePurpose::kKernel);
    EXPECT_EQ(kernel.status, Status::kNoMemory);
    EXPECT(kernel.count > 16);
    int made = 0;
    void* blocks = nullptr;
    Status refused = Status::kOk;
    while (made < 100'000) {
      auto* block = static_cast<void**>(mem::Allocate(2048));
      if (block == nullptr) {
        refused = cobj::MakeShared<test::SharedCounter>().status();
        break;
      }
      *block = blocks;
      blocks = block;
      ++made;
    }
    EXPECT(made < 100'000);
    EXPECT(refused == Status::kNoMemory || refused == Status::kOk);  // small blocks may be left
    EXPECT_EQ(mem::AddressSpace::Create(boot::MemoryServices()).status(), Status::kNoMemory);
    while (blocks != nullptr) {
      void* next = *static_cast<void**>(blocks);
      mem::Free(blocks, 2048);
      blocks = next;
    }
    // 3. What is needed to get out of this still finds memory: a thread, and a frame.
    std::atomic<bool> ran{false};
    const auto thread = machine::Thread::Create(
        "in need",
        [](void* flag) {
          static_cast<std::atomic<bool>*>(flag)->store(true);
          machine::Thread::Exit();
        },
        &ran, machine::CpuCount() - 1);
    EXPECT(thread.ok());
    while (thread.ok() && !ran.load()) {
      machine::Thread::Yield();
    }
    const Result<mem::Frame*> last = frames.Allocate(FramePurpose::kProgress);
    REQUIRE(last.ok());
    frames.DropReference(last.value());
  }
  // 4. All is back, and the fault that was refused succeeds.
  EXPECT(IsOk(space->HandleFault(at, mem::Access::kWrite, nullptr)));
  space->Destroy();
  EXPECT(frames.free_frames() + 64 >= before);
}

}  // namespace
}  // namespace k42
