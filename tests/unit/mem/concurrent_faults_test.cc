// Several CPUs in one address space: faults, changes and copies at the same time.
#include <random>

#include "machine/hosted.h"
#include "unit/mem/test_space.h"

namespace k42::mem {
namespace {

constexpr Protection kReadWrite = kProtectRead | kProtectWrite;

struct ConcurrentTest : testing::Test {
  ~ConcurrentTest() override {
    machine::hosted::RunOnAllCpus(
        [this](machine::CpuId) { Hat::LeaveThisCpu(test.services.loaded_hats); });
    space->Destroy();
  }
  TestServices test;
  AddressSpace* space = AddressSpace::Create(test.services).value();
};

// Each CPU counts in its own word of every page: lost writes would show.
TEST_F(ConcurrentTest, FaultsOnTheSamePagesLoseNoWrite) {
  constexpr std::uint64_t kPages = 16;
  const std::uint64_t at =
      space->Map({.size = kPages * kPageSize, .protection = kReadWrite}).value();
  machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
    for (std::uint64_t round = 1; round <= 50; ++round) {
      for (std::uint64_t page = 0; page < kPages; ++page) {
        const std::uint64_t word = at + page * kPageSize + cpu * 8;
        ASSERT_EQ(Load(*space, word).value(), round - 1);
        ASSERT_EQ(Store(*space, word, round), Status::kOk);
      }
    }
  });
}

// CPU 0 forks and destroys copies; the others write, and break copies, all the time.
TEST_F(ConcurrentTest, ForksUnderWritersLoseNoWrite) {
  constexpr std::uint64_t kPages = 8;
  const std::uint64_t at =
      space->Map({.size = kPages * kPageSize, .protection = kReadWrite}).value();
  machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
    if (cpu == 0) {
      for (int i = 0; i < 30; ++i) {
        AddressSpace* child = space->ForkCopy().value();
        const std::uint64_t seen = Load(*child, at + 8).value();
        ASSERT_LE(seen, 200u);
        ASSERT_EQ(Load(*child, at + 8).value(), seen);
        Hat::LeaveThisCpu(test.services.loaded_hats);
        child->Destroy();
      }
      return;
    }
    for (std::uint64_t round = 1; round <= 200; ++round) {
      const std::uint64_t word = at + round % kPages * kPageSize + cpu * 8;
      const std::uint64_t before = Load(*space, word).value();
      ASSERT_EQ(Store(*space, word, before + 1), Status::kOk);
      ASSERT_EQ(Load(*space, word).value(), before + 1);
    }
  });
}

// Regions come and go while other CPUs touch them: an access works or is refused, nothing else, and
// what a CPU reads is what its owner wrote.
TEST_F(ConcurrentTest, MapAndUnmapUnderReaders) {
  constexpr std::uint64_t kAt = 0x2000'0000;
  std::atomic<bool> stop{false};
  machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
    if (cpu == 0) {
      std::mt19937 random(7);
      for (std::uint64_t i = 0; i < 150; ++i) {
        const std::uint64_t at = kAt + random() % 8 * kPageSize;
        const MapRequest request{.address = at,
                                 .size = 3 * kPageSize,
                                 .placement = Placement::kFixed,
                                 .protection = kReadWrite};
        ASSERT_TRUE(space->Map(request).ok());
        ASSERT_EQ(Store(*space, at, 5), Status::kOk);
        if (i % 3 == 0) {
          ASSERT_EQ(space->Unmap(at, kPageSize), Status::kOk);
        }
        if (i % 5 == 0) {
          [[maybe_unused]] const Status status = space->Protect(kAt, kPageSize, kProtectRead);
        }
      }
      stop = true;
      return;
    }
    std::mt19937 random(cpu);
    while (!stop) {
      const Result<std::uint64_t> value = Load(*space, kAt + random() % 10 * kPageSize);
      ASSERT_TRUE(value.ok() ? value.value() == 0 || value.value() == 5
                             : value.status() == Status::kBadAddress)
          << StatusName(value.status());
      machine::Thread::Yield();
    }
  });
}

// Readers and writers of one file through mappings, while its clean pages are taken away.
TEST_F(ConcurrentTest, ReclaimUnderMappings) {
  TestFile file(test.services, 32 * kPageSize, false);
  for (std::uint64_t page = 0; page < 32; ++page) {
    std::memcpy(&file.bytes[page * kPageSize], &page, 8);
  }
  const std::uint64_t at =
      space->Map({.size = 32 * kPageSize, .protection = kProtectRead, .source = file.fcm}).value();
  std::atomic<int> readers{3};
  machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
    if (cpu == 0) {
      while (readers != 0) {
        test.services.page_manager.Reclaim(8);
        machine::Thread::Yield();
      }
      return;
    }
    std::mt19937 random(cpu);
    for (int i = 0; i < 500; ++i) {
      const std::uint64_t page = random() % 32;
      ASSERT_EQ(Load(*space, at + page * kPageSize).value(), page);
      machine::Thread::PreemptionPoint();
    }
    --readers;
  });
  ASSERT_EQ(space->Unmap(at, 32 * kPageSize), Status::kOk);
  file.fcm->DropReference();
}

}  // namespace
}  // namespace k42::mem
