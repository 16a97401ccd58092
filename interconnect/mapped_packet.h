// What the mapped transport's daemons say to each other, one packet each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "abi/link_operation.h"
#include "base/result.h"
#include "interconnect/unix_socket.h"

namespace k42::interconnect {

enum class PacketType : std::uint32_t {
  kHello = 1,
  kWelcome = 2,
  kConfirm = 3,
  kReady = 4,    // body: ArenaPlace; a descriptor comes with it
  kRefused = 5,  // word: Status
  kMessage = 6,  // body: the message
  kNotify = 7,   // word
  kRevoke = 8,   // word: window
  kRevoked = 9,  // word: window; sent when nothing touches it any more
};

struct PacketHeader {
  PacketType type;
  std::uint16_t channel;
  std::uint16_t reserved;
  std::uint32_t receiver_cpu;
  std::uint32_t length;  // of the body
  std::uint64_t word;
};
static_assert(sizeof(PacketHeader) == 24);

struct ArenaPlace {
  std::uint64_t offset;
  std::uint64_t size;
};

inline constexpr std::size_t kMaxPacket = sizeof(PacketHeader) + abi::kMaxMessage;

inline Status ParsePacket(std::span<const std::byte> bytes, PacketHeader* header,
                          std::span<const std::byte>* body) {
  if (bytes.size() < sizeof(PacketHeader))
    return Status::kCorrupt;
  std::memcpy(header, bytes.data(), sizeof(PacketHeader));
  if (header->type < PacketType::kHello || header->type > PacketType::kRevoked ||
      header->length != bytes.size() - sizeof(PacketHeader) ||
      header->channel >= abi::kChannelCount)
    return Status::kCorrupt;
  *body = bytes.subspan(sizeof(PacketHeader));
  return Status::kOk;
}

inline Transfer SendPacket(int socket, PacketHeader header, std::span<const std::byte> body = {},
                           int passed_fd = -1) {
  header.length = static_cast<std::uint32_t>(body.size());
  return SendUnix(socket, std::as_bytes(std::span(&header, 1)), body, passed_fd);
}

}  // namespace k42::interconnect
