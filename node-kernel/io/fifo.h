// Fifo: a pipe, named or not: one conduit that any number of openings read from and write to.
//
// Opening never waits. An opening that on Linux would wait for the other side is refused
// (kWouldBlock); with kOpenAwaitsPeer it is made, and its owner waits until PollState() says
// kPeerPresent: the other side is open, or has been since. A reader of a named fifo without writer
// reads the end.
#pragma once

#include "base/ref_counted.h"
#include "cobj/call_context.h"
#include "fs/identity.h"
#include "fs/node.h"
#include "fs/open_file.idl.h"
#include "io/conduit.h"
#include "io/ready_list.h"

namespace k42::io {

class Fifo final : public RefCounted {
 public:
  static constexpr std::uint64_t kDefaultCapacity = 64 << 10;
  static constexpr std::uint64_t kLargestCapacity = 1 << 20;
  static constexpr std::uint64_t kAtomic = 4096;

  static Result<Fifo*> Make();
  ~Fifo() = default;

  // An opening with kOpenRead, kOpenWrite or both. kAddressUnavailable: to write without waiting
  // (kOpenNonBlocking) while nobody reads. kWouldBlock: the other side is not open.
  static Result<cobj::Granted<fs::IOpenFile>> Open(RefPtr<Fifo> fifo, RefPtr<fs::Node> node,
                                                   RefPtr<fs::Entry> entry, std::uint32_t flags);
  // A pipe without a name: both ends.
  static Status MakePipe(const fs::Identity& who, std::uint32_t flags,
                         cobj::Granted<fs::IOpenFile>* reader,
                         cobj::Granted<fs::IOpenFile>* writer);

  Conduit& conduit() { return *conduit_; }
  ReadyList& read_list() { return read_list_; }
  ReadyList& write_list() { return write_list_; }

  explicit Fifo(RefPtr<Conduit> conduit);

 private:
  void Dispose() override;

  RefPtr<Conduit> conduit_;
  ReadyList read_list_{kOutputEnded};  // only one direction: its end is the hangup
  ReadyList write_list_;
};

}  // namespace k42::io
