#include "cluster-services/noded/trace_clock.h"

#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <cstring>

namespace k42::noded {
namespace {

constexpr std::uint32_t kQuestions = 16;
constexpr long kPatienceMs = 300;

std::uint64_t HostNs() {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

TraceClock::TraceClock(Daemon& daemon)
    : daemon_(daemon), timer_(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)) {
  daemon_.SetControlHandler(abi::ControlKind::kTraceClock, abi::ControlKind::kTraceTime,
                            [this](const abi::Frame& frame, std::span<const std::byte> payload) {
                              OnTime(frame.sequence, payload);
                            });
  daemon_.loop().Watch(timer_.get(), EPOLLIN, [this](std::uint32_t) {
    std::uint64_t ticks;
    if (read(timer_.get(), &ticks, sizeof ticks) == sizeof ticks)
      End();
  });
  daemon_.AddGuestHandler([this](bool up) {
    first_.reset();
    last_.reset();
    if (up)
      Measure([] {});
    else
      End();
  });
}

void TraceClock::Measure(std::function<void()> done) {
  waiting_.push_back(std::move(done));
  if (left_ != 0)
    return;
  if (daemon_.link() == nullptr)
    return End();
  best_.reset();
  left_ = kQuestions;
  itimerspec patience{};
  patience.it_value.tv_nsec = kPatienceMs * 1'000'000;
  timerfd_settime(timer_.get(), 0, &patience, nullptr);
  Ask();
}

void TraceClock::Ask() {
  asked_ns_ = HostNs();
  daemon_.link()->SendToKernel(0, abi::FrameKind::kControl,
                               static_cast<std::uint32_t>(abi::ControlKind::kTraceClock), {},
                               ++number_);
}

void TraceClock::OnTime(std::uint64_t number, std::span<const std::byte> payload) {
  if (left_ == 0 || number != number_ || payload.size() < sizeof(std::uint64_t))
    return;
  const std::uint64_t took = HostNs() - asked_ns_;
  Pair pair{0, asked_ns_ + took / 2, took / 2};
  std::memcpy(&pair.cycles, payload.data(), sizeof pair.cycles);
  if (!best_ || pair.error_ns < best_->error_ns)
    best_ = pair;
  if (--left_ == 0 || daemon_.link() == nullptr)
    End();
  else
    Ask();
}

void TraceClock::End() {
  left_ = 0;
  const itimerspec never{};
  timerfd_settime(timer_.get(), 0, &never, nullptr);
  if (best_) {
    last_ = best_;
    if (!first_)
      first_ = best_;
    best_.reset();
  }
  std::vector<std::function<void()>> waiting;
  waiting.swap(waiting_);
  for (const auto& done : waiting) done();
}

nlohmann::json TraceClock::Describe(const trace::TraceArea& area) const {
  nlohmann::json pairs = nlohmann::json::array();
  for (const auto* pair : {&first_, &last_}) {
    if (*pair && (pair == &first_ || last_->cycles != first_->cycles))
      pairs.push_back({(*pair)->cycles, (*pair)->host_ns, (*pair)->error_ns});
  }
  return {{"mult", area.mult},
          {"shift", area.shift},
          {"base_cycles", area.base_cycles},
          {"base_ns", area.base_ns},
          {"pairs", pairs}};
}

}  // namespace k42::noded
