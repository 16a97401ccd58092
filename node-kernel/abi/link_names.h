// The cluster's names and objects, between a kernel and its own daemon: payloads of ControlKind
// kNameRequest to kPingAnswer (abi/link_control.h). The frame's sequence is the request's number,
// given by who asks; the answer carries the same. Texts follow the struct and have no zero behind
// them.
#pragma once

#include <cstdint>

namespace k42::abi {

// -- names: the kernel asks -----------------------------------------------------------------------

inline constexpr std::uint32_t kNamePathMax = 255;
inline constexpr std::uint32_t kNameValueMax = 512;

enum class NameAction : std::uint32_t {
  kLookup = 1,  // from the daemon's cache
  kBind = 2,    // for the life of the node; needs authority
  kUnbind = 3,  // needs authority
};

struct NameRequest {  // then the path, then the value
  NameAction action;
  std::uint32_t path_size;
  std::uint32_t value_size;
  std::uint32_t reserved;
  std::uint64_t version;  // bind, unbind: of the binding this one replaces; 0: there is none
};
static_assert(sizeof(NameRequest) == 24);

struct NameAnswer {  // then the value, of a lookup
  std::int64_t status;
  std::uint64_t version;            // of the binding found or made
  std::uint64_t owner_incarnation;  // 0: nobody's, the binding lasts
  std::uint32_t owner_node;
  std::uint32_t value_size;
};
static_assert(sizeof(NameAnswer) == 32);

// -- objects: an operator asks, through the daemon ------------------------------------------------

enum class ObjectAction : std::uint32_t {
  kMake = 1,    // this node becomes its home. `argument`: the parties of a barrier
  kRemove = 2,  // wherever its home is
  kSwap = 3,    // its class's next implementation, at its home. Value: the version
  kAdd = 4,     // a counter; `argument`: how much. Value: the counter's
  kRead = 5,
  kArrive = 6,  // a barrier; `argument`: the member. Value: the round
  kWait = 7,    // arrives and waits until the round has passed
};

struct ObjectRequest {  // then the name
  ObjectAction action;
  std::uint32_t kind;  // global::ObjectClass
  std::uint32_t name_size;
  std::uint32_t reserved;
  std::uint64_t argument;
  std::uint64_t budget_ns;
};
static_assert(sizeof(ObjectRequest) == 32);

struct ObjectAnswer {
  std::int64_t status;
  std::uint64_t value;
};

// -- round trips: an operator asks, through the daemon --------------------------------------------

inline constexpr std::uint32_t kPingCountMax = 10'000;

enum class PingWay : std::uint32_t {
  kEcho = 0,    // answered by the peer's link thread
  kCall = 1,    // a call of a global object there
  kPut = 2,     // put_notify into the peer's arena, which puts it back
  kStore = 3,   // a put into the peer's arena, until it is done
  kLoad = 4,    // a get from there
  kStream = 5,  // kPingStreamPuts puts, kPingStreamDepth of them under way; the time of one
};
inline constexpr std::uint32_t kPingPutMax = 1024 * 1024;
inline constexpr std::uint32_t kPingStreamPuts = 256;
inline constexpr std::uint32_t kPingStreamDepth = 16;

struct PingRequest {
  std::uint32_t node;  // 0: the own daemon (kEcho only)
  PingWay way;
  std::uint32_t count;
  std::uint32_t size;       // bytes of payload (kEcho, kPut)
  std::uint64_t budget_ns;  // for all of it
};
static_assert(sizeof(PingRequest) == 24);

struct PingAnswer {
  std::int64_t status;
  std::uint64_t least_ns;
  std::uint64_t median_ns;
  std::uint64_t most_ns;
};

}  // namespace k42::abi
