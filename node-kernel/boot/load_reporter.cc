#include "boot/load_reporter.h"

#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/phys.h"
#include "sched/cpu_scheduler.h"

namespace k42::boot {
namespace {

constexpr std::uint64_t kSamplePeriodNs = 250'000'000;
constexpr std::uint32_t kSamplesPerReport = 4;

}  // namespace

void LoadReporter::Start(const mem::FrameAllocator& frames) {
  frames_ = &frames;
  timer_.Arm(machine::MonotonicNs() + kSamplePeriodNs, OnTimer, this);
}

void LoadReporter::OnTimer(void* reporter) {
  auto& self = *static_cast<LoadReporter*>(reporter);
  self.Sample();
  self.timer_.Arm(machine::MonotonicNs() + kSamplePeriodNs, OnTimer, reporter);
}

void LoadReporter::Sample() {
  std::uint64_t runnable = 0;
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu)
    runnable += sched::CpuScheduler::Of(cpu).load();
  // A quarter of the new sample: half of a change shows after 0.6 s, nine tenths after two.
  mean_x1600_ = (mean_x1600_ * 3 + runnable * 1600) / 4;
  if (++samples_ % kSamplesPerReport == 0 && !under_way_ && port_.Up())
    Send();
}

void LoadReporter::Send() {
  words_ = {machine::CpuCount(), static_cast<std::uint32_t>(mean_x1600_ / 16),
            frames_->total_frames() * machine::kPageSize,
            frames_->free_frames() * machine::kPageSize};
  under_way_ = true;
  report_.reporter = this;
  report_.channel = abi::Channel::kControl;
  report_.peer = {abi::kDaemonNode, 0};
  report_.frame = {};
  report_.frame.kind = abi::FrameKind::kControl;
  report_.frame.method = static_cast<std::uint32_t>(abi::ControlKind::kLoad);
  report_.payload = BytesOf(words_);
  report_.done = Sent;
  port_.Submit(report_);
}

void LoadReporter::Sent(global::LinkRequest& request) {
  static_cast<Report&>(request).reporter->under_way_ = false;
}

}  // namespace k42::boot
