// Address spaces over simulated memory, used as a program would use them: through the simulated MMU
// and the fault path.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <vector>

#include "machine/soft_mmu.h"
#include "machine/thread.h"
#include "mem/address_space.h"
#include "mem/fcm_file.h"
#include "mem/services.h"
#include "unit/mem/test_memory.h"

namespace k42::mem {

struct TestServices {
  explicit TestServices(std::uint64_t size = 32ull << 20) : frames(size) {}
  ~TestServices() {
    Hat::LeaveThisCpu(services.loaded_hats);
    EXPECT_EQ(frames.allocator->free_frames(), frames.all) << "frames leaked";
  }
  TestFrames frames;
  MemoryServices services{*frames.allocator};
};

// One access of at most 8 bytes within a page, as an instruction of a program in `space` on this
// CPU.
inline Status Access8(AddressSpace& space, std::uint64_t address, void* data, std::size_t size,
                      Access access) {
  using machine::hosted::MmuAccess;
  const MmuAccess mmu = access == Access::kWrite     ? MmuAccess::kWrite
                        : access == Access::kExecute ? MmuAccess::kExecute
                                                     : MmuAccess::kRead;
  for (;;) {
    space.Activate();
    if (const auto at = machine::hosted::Translate(address, mmu)) {
      auto* bytes = machine::PhysToVirt<unsigned char>(*at);
      // Relaxed single bytes: programs race, the test must not.
      for (std::size_t i = 0; i < size; ++i) {
        auto* byte = static_cast<unsigned char*>(data) + i;
        if (access == Access::kWrite) {
          __atomic_store_n(&bytes[i], *byte, __ATOMIC_RELAXED);
        } else {
          *byte = __atomic_load_n(&bytes[i], __ATOMIC_RELAXED);
        }
      }
      return Status::kOk;
    }
    const Status status = space.ResolveFault(address, access);
    if (!IsOk(status)) {
      return status;
    }
  }
}

inline Result<std::uint64_t> Load(AddressSpace& space, std::uint64_t address) {
  std::uint64_t value = 0;
  TRY(Access8(space, address, &value, sizeof(value), Access::kRead));
  return value;
}
inline Status Store(AddressSpace& space, std::uint64_t address, std::uint64_t value) {
  return Access8(space, address, &value, sizeof(value), Access::kWrite);
}

// A file of bytes. Requests are completed at once, or by a thread of CPU 1.
class TestFile final : public FileRepresentative {
 public:
  TestFile(MemoryServices& services, std::uint64_t size, bool later)
      : bytes(size), later_(later), fcm(FcmFile::Create(services, this, size, 8, 42).value()) {}
  ~TestFile() { EXPECT_TRUE(gone) << "the cache outlives its file"; }
  void StartFill(PageRequest* request) override {
    Run([this, request] {
      ++fills;
      Move(*request, bytes.size(),
           [](unsigned char* page, unsigned char* file, std::uint64_t count) {
             std::memcpy(page, file, count);
           });
    });
  }
  void StartWrite(PageRequest* request) override {
    Run([this, request] {
      ++writes;
      if (bytes.size() < request->offset() + request->size()) {
        bytes.resize(request->offset() + request->size());
      }
      Move(*request, request->offset() + request->size(),
           [](unsigned char* page, unsigned char* file, std::uint64_t count) {
             std::memcpy(file, page, count);
           });
    });
  }
  void CacheGone() override { gone = true; }

  std::vector<unsigned char> bytes;
  std::atomic<int> fills{0};
  std::atomic<int> writes{0};
  Status fail = Status::kOk;
  std::uint64_t most = ~std::uint64_t{0};  // bytes that one transfer moves
  std::atomic<bool> gone{false};

 private:
  // As far as `end` (in the file) at most.
  void Move(PageRequest& request, std::uint64_t end,
            void (*copy)(unsigned char* page, unsigned char* file, std::uint64_t count)) {
    std::uint64_t moved = 0;
    for (std::uint64_t at = request.done(); at < request.size() && fail == Status::kOk;) {
      const std::uint64_t in_file = request.offset() + at;
      const std::uint64_t left = in_file < end ? std::min(end - in_file, most - moved) : 0;
      const std::uint64_t count = std::min({kPageSize - at % kPageSize, request.size() - at, left});
      if (count == 0) {
        break;
      }
      const MutableBytes page = request.PageData(static_cast<std::uint32_t>(at / kPageSize));
      copy(reinterpret_cast<unsigned char*>(page.data()) + at % kPageSize, &bytes[in_file], count);
      moved += count;
      at += count;
    }
    request.Complete(fail, moved);
  }
  void Run(std::function<void()> work) {
    if (!later_) {
      work();
      return;
    }
    auto* heap_work = new std::function<void()>(std::move(work));
    const auto thread = machine::Thread::Create(
        "test file",
        [](void* argument) {
          auto* todo = static_cast<std::function<void()>*>(argument);
          (*todo)();
          delete todo;
          machine::Thread::Exit();
        },
        heap_work, 1);
    ASSERT_TRUE(thread.ok());
  }
  const bool later_;

 public:
  FcmFile* fcm;
};

}  // namespace k42::mem
