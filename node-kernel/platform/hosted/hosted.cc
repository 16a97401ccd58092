#include "machine/hosted.h"

#include <atomic>
#include <thread>
#include <vector>

#include "base/assert.h"
#include "machine/cpu.h"
#include "machine/log.h"
#include "machine/thread.h"
#include "machine/trace_buffer.h"
#include "virtual_cpu.h"

namespace k42::machine {

namespace {
std::atomic<CpuId> cpu_count{4};
std::atomic<void*> trace_buffers[kMaxCpus] = {};
}  // namespace

void* TraceBuffer() {
  return trace_buffers[CurrentCpu()].load(std::memory_order_acquire);
}
void SetTraceBuffer(CpuId cpu, void* buffer) {
  trace_buffers[cpu].store(buffer, std::memory_order_release);
}

CpuId CpuCount() {
  return cpu_count.load(std::memory_order_relaxed);
}

CpuId CurrentCpu() {
  const Thread* thread = Thread::Current();
  if (thread == nullptr)
    Panic("host thread without virtual CPU (machine/hosted.h)");
  return thread->cpu();
}

namespace hosted {

void SetCpuCount(CpuId count) {
  K42_ASSERT(count >= 1 && count <= kMaxCpus, "a node has 1 to 64 CPUs");
  cpu_count.store(count, std::memory_order_relaxed);
}

OnCpu::OnCpu(CpuId cpu) {
  K42_ASSERT(cpu < CpuCount(), "no such CPU");
  VirtualCpu::Of(cpu).Adopt("host thread");
}
OnCpu::~OnCpu() {
  VirtualCpu::Of(CurrentCpu()).Leave(Thread::Current());
}

namespace {
thread_local CpuId left_cpu = 0;
}
WithoutCpu::WithoutCpu() {
  left_cpu = CurrentCpu();
  VirtualCpu::Of(left_cpu).Leave(Thread::Current());
}
WithoutCpu::~WithoutCpu() {
  VirtualCpu::Of(left_cpu).Adopt("host thread");
}

void RunOnAllCpus(const std::function<void(CpuId)>& work) {
  const WithoutCpu without;
  std::vector<std::thread> threads;
  for (CpuId cpu = 0; cpu < CpuCount(); ++cpu) {
    threads.emplace_back([&work, cpu] {
      const OnCpu on(cpu);
      work(cpu);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

void RunOn(CpuId cpu, const std::function<void()>& work) {
  const WithoutCpu without;
  std::thread thread([&] {
    const OnCpu on(cpu);
    work();
  });
  thread.join();
}

}  // namespace hosted
}  // namespace k42::machine
