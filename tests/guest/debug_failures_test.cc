// Memory runs out (fail_each.h): in address spaces and processes, files, pipes and sockets.
#include <string_view>

#include "boot/start_files.h"
#include "boot/start_memory.h"
#include "boot/start_processes.h"
#include "cobj/call_context.h"
#include "fs/open_file.idl.h"
#include "guest/fail_each.h"
#include "guest/guest_test.h"
#include "io/fifo.h"
#include "io/io_factory.h"
#include "io/socket.idl.h"
#include "mem/address_space.h"
#include "mem/kernel_space.h"
#include "proc/process_maker.h"

namespace k42 {
namespace {

using cobj::CallContext;
using guest::FailEach;
const CallContext kKernel = CallContext::Kernel();

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

GUEST_TEST(debug_failures_socket_pair) {
  io::IoFactory factory(boot::Sockets());
  FailEach("socket pair", [&] {
    cobj::Granted<io::ISocket> other;
    const auto made = factory.MakeSocketPair(kKernel, io::SocketType::kStream, 0, other);
    if (!made.ok()) {
      return false;
    }
    (void)made.value().ref->HandleAdded();
    (void)other.ref->HandleAdded();
    static char space[9000];
    const auto wrote = made.value().ref->Write(kKernel, BufferIn::Kernel(space, sizeof(space)));
    const auto read = other.ref->Read(kKernel, BufferOut::Kernel(space, sizeof(space)));
    (void)other.ref->HandleDropped();
    (void)made.value().ref->HandleDropped();
    return wrote.ok() && wrote.value() == sizeof(space) && read.ok();
  });
}

GUEST_TEST(debug_failures_memory_file) {
  FailEach("memory file", [] {
    static char space[3 * 4096 + 100];
    constexpr std::string_view kPath = "/tmp/debug_failures";
    std::uint64_t done = 0;
    const auto file = boot::Names().Open(kKernel, nullptr, kPath, fs::kOpenWrite | fs::kOpenCreate,
                                         0600, fs::Identity::Kernel());
    if (file.ok()) {
      (void)file.value().ref->HandleAdded();
      done = file.value()
                 .ref->Write(kKernel, BufferIn::Kernel(space, sizeof(space)))
                 .ValueOr(std::uint64_t{0});
      (void)file.value().ref->HandleDropped();
    }
    Status removed = boot::Names().Remove(nullptr, kPath, false, fs::Identity::Kernel());
    if (removed == Status::kNoMemory) {
      removed = boot::Names().Remove(nullptr, kPath, false, fs::Identity::Kernel());
      done = 0;
    }
    EXPECT(IsOk(removed) || (removed == Status::kNotFound && !file.ok()));
    return done == sizeof(space);
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
           IsOk(block.Finish(abi::kStartFirst, *image, 1, 0)) &&
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
