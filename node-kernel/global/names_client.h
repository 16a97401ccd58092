// NameClient: this kernel's access to the cluster's tree of names, through its own daemon.
//
// Each request is a control message with a number (abi/link_names.h); it is sent again under the
// same number until the answer comes or the deadline passes, since a daemon may die with it. So a
// bind may be tried twice: kAlreadyExists can mean the caller's own first try, and the caller must
// look whose value stands there.
//
// Locking: lock_ guards the list of waits. Answers arrive on CPU 0; whoever waits may be on any.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "abi/link_names.h"
#include "base/intrusive_list.h"
#include "global/link_control.h"
#include "machine/spin_lock.h"
#include "machine/thread.h"

namespace k42::global {

// What a name is bound to.
struct NameBinding {
  std::uint64_t version = 0;
  LinkPeer owner;  // incarnation 0: nobody's
  std::size_t size = 0;
  char value[abi::kNameValueMax];
  std::string_view text() const { return {value, size}; }
};

class NameClient final : public ControlHandler {
 public:
  explicit NameClient(LinkControl& control) : control_(control) {}

  // All three wait (BlockExternal), at most until `deadline_ns` (monotonic): kTimedOut. And:
  // kUnavailable (no link, the node is no member, or has no authority now), kNotSupported (the
  // cluster has no store).
  //
  // From the daemon's cache, which may be a moment late. kNotFound.
  Status Lookup(std::string_view path, std::uint64_t deadline_ns, NameBinding* found);
  // Until this life of the node is over. The new version; kAlreadyExists; kUnknown: look.
  Result<std::uint64_t> Bind(std::string_view path, std::string_view value, std::uint64_t version,
                             std::uint64_t deadline_ns);
  Status Unbind(std::string_view path, std::uint64_t version, std::uint64_t deadline_ns);

  void OnControl(abi::ControlKind kind, std::uint64_t number, Bytes payload) override;

 private:
  struct Wait : ListLink<> {
    std::uint64_t number = 0;
    machine::Thread* thread = nullptr;
    NameBinding* found = nullptr;
    Status status = Status::kTimedOut;
    bool answered = false;
  };
  static constexpr std::uint64_t kResendNs = 500'000'000;

  Status Ask(abi::NameAction action, std::uint64_t version, std::string_view path,
             std::string_view value, std::uint64_t deadline_ns, NameBinding* found);
  bool Answered(const Wait& wait);

  LinkControl& control_;
  std::atomic<std::uint64_t> last_number_{0};
  machine::SpinLock<LockRank::kWaitQueue> lock_;
  IntrusiveList<Wait> waits_ K42_GUARDED_BY(lock_);
};

}  // namespace k42::global
