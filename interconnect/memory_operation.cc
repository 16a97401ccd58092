#include "interconnect/memory_operation.h"

#include <signal.h>

#include <atomic>
#include <cstring>

namespace k42::interconnect {
namespace {
std::atomic<bool> hold_next_put{false};

void Copy(std::byte* to, const std::byte* from, std::uint32_t length) {
  std::uint32_t done = 0;
  if (hold_next_put.load(std::memory_order_relaxed) && length >= kHeldPut) [[unlikely]] {
    hold_next_put = false;
    done = length / 2;
    std::memcpy(to, from, done);
    raise(SIGSTOP);
  }
  std::memcpy(to + done, from + done, length - done);
}
}  // namespace

void HoldNextPut() {
  hold_next_put = true;
}

std::uint32_t AccessNeeded(OperationKind kind) {
  switch (kind) {
    case OperationKind::kPut:
    case OperationKind::kPutNotify:
      return abi::kAccessWrite;
    case OperationKind::kGet:
      return abi::kAccessRead;
    case OperationKind::kFetchAdd:
    case OperationKind::kCompareSwap:
      return abi::kAccessAtomic;
    case OperationKind::kSend:
    case OperationKind::kFlush:
    case OperationKind::kRevokeWindow:
      return 0;
  }
  return 0;
}

std::uint64_t RemoteLength(const Request& request) {
  return AccessNeeded(request.kind) == abi::kAccessAtomic ? sizeof(std::uint64_t) : request.length;
}

Status CheckLocal(Arena& own, const Request& request) {
  switch (request.kind) {
    case OperationKind::kSend:
      if (request.length > abi::kMaxMessage)
        return Status::kMessageTooLong;
      [[fallthrough]];
    case OperationKind::kPut:
    case OperationKind::kPutNotify:
    case OperationKind::kGet:
      return own.layout().InData(request.local_offset, request.length) ? Status::kOk
                                                                       : Status::kOutOfRange;
    case OperationKind::kFetchAdd:
    case OperationKind::kCompareSwap:
      return request.remote_offset % sizeof(std::uint64_t) == 0 ? Status::kOk
                                                                : Status::kInvalidArgument;
    case OperationKind::kFlush:
      return Status::kOk;
    case OperationKind::kRevokeWindow:
      return Status::kInvalidArgument;
  }
  return Status::kInvalidArgument;
}

Status FindPlaces(Arena& own, Arena& peers, PeerId self, const Request& request, Places* places) {
  std::uint64_t at = TRY(peers.Resolve(request.window, self, request.remote_offset,
                                       RemoteLength(request), AccessNeeded(request.kind)));
  places->local = own.At(request.local_offset);
  places->remote = peers.At(at);
  return Status::kOk;
}

std::uint64_t Perform(const Request& request, const Places& places) {
  switch (request.kind) {
    case OperationKind::kPut:
    case OperationKind::kPutNotify:
      Copy(places.remote, places.local, request.length);
      // The notification follows by a system call; x86 keeps the stores before it in order, so only
      // the compiler must be told. (ThreadSanitizer builds know no thread fence.)
      std::atomic_signal_fence(std::memory_order_release);
      return 0;
    case OperationKind::kGet:
      std::atomic_signal_fence(std::memory_order_acquire);
      std::memcpy(places.local, places.remote, request.length);
      return 0;
    case OperationKind::kFetchAdd:
      return std::atomic_ref(*reinterpret_cast<std::uint64_t*>(places.remote))
          .fetch_add(request.operand);
    case OperationKind::kCompareSwap: {
      std::uint64_t seen = request.compare;
      std::atomic_ref(*reinterpret_cast<std::uint64_t*>(places.remote))
          .compare_exchange_strong(seen, request.operand);
      return seen;
    }
    default:
      return 0;
  }
}

}  // namespace k42::interconnect
