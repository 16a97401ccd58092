// The vhost-user messages that QEMU and the carrier exchange. Numbers are the protocol's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/result.h"

namespace k42::interconnect {

enum class VhostRequest : std::uint32_t {
  kGetFeatures = 1,
  kSetFeatures = 2,
  kSetOwner = 3,
  kResetOwner = 4,
  kSetMemTable = 5,
  kSetVringNum = 8,
  kSetVringAddr = 9,
  kSetVringBase = 10,
  kGetVringBase = 11,
  kSetVringKick = 12,
  kSetVringCall = 13,
  kSetVringErr = 14,
  kGetProtocolFeatures = 15,
  kSetProtocolFeatures = 16,
  kGetQueueNum = 17,
  kSetVringEnable = 18,
  kGetConfig = 24,
  kSetConfig = 25,
};

struct VhostHeader {
  VhostRequest request;
  std::uint32_t flags;  // version 1 in bits 0-1, kReplyFlag, kNeedReplyFlag
  std::uint32_t size;   // of the payload
};
static_assert(sizeof(VhostHeader) == 12);
inline constexpr std::uint32_t kVhostVersion = 1;
inline constexpr std::uint32_t kVhostReplyFlag = 1u << 2;
inline constexpr std::uint32_t kVhostNeedReplyFlag = 1u << 3;

inline constexpr std::uint64_t kVhostProtocolFeaturesBit = 1ull << 30;
inline constexpr std::uint64_t kVhostProtocolMultiQueue = 1ull << 0;
inline constexpr std::uint64_t kVhostProtocolReplyAck = 1ull << 3;
inline constexpr std::uint64_t kVhostProtocolConfig = 1ull << 9;

inline constexpr std::uint32_t kVhostMaxRegions = 8;
struct VhostRegion {
  std::uint64_t guest_address;
  std::uint64_t size;
  std::uint64_t user_address;
  std::uint64_t file_offset;
};
struct VhostMemoryTable {
  std::uint32_t count;
  std::uint32_t padding;
  VhostRegion regions[kVhostMaxRegions];
};

// Kick and call: queue number in the low byte; with this bit no descriptor comes along.
inline constexpr std::uint64_t kVhostNoFd = 1u << 8;

struct VhostVringState {
  std::uint32_t queue;
  std::uint32_t value;
};

struct VhostConfig {
  std::uint32_t offset;
  std::uint32_t size;
  std::uint32_t flags;
  std::uint8_t data[256];
};

inline constexpr std::size_t kVhostMaxPayload = sizeof(VhostMemoryTable) > sizeof(VhostConfig)
                                                    ? sizeof(VhostMemoryTable)
                                                    : sizeof(VhostConfig);

// A header as it came: kCorrupt unless its payload can be held.
inline Status ParseVhostHeader(std::span<const std::byte> bytes, VhostHeader* out) {
  if (bytes.size() != sizeof(VhostHeader))
    return Status::kCorrupt;
  std::memcpy(out, bytes.data(), sizeof(VhostHeader));
  if ((out->flags & 3) != kVhostVersion || (out->flags & kVhostReplyFlag) != 0 ||
      out->size > kVhostMaxPayload)
    return Status::kCorrupt;
  return Status::kOk;
}

// The memory table in a payload, every region checked for overflow; `fds` came with it.
inline Status ParseMemoryTable(std::span<const std::byte> payload, std::size_t fds,
                               VhostMemoryTable* out) {
  *out = {};
  if (payload.size() < 8)
    return Status::kCorrupt;
  std::memcpy(out, payload.data(), payload.size() < sizeof *out ? payload.size() : sizeof *out);
  if (out->count > kVhostMaxRegions || out->count != fds ||
      payload.size() < 8 + out->count * sizeof(VhostRegion))
    return Status::kCorrupt;
  for (std::uint32_t i = 0; i < out->count; ++i) {
    const VhostRegion& region = out->regions[i];
    if (region.size == 0 || region.guest_address + region.size < region.size ||
        region.file_offset + region.size < region.size)
      return Status::kCorrupt;
  }
  return Status::kOk;
}

}  // namespace k42::interconnect
