// A missing shoot-down, made on purpose: a page leaves the page table, nobody is told, and its
// frame is given up while another CPU writes through its old translation. Boot option reuse=SEED
// finds it.
#include <atomic>

#include "boot/start_memory.h"
#include "guest/guest_test.h"
#include "machine/cpu.h"
#include "machine/page_table.h"
#include "machine/thread.h"
#include "machine/user_copy.h"
#include "mem/address_space.h"

namespace k42 {
namespace {

using machine::Thread;
using mem::Frame;

struct Writer {
  mem::AddressSpace* space = nullptr;
  std::uint64_t address = 0;
  std::atomic<std::uint64_t> rounds{0};

  static void Write(void* argument) {
    auto& self = *static_cast<Writer*>(argument);
    self.space->Activate();
    for (std::uint64_t value = 1;; ++value) {
      static_cast<void>(machine::CopyOut(self.address, &value, sizeof(value)));
      self.rounds.fetch_add(1);
      Thread::Yield();
    }
  }
  void AwaitWrites() {
    const std::uint64_t goal = rounds.load() + 2;
    while (rounds.load() < goal) {
      Thread::Yield();
    }
  }
};
constinit Writer writer;

void ClearEntry(mem::Hat& hat, std::uint64_t address) {
  machine::PhysAddr table = hat.root();
  for (unsigned level = machine::kPageTableLevels; level > 1; --level) {
    const auto* entries = machine::PhysToVirt<machine::PageTableEntry>(table);
    table = machine::PteAddress(entries[machine::PageTableIndex(address, level)]);
  }
  machine::PhysToVirt<machine::PageTableEntry>(table)[machine::PageTableIndex(address, 1)] = 0;
}

GUEST_TEST(panic_debug_missing_shoot_down) {
  constexpr int kOthers = 24;
  constexpr auto kPurpose = mem::FramePurpose::kKernel;
  mem::FrameAllocator& frames = boot::Frames();
  mem::AddressSpace& space = *mem::AddressSpace::Create(boot::MemoryServices()).value();
  writer.space = &space;
  writer.address =
      space.Map({.size = 4096, .protection = mem::kProtectRead | mem::kProtectWrite}).value();
  REQUIRE(IsOk(space.ResolveFault(writer.address, mem::Access::kWrite)));
  Frame* lost = frames.FrameOf(machine::PteAddress(space.hat().EntryOf(writer.address)));
  REQUIRE(Thread::Create("writer", Writer::Write, &writer, machine::CpuCount() - 1).ok());
  writer.AwaitWrites();

  // An empty cache; then the lost frame lies below so many others that the last one first would
  // never come to it.
  Frame* others[kOthers];
  for (Frame*& other : others) {
    other = frames.Allocate(kPurpose).value();
  }
  while (frames.cached_frames(machine::CurrentCpu()) != 0) {
    static_cast<void>(frames.Allocate(kPurpose));
  }
  ClearEntry(space.hat(), writer.address);
  frames.DropUnmapped(lost);
  for (Frame* other : others) {
    frames.DropReference(other);
  }
  writer.AwaitWrites();
  for (int round = 0; round < 200; ++round) {
    Frame* some[4];
    for (Frame*& frame : some) {
      frame = frames.Allocate(kPurpose).value();
    }
    for (Frame* frame : some) {
      frames.DropReference(frame);
    }
  }
  machine::Log("not found");
}

}  // namespace
}  // namespace k42
