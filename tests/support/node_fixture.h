// A node's object system for one hosted test: N virtual CPUs, an allocator that poisons and counts.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "cobj/object_system.h"
#include "machine/hosted.h"
#include "machine/thread.h"

namespace k42::test {

class CountingAllocator final : public Allocator {
 public:
  void* Allocate(std::size_t size, std::size_t align) override {
    if (refuse)
      return nullptr;
    void* block = std::aligned_alloc(align, (size + align - 1) / align * align);
    blocks_.fetch_add(1);
    return block;
  }
  void Free(void* block, std::size_t size) override {
    std::memset(block, 0x5a, size);
    blocks_.fetch_sub(1);
    std::free(block);
  }
  std::int64_t blocks() const { return blocks_.load(); }
  bool refuse = false;  // there is no memory

 private:
  std::atomic<std::int64_t> blocks_{0};
};

// The calling thread holds nothing of any object now.
inline void QuietPoint() {
  machine::Thread::Current()->Unblock();
  machine::Thread::BlockExternal();
  machine::Thread::Yield();
}

// The test program's one object system, on kCpus virtual CPUs. It stays between tests, as the
// virtual CPUs' event loops do.
struct TestNode {
  static constexpr machine::CpuId kCpus = 16;

  TestNode() {
    objects.Start(allocator);
    for (machine::CpuId cpu = 0; cpu < kCpus; ++cpu) (void)objects.AddCpu(cpu);
    machine::SetActivityHooks({&cobj::ActivateThread, &cobj::DeactivateThread});
  }
  static TestNode& Get() {
    static TestNode* const node = new TestNode;
    return *node;
  }

  CountingAllocator allocator;
  cobj::ObjectSystem objects;
};

class ObjectFixture : public ::testing::Test {
 protected:
  explicit ObjectFixture(machine::CpuId cpus = 4)
      : allocator_(TestNode::Get().allocator), objects_(&TestNode::Get().objects) {
    machine::hosted::SetCpuCount(cpus);
  }

  // What tests destroyed is gone, and nothing travels between CPUs.
  void TearDown() override {
    objects_->FlushIds();
    EXPECT_TRUE(Eventually([&] {
      const auto counts = objects_->counts();
      return counts.disposed >= counts.destroyed && objects_->grace().idle();
    }));
  }

  template <typename Condition>
  static bool Eventually(Condition condition) {
    for (int i = 0; i < 20'000; ++i) {
      if (condition())
        return true;
      QuietPoint();
      std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    return false;
  }

  CountingAllocator& allocator_;
  cobj::ObjectSystem* objects_;
};

}  // namespace k42::test
