// Round trips by put_notify: bytes are put into the peer's arena, which is told, and puts them back
// from there; nothing is copied in between. And puts and gets alone, of which the peer's kernel
// hears nothing. It shows what one-sided data costs between two kernels.
//
// Asker and answerer have memory per CPU: the asker one *bench* (what it sends, and a window for
// what comes back), the answerer a *pad* for each asker, a window too. Before the first round trip
// the two tell each other their windows, by an echo message of kOpenMethod. The word of a
// notification:
//
//   0..31 number of the round trip   32..39 the answerer's pad   40 is an answer   41.. length
//
// Pads and benches are of 1 MiB each, and taken for good: who pings spends arena. Windows are open
// to every peer, and stay. When an asker is dead, its pad's window is revoked, and the memory used
// again once the fabric says that nothing can touch it any more; it is left alone for good if that
// cannot be said. A death that no daemon told (it was a new one's predecessor's peer) is seen in
// the view, when the next opening looks for a pad.
//
// Locking: a CPU's things are touched by its threads only, between two switches. OnMessage and
// OnNotify are the link thread's.
#pragma once

#include <cstdint>

#include "abi/link_names.h"
#include "global/cluster_view.h"
#include "global/link_port.h"
#include "machine/thread.h"

namespace k42::global {

class PutEcho {
 public:
  static constexpr std::uint32_t kOpenMethod = 1;  // of a frame of kind kEcho or kEchoReply

  constexpr PutEcho(LinkPort& port, const ClusterView& view) : port_(port), view_(view) {}

  // Puts `size` bytes (at most abi::kPingPutMax, at least one is sent) to the peer and waits for
  // them to come back. Returns the round trip in ns; kTimedOut; kBusy while another one is under
  // way on this CPU, or the peer has no pad left; kCorrupt: other bytes came back. BlockExternal.
  Result<std::uint64_t> Ping(LinkPeer peer, std::uint32_t size, std::uint64_t budget_ns);

  // One put of `size` bytes into the peer's pad, or one get from it; the time until it was done, in
  // ns. Errors as of Ping; kCorrupt: a get brought something else than the put of that size before.
  Result<std::uint64_t> Store(LinkPeer peer, std::uint32_t size, std::uint64_t budget_ns);
  Result<std::uint64_t> Load(LinkPeer peer, std::uint32_t size, std::uint64_t budget_ns);

  // abi::kPingStreamPuts puts of `size` bytes, one upon the other; the time of one, in ns.
  Result<std::uint64_t> Stream(LinkPeer peer, std::uint32_t size, std::uint64_t budget_ns);

  void OnMessage(LinkPeer from, const abi::Frame& frame, Bytes payload);
  void OnNotify(LinkPeer from, std::uint64_t word);
  void OnPeerDown(LinkPeer peer, Status why);

 private:
  static constexpr std::uint64_t kAnswer = std::uint64_t{1} << 40;
  static constexpr unsigned kPadShift = 32, kLengthShift = 41;
  static constexpr std::uint64_t Word(std::uint32_t number, std::uint32_t pad,
                                      std::uint32_t length) {
    return number | std::uint64_t{pad} << kPadShift | std::uint64_t{length} << kLengthShift;
  }
  static constexpr std::uint32_t kPads = 4;  // askers at once, per CPU
  struct Opened {                            // payload of kOpenMethod, both ways
    abi::WindowId window;
    std::uint32_t pad;
    std::uint32_t cpu;  // whose pad or bench it is
  };
  // `under_way`: it is the fabric's.
  struct Pad;
  struct Request : LinkRequest {
    machine::Thread* waiter = nullptr;
    PutEcho* echo = nullptr;
    Pad* pad = nullptr;  // of a pad: what waits there for this is up to `echo`
    bool under_way = false;
  };
  struct Burst {  // of a stream
    Request requests[abi::kPingStreamDepth];
    bool under_way() const;
  };
  struct Bench {
    ArenaRange back;  // what comes back, by the window
    ArenaRange sent;
    abi::WindowId window = 0;
    std::uint32_t stored = 0;  // bytes of `sent` that the pad holds, too
    LinkPeer peer;             // whom `target` belongs to
    Opened own{}, target{};
    machine::Thread* thread = nullptr;  // who pings; null: nobody
    std::uint32_t number = 0;
    bool answered = false;
    Request request;
    Burst* burst = nullptr;
  };
  struct Revocation : LinkRequest {
    PutEcho* echo = nullptr;
    Pad* pad = nullptr;
  };
  struct Pad {
    LinkPeer asker;  // node 0: nobody
    ArenaRange range;
    abi::WindowId window = 0;
    Opened target{};  // the asker's
    Request request;
    std::uint64_t due = 0;  // a word that came while `request` was still the fabric's; 0: none
    Revocation revocation;
    // From the asker's end on. Over when the window's revocation has ended and nothing of ours is
    // under way: whichever comes last gives the memory back, if `revoked`.
    bool closing = false;
    bool revoked = false;
  };
  struct Cpu {
    Bench bench;
    Pad pads[kPads];
    Request reply;  // to an opening
    Opened replied{};
  };

  Status MakeWindow(ArenaRange& range, abi::WindowId& window);
  void Submit(Request& request);
  // Runs `work` with this CPU's bench, opened to the peer; kBusy while it is in use.
  template <typename Work>
  Result<std::uint64_t> AtBench(LinkPeer peer, std::uint32_t size, std::uint64_t budget_ns,
                                Work work);
  // Submits the bench's request and waits for its end or, unless `answered`, for the answer; then
  // its good end may not have been seen yet, which AwaitEnd waits for.
  Status Ask(Bench& bench, std::uint64_t until_ns, bool answered = false);
  static bool OnlyItsEndIsLate(const Bench& bench);
  static Status AwaitEnd(Bench& bench, std::uint64_t until_ns);
  Status Open(Bench& bench, LinkPeer peer, std::uint64_t until_ns);
  Status Pour(Bench& bench, std::uint32_t size, std::uint64_t until_ns);
  // To or from the pad.
  Status Move(Bench& bench, abi::OperationKind kind, std::uint32_t size, std::uint64_t until_ns);
  void OnOpen(LinkPeer from, const Opened& asked, std::uint64_t sequence);
  void PutBack(LinkPeer from, std::uint64_t word);
  void PutBackEnded(Pad& pad);
  void GiveUp(Pad& pad);
  void Forget(Pad& pad);
  static void OnRevoked(LinkRequest& request);

  LinkPort& port_;
  const ClusterView& view_;
  Cpu cpus_[machine::kMaxCpus];
};

}  // namespace k42::global
