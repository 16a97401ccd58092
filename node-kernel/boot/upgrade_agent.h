// The upgrade agent: carries out what the daemon asks about classes' versions, by the control
// messages of abi/upgrade_control.h.
//
// States of a step:  none -> fetching (pieces of the file) -> ready -> working -> none
// One thread on CPU 0 does the work, because it waits; messages arrive on CPU 0, too, so nothing
// here needs a lock. The state is told on request and after each step. What was said of a step may
// be asked for again (it may have been lost), so the last end is kept.
#pragma once

#include <cstddef>
#include <cstdint>

#include "abi/upgrade_control.h"
#include "cobj/upgrader.h"
#include "global/link_control.h"
#include "machine/thread.h"

namespace k42::boot {

class UpgradeAgent final : public global::ControlHandler {
 public:
  constexpr UpgradeAgent() = default;

  // With the link's control not yet started, on CPU 0.
  Status Start(cobj::Upgrader& upgrader, global::LinkControl& control);

  void OnControl(abi::ControlKind kind, std::uint64_t number, Bytes payload) override;

 private:
  enum class Phase : std::uint8_t { kNone, kFetching, kReady, kWorking };

  static void Serve(void* agent);
  void BeginStep(std::uint64_t number, Bytes payload);
  void TakePiece(std::uint64_t number, Bytes payload);
  void Want();
  void TellOfStep(std::uint64_t number);
  void Work();
  void End(std::uint64_t number, Status status, std::string_view text);
  void SayEnd();
  void SendState(std::uint64_t number);
  void DropFile();

  cobj::Upgrader* upgrader_ = nullptr;
  global::LinkControl* control_ = nullptr;
  machine::Thread* thread_ = nullptr;
  Phase phase_ = Phase::kNone;
  std::uint64_t number_ = 0;  // of the step
  abi::UpgradeStep step_{};
  std::byte* file_ = nullptr;  // step_.size bytes
  std::uint32_t fetched_ = 0;
  std::uint64_t ended_number_ = 0;  // the last that ended, and how
  Status ended_status_ = Status::kOk;
  cobj::Sentence ended_text_;
  bool asked_ = false;  // for the state
  std::uint64_t question_ = 0;
};

// Start list: the node's one, over the node's link.
void StartUpgrades(global::LinkControl& control);

}  // namespace k42::boot
