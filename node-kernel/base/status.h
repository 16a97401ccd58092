// Error codes of the whole system, and nothing else: the same numbers in the kernel, in user space,
// on the wire between nodes and in the host's daemons. Zero is success; errors are negative, so
// that a register can hold either a count or an error (Linux errno values are the Linux
// personality's business, not ours).
//
// The thousands digit tells the blast radius, that is what a caller has to rebuild:
//   1xxx the request failed, everything else stands;   2xxx the object is gone or has moved;
//   3xxx the endpoint (this incarnation of the peer);  4xxx the node or the cluster's authority.
#pragma once

#include <cstdint>

namespace k42 {

enum class [[nodiscard]] Status : std::int64_t{
    kOk = 0,

    // The request.
    kInvalidArgument = -1001,
    kNoMemory = -1002,       // frames or heap exhausted; the asker may free and retry
    kLimitExceeded = -1003,  // a configured limit (per process, per node) said no
    kNotFound = -1004, kAlreadyExists = -1005, kPermissionDenied = -1006,
    kBadAddress = -1007,  // user memory not accessible
    kWouldBlock = -1008,  // cannot be done without waiting; nothing has happened
    kPending = -1009,     // started; the wait ticket given with the call will fire
    kCancelled = -1010, kTimedOut = -1011, kNotSupported = -1012, kOutOfRange = -1013,
    kBusy = -1014, kNotDirectory = -1015, kIsDirectory = -1016, kNotEmpty = -1017,
    kNameTooLong = -1018, kTooManyLinks = -1019, kReadOnly = -1020, kNoSpace = -1021,
    kCrossDevice = -1022, kIoError = -1023, kBrokenPipe = -1024,
    kNoMethod = -1025,   // method number outside the interface
    kBadHandle = -1026,  // handle free, stale or of another kind
    kCorrupt = -1027,    // bytes from outside failed a check
    kNotConnected = -1028, kAlreadyConnected = -1029, kInProgress = -1030, kAddressInUse = -1031,
    kAddressUnavailable = -1032, kConnectionRefused = -1033, kConnectionReset = -1034,
    kUnreachable = -1035, kNoChild = -1036, kNoProcess = -1037,
    kLoop = -1038,  // too many symbolic links
    kMessageTooLong = -1039, kNotTerminal = -1040, kIllegalSeek = -1041, kExecFormat = -1042,
    kTextBusy = -1043,
    kAlreadyCompleted = -1044,  // Cancel() came too late
    kRefused = -1045,           // negotiated and declined (hot swap, module load)
    kVersionMismatch = -1046, kDeadlock = -1047,
    kNotOwner = -1048,       // only the owner, or user 0, may do this
    kNoDestination = -1049,  // where to, was not said

    // The object.
    kDeleted = -2001,  // stale reference: the object was destroyed
    kRevoked = -2002,  // window or handle withdrawn by its owner
    kMoved = -2003,

    // The endpoint.
    kEndpointDown = -3001,  // broken; this operation was not sent
    kUnknown = -3002,       // broken; this operation may or may not have happened
    kStaleIncarnation = -3003, kNotInView = -3004,

    // The node, the cluster.
    kNodeDead = -4001,
    kUnavailable = -4002,  // authority needs a valid lease and there is none now; retry
    kExcluded = -4003,     // a view without me is installed
};

// The enumerator's name, for logs ("kNotFound"); never null.
const char* StatusName(Status status);

constexpr bool IsOk(Status status) {
  return status == Status::kOk;
}

}  // namespace k42
