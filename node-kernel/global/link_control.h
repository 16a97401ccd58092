// Messages between this kernel and its own daemon (abi/link_control.h): sends them, and hands what
// comes to whom it concerns, by kind.
#pragma once

#include <cstdint>

#include "abi/link_control.h"
#include "global/link_port.h"

namespace k42::global {

class ControlHandler {
 public:
  // On CPU 0's link thread; must not block. `number` is the frame's sequence (of a run).
  virtual void OnControl(abi::ControlKind kind, std::uint64_t number, Bytes payload) = 0;

 protected:
  ~ControlHandler() = default;
};

class LinkControl final : public LinkReceiver {
 public:
  static constexpr std::uint32_t kKinds = 80;

  explicit constexpr LinkControl(LinkPort& port) : port_(port) {}

  // Before messages can arrive.
  void SetHandler(abi::ControlKind kind, ControlHandler& handler);

  // Copies the payload (head and body) and sends it; the end of the operation is nobody's business.
  // Thread context, any CPU. kNoMemory, kMessageTooLong, kUnavailable (no link).
  Status Send(abi::ControlKind kind, std::uint64_t number, Bytes head, Bytes body = {});

  void OnMessage(LinkPeer from, const abi::Frame& frame, Bytes payload) override;

 private:
  LinkPort& port_;
  ControlHandler* handlers_[kKinds] = {};
};

}  // namespace k42::global
