// Memory runs out, everywhere: in each scenario the first, second, third ... allocation fails,
// until none is left that could. Each time the answer is an error (or the work is done without),
// nothing panics or hangs, and what was allocated is given back: blocks of the heap are compared
// one by one, and a leak is named by its call chain; frames are counted.
#include <string_view>

#include "boot/start_memory.h"
#include "boot/start_processes.h"
#include "cobj/call_context.h"
#include "cobj/make.h"
#include "fs/open_file.idl.h"
#include "guest/guest_test.h"
#include "io/fifo.h"
#include "io/socket_services.h"
#include "io/stream_endpoint.h"
#include "machine/clock.h"
#include "mem/address_space.h"
#include "mem/kernel_space.h"
#include "proc/process_maker.h"
#include "support/counters.h"

namespace k42 {
namespace {

using cobj::CallContext;
const CallContext kKernel = CallContext::Kernel();

// Until everything destroyed is gone.
void Settle() {
  cobj::node_objects->FlushIds();
  const std::uint64_t deadline = machine::MonotonicNs() + 20'000'000'000;
  for (;;) {
    const auto counts = cobj::node_objects->counts();
    if (counts.disposed >= counts.destroyed && cobj::node_objects->grace().idle()) {
      return;
    }
    if (machine::MonotonicNs() > deadline) {
      EXPECT(!"what was destroyed is gone within 20 s");
      return;
    }
    machine::Thread::Current()->Unblock();
    machine::Thread::BlockExternal();  // holds nothing of any object here
    machine::Thread::Yield();
  }
}

std::uint64_t FramesInUse() {
  boot::KernelDebugHeap()->EmptyQuarantine();
  boot::KernelHeap().Trim();
  const mem::FrameAllocator& frames = boot::Frames();
  return frames.total_frames() - frames.free_frames() - boot::KernelHeap().slab_frames() -
         boot::KernelDebugHeap()->record_frames();
}

// `scenario()` makes things and takes them down again; false: something was refused.
template <typename Scenario>
void FailEach(const char* name, Scenario scenario) {
  constexpr std::uint64_t kMost = 2000;
  mem::DebugHeap& heap = *boot::KernelDebugHeap();
  mem::FailureInjector& failures = boot::Frames().failures();
  for (int i = 0; i < 40; ++i) {  // what is made once and kept is there afterwards
    EXPECT(scenario());
  }
  Settle();
  const std::uint64_t frames_before = FramesInUse();
  std::uint64_t refused = 0;
  std::uint64_t survived = 0;
  std::uint64_t leaked = 0;
  for (std::uint64_t nth = 0;; ++nth) {
    REQUIRE(nth < kMost);
    const std::uint64_t mark = heap.Mark();
    failures.Arm(nth);
    const bool done = scenario();
    const std::uint64_t failed = failures.Disarm();
    Settle();
    if (heap.LiveSince(mark).blocks != 0) {
      if (leaked++ < 4) {
        machine::Log("  {}: allocation {} failed, and", name, nth);
        heap.LogLeaks(mark, 3);
      }
    }
    if (failed == 0) {
      EXPECT(done);
      break;
    }
    done ? ++survived : ++refused;
  }
  const std::uint64_t frames_after = FramesInUse();
  machine::Log(
      "  {}: {} allocations failed: {} times an error, {} times done without it; frames "
      "{} before, {} after",
      name, refused + survived, refused, survived, frames_before, frames_after);
  EXPECT(refused != 0);
  EXPECT_EQ(leaked, 0u);
  EXPECT(frames_after <= frames_before);
}

GUEST_TEST(debug_failures_objects) {
  FailEach("shared object", [] {
    const auto object = cobj::MakeShared<test::SharedCounter>();
    if (!object.ok()) {
      return false;
    }
    const bool called = object.value()->Increment(1).ok();
    EXPECT(IsOk(cobj::Destroy(object.value())));
    return called;
  });
  FailEach("replicated object", [] {
    const auto object = cobj::MakeReplicated<test::ReplicatedCounter>(1);
    if (!object.ok()) {
      return false;
    }
    const bool called = object.value()->Increment(1).ok();
    EXPECT(IsOk(cobj::Destroy(object.value())));
    return called;
  });
}

GUEST_TEST(debug_failures_address_space) {
  FailEach("address space", [] {
    constexpr std::uint64_t kPages = 6;
    constexpr mem::Protection kReadWrite = mem::kProtectRead | mem::kProtectWrite;
    const auto made = mem::AddressSpace::Create(boot::MemoryServices());
    if (!made.ok()) {
      return false;
    }
    mem::AddressSpace* space = made.value();
    bool good = true;
    const auto touch = [&](mem::AddressSpace* which, std::uint64_t at) {
      for (std::uint64_t i = 0; i < kPages; ++i) {
        good &= IsOk(which->HandleFault(at + i * 4096, mem::Access::kWrite, nullptr));
      }
    };
    const auto at = space->Map({.size = kPages * 4096, .protection = kReadWrite});
    good &= at.ok();
    if (at.ok()) {
      touch(space, at.value());
      const auto child = space->ForkCopy();
      good &= child.ok();
      if (child.ok()) {
        touch(child.value(), at.value());
        child.value()->Destroy();
      }
      good &= IsOk(space->Protect(at.value() + 4096, 4096, mem::kProtectRead));
      good &= IsOk(space->Unmap(at.value() + 3 * 4096, 4096));
    }
    space->Destroy();
    return good;
  });
}

GUEST_TEST(debug_failures_pipe) {
  FailEach("pipe", [] {
    cobj::Granted<fs::IOpenFile> reader, writer;
    if (!IsOk(io::Fifo::MakePipe(fs::Identity::Kernel(), 0, &reader, &writer))) {
      return false;
    }
    (void)reader.ref->HandleAdded();
    (void)writer.ref->HandleAdded();
    static char space[9000];
    const auto wrote = writer.ref->Write(kKernel, BufferIn::Kernel(space, sizeof(space)));
    const auto read = reader.ref->Read(kKernel, BufferOut::Kernel(space, sizeof(space)));
    (void)writer.ref->HandleDropped();
    (void)reader.ref->HandleDropped();
    return wrote.ok() && wrote.value() == sizeof(space) && read.ok();
  });
}

// A whole process, made and taken apart before it runs.
GUEST_TEST(debug_failures_process) {
  proc::ProcessServices& services = boot::Processes();
  const proc::Image* image = services.images.Find("linux");
  REQUIRE(image != nullptr);
  FailEach("process", [&] {
    static constexpr char kWords[] = "words\0more";
    proc::StartBlock block;
    proc::ProcessMaker maker(services);
    return IsOk(maker.Begin(nullptr, ~std::uint64_t{0})) && IsOk(maker.GrantFixed()) &&
           IsOk(block.BuildFor(services, BufferIn::Kernel(kWords, sizeof(kWords)), {})) &&
           IsOk(block.Finish(abi::kStartFirst, *image, 1, 0, 0)) &&
           IsOk(maker.MapImage(*image, block));
  });
}

GUEST_TEST(debug_failures_kernel_space) {
  mem::KernelSpace space(boot::Frames(), machine::kKernelSpaceBase + (48ull << 30),
                         machine::kKernelSpaceBase + (49ull << 30));
  FailEach("kernel range", [&] {
    const auto range = space.Reserve(20 * 4096);
    if (!range.ok()) {
      return false;
    }
    const bool grown = IsOk(space.Grow(range.value(), 5 * 4096));
    space.Release(range.value());
    return grown;
  });
}

}  // namespace
}  // namespace k42
