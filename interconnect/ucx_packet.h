// What two daemons say to each other over UCX: one active message each, this header first.
//
// Requests go from initiator to target and are numbered per session, because UCX does not promise
// an order between active messages of different size; answers go back and name the request. The
// last four are about grants (ucx_grants.cc) and are not numbered: a daemon that does not know them
// drops them, and everything goes on by active messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "abi/link_operation.h"
#include "base/result.h"

namespace k42::interconnect {

enum class UcxPacketType : std::uint32_t {
  kHello = 1,    // serial: attempt, echoed by the next three; body: Hello
  kWelcome = 2,  // body: Welcome
  kConfirm = 3,  // body: Confirm
  kReady = 4,    // session: to be named from now on
  kRefused = 5,  // operand: Status; ends an attempt

  kMessage = 6,       // body
  kPut = 7,           // body -> window; answered if kWantsAnswer
  kGet = 8,           // length; answered with the bytes
  kFetchAdd = 9,      // answered
  kCompareSwap = 10,  // answered
  kFlush = 11,        // answered
  kAnswer = 12,       // session, serial; operand: Status; compare: value; body: of a get

  kWantGrant = 13,  // to the target: session, window
  kGrant = 14,      // back: session, window; operand: Status; body: UcxGrant and its key
  kRevoke = 15,     // back: session, window: let go of it
  kRevoked = 16,    // to the target: session, window: nothing touches it any more
};

enum UcxPacketFlags : std::uint16_t {
  kWantsAnswer = 1u << 0,
  kNotifies = 1u << 1,  // kPut: `operand` is the word
};

struct UcxPacket {
  UcxPacketType type;
  std::uint16_t channel;
  std::uint16_t flags;
  std::uint32_t sender_node;
  std::uint32_t receiver_cpu;
  std::uint64_t sender_incarnation;
  std::uint64_t session;   // given by the target, 64 random bits
  std::uint64_t sequence;  // of a request in its session, from 1
  std::uint64_t serial;    // the initiator's name for the request
  std::uint64_t window;
  std::uint64_t offset;
  std::uint64_t length;
  std::uint64_t operand;
  std::uint64_t compare;
};
static_assert(sizeof(UcxPacket) == 88);

inline constexpr std::uint32_t kUcxPiece = 32 * 1024;  // of a put or get, per packet

inline bool IsRequest(UcxPacketType type) {
  return type >= UcxPacketType::kMessage && type <= UcxPacketType::kFlush;
}

inline Status ParseUcxPacket(std::span<const std::byte> bytes, UcxPacket* packet,
                             std::span<const std::byte>* body) {
  if (bytes.size() < sizeof(UcxPacket) || bytes.size() > sizeof(UcxPacket) + kUcxPiece)
    return Status::kCorrupt;
  std::memcpy(packet, bytes.data(), sizeof(UcxPacket));
  *body = bytes.subspan(sizeof(UcxPacket));
  if (packet->type < UcxPacketType::kHello || packet->type > UcxPacketType::kRevoked ||
      packet->channel >= abi::kChannelCount)
    return Status::kCorrupt;
  if (packet->type == UcxPacketType::kMessage && body->size() > abi::kMaxMessage)
    return Status::kCorrupt;
  if (packet->type == UcxPacketType::kGet && packet->length > kUcxPiece)
    return Status::kCorrupt;
  return Status::kOk;
}

// A window that the initiator's NIC may write and read by itself.
struct UcxGrant {
  std::uint64_t address;  // of its first byte, in the target's process
  std::uint64_t size;
  std::uint32_t access;
  std::uint32_t key_size;  // what follows
};
static_assert(sizeof(UcxGrant) == 24);

inline constexpr std::size_t kMaxUcxKey = 1024;

inline Status ParseUcxGrant(std::span<const std::byte> body, UcxGrant* grant,
                            std::span<const std::byte>* key) {
  if (body.size() < sizeof(UcxGrant))
    return Status::kCorrupt;
  std::memcpy(grant, body.data(), sizeof(UcxGrant));
  *key = body.subspan(sizeof(UcxGrant));
  if (grant->size == 0 || grant->address + grant->size < grant->address ||
      grant->key_size != key->size() || key->empty() || key->size() > kMaxUcxKey)
    return Status::kCorrupt;
  return Status::kOk;
}

}  // namespace k42::interconnect
