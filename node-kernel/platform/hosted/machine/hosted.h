// What only hosted tests use: virtual CPUs, and host threads on them.
//
// A virtual CPU runs one thread at a time, as the kernel's CPU does; several run in parallel. The
// test program's main thread is CPU 0's boot thread and holds that CPU until it blocks, yields or
// stands in a WithoutCpu. Other host threads have no CPU until they enter one (OnCpu) and must then
// leave it before they end.
#pragma once

#include <functional>

#include "platform/contract/types.h"

namespace k42::machine::hosted {

// Default 4. Before the first use of another CPU than 0, or between tests when nothing runs.
void SetCpuCount(CpuId count);

// This host thread is on `cpu`, as a thread of its own, while the object lives.
class OnCpu {
 public:
  explicit OnCpu(CpuId cpu);
  ~OnCpu();
  OnCpu(const OnCpu&) = delete;
  OnCpu& operator=(const OnCpu&) = delete;
};

// This thread lets go of its CPU, for instance to join a host thread.
class WithoutCpu {
 public:
  WithoutCpu();
  ~WithoutCpu();
  WithoutCpu(const WithoutCpu&) = delete;
  WithoutCpu& operator=(const WithoutCpu&) = delete;
};

// Runs work(cpu) on each CPU in a thread of its own and waits for all of them.
void RunOnAllCpus(const std::function<void(CpuId)>& work);
// Runs work on one CPU and waits for it.
void RunOn(CpuId cpu, const std::function<void()>& work);

// MapObjectTable finds no memory for `cpu`'s table from now on; kMaxCpus: for each CPU's again.
void RefuseObjectTable(CpuId cpu);

}  // namespace k42::machine::hosted
