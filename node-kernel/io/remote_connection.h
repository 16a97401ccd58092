// RemoteConnection: a stream socket's way out of this node, as its endpoint sees it. Two carriers
// implement it: fabric streams, to other nodes, and the offload, to hosts outside the cluster.
//
// Life: made by RemoteStreams::Connect, or by a carrier to whom somebody connects. Counted; the
// endpoint lets go by Close, after which no readiness is told any more, while the carrier may hold
// it until what was written has arrived.
//
// Readiness: the carrier keeps the bits of the watched list (abi/readiness.h) up to date as Linux's
// TCP does: nothing while connecting, kWritable once connected or failed, kReadable for bytes, for
// the stream's end and for an error, and kReadHangup, kInputEnded, kOutputEnded, kError.
//
// Any thread; no call waits. User memory is touched by Write and Read only.
#pragma once

#include "base/buffer.h"
#include "base/ref_counted.h"
#include "io/ready_list.h"
#include "io/socket.types.h"

namespace k42::io {

class Endpoint;

class RemoteConnection : public RefCounted {
 public:
  // Bytes taken; kWouldBlock, kBrokenPipe, kNotConnected, or the waiting error, taken.
  virtual Result<std::uint64_t> Write(BufferIn data) = 0;
  // Bytes given; 0: the stream's end.
  virtual Result<std::uint64_t> Read(BufferOut data, bool peek) = 0;
  virtual Status Shutdown(ShutdownSide side) = 0;
  // The waiting error (SO_ERROR), taken.
  virtual Status TakeError() = 0;
  // Connect was called again: kInProgress, kAlreadyConnected, or why it failed (taken).
  virtual Status ConnectState() = 0;
  virtual bool connected() = 0;
  virtual std::uint64_t readable_bytes() = 0;
  virtual std::uint64_t unsent_bytes() = 0;
  // `reset`: what was written need not arrive (linger 0). Unread bytes make it a reset anyway.
  virtual void Close(bool reset) = 0;

  // Whose readiness this is; null: nobody's. When it returns, the old list is not touched any more.
  virtual void Watch(ReadyList* list) = 0;

 protected:
  ~RemoteConnection() = default;
};

// A carrier of streams that leave the node.
class RemoteStreams {
 public:
  // Begins to connect from `from` (its address and port are set) to `to`; tells `list` from now on.
  // One reference. kUnreachable: there is no way; others as connect() has them.
  virtual Result<RemoteConnection*> Connect(const SocketAddress& from, const SocketAddress& to,
                                            ReadyList& list) = 0;

 protected:
  ~RemoteStreams() = default;
};

}  // namespace k42::io
