// What an operator asks of the trace buffers, through the daemon: which classes are recorded, and
// what was, as text.
//
// States: idle -> (a request) -> busy -> idle; a request while busy is answered with kBusy. While
// it dumps, nothing is recorded, so that what it reads stands still; the node runs on. One message
// is under way at a time, so a dump takes no memory, and a daemon that dies ends it.
#pragma once

#include "global/link_control.h"
#include "machine/thread.h"

namespace k42::boot {

class TraceAgent final : public global::ControlHandler {
 public:
  constexpr explicit TraceAgent(global::LinkPort& port) : port_(port) {}

  // With the link started, on CPU 0.
  Status Start(global::LinkControl& control);

  void OnControl(abi::ControlKind kind, std::uint64_t number, Bytes payload) override;

 private:
  struct Message : global::LinkRequest {
    TraceAgent* agent = nullptr;
  };
  static constexpr std::size_t kPiece = 4000;

  static void Serve(void* agent);
  void Answer();
  Status Dump();
  Status ChangeMask();
  bool Flush();  // false: the daemon is gone
  bool SendMessage(abi::ControlKind kind, Bytes payload);

  global::LinkPort& port_;
  global::LinkControl* control_ = nullptr;
  machine::Thread* thread_ = nullptr;
  bool busy_ = false;
  abi::ControlKind wanted_ = abi::ControlKind::kTraceDump;
  std::uint64_t number_ = 0;
  char names_[256] = {};
  std::size_t names_size_ = 0;
  Message message_;
  bool under_way_ = false;
  char text_[kPiece] = {};
  std::size_t text_size_ = 0;
};

}  // namespace k42::boot
