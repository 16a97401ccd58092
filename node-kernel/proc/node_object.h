// NodeObject: the node as its processes see it (proc/node.idl). One shared rep; its few words are
// atomics or guarded by lock_.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "machine/spin_lock.h"
#include "proc/load_average.h"
#include "proc/node.idl.h"
#include "proc/services.h"

namespace k42::proc {

class NodeObject final : public INode {
 public:
  using Interface = INode;

  NodeObject(ProcessServices& services, std::string_view name, std::uint32_t node);

  Status GetInfo(NodeInfo& info) override;
  Status GetCpu(std::uint32_t cpu, CpuInfo& info) override;
  Status SetName(const cobj::CallContext& caller, BufferIn name) override;
  Result<std::uint64_t> MonotonicTime() override;
  Result<std::int64_t> RealTime() override;
  Status SetRealTime(const cobj::CallContext& caller, std::int64_t time_ns) override;
  Status Random(BufferOut buffer) override;
  Result<std::uint64_t> ReadLog(std::uint64_t from, BufferOut buffer) override;
  Status NoteUnserved(const cobj::CallContext& caller, std::uint32_t number) override;
  Status PowerOff(const cobj::CallContext& caller, std::uint32_t status) override;

  const std::uint8_t* boot_id() const { return boot_id_; }

 private:
  // Only effective user 0.
  Status RequirePrivilege(const cobj::CallContext& caller);
  void WriteTimePage();

  ProcessServices& services_;
  machine::SpinLock<LockRank::kTasks> lock_;
  std::uint8_t name_[64] K42_GUARDED_BY(lock_) = {};
  LoadAverage load_ K42_GUARDED_BY(lock_);
  std::uint8_t boot_id_[16];
  const std::uint32_t node_;
  std::atomic<std::int64_t> real_offset_ns_;
};

}  // namespace k42::proc
