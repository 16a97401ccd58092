#include "cluster-services/noded/relay.h"

namespace k42::noded {
namespace {

using control::Frame;

constexpr std::size_t kMuchUnsent = 256 * 1024;

void Pass(const std::shared_ptr<Connection>& from, const std::shared_ptr<Connection>& to) {
  from->on_frame = [from_weak = std::weak_ptr(from),
                    to_weak = std::weak_ptr(to)](const Frame& frame) {
    // A send that fails closes both, and with them everything that they alone keep.
    const auto source = from_weak.lock();
    const auto target = to_weak.lock();
    if (source == nullptr || target == nullptr)
      return;
    target->Send(frame.type, frame.payload);
    if (target->Unsent() > kMuchUnsent)
      source->PauseReading(true);
  };
  to->on_drained = [from_weak = std::weak_ptr(from)] {
    if (auto live = from_weak.lock())
      live->PauseReading(false);
  };
  from->on_gone = [to] { to->CloseWhenSent(); };
}

}  // namespace

void JoinConnections(const std::shared_ptr<Connection>& one,
                     const std::shared_ptr<Connection>& other) {
  Pass(one, other);
  Pass(other, one);
}

}  // namespace k42::noded
