// libFuzzer: headers of what comes from other daemons and from QEMU. What a parser lets through is
// what the code behind it relies on.
#include <cstdlib>

#include "abi/frame.h"
#include "fuzz/fuzz_input.h"
#include "interconnect/mapped_packet.h"
#include "interconnect/ucx_packet.h"
#include "interconnect/vhost_user.h"

namespace {

void Require(bool holds) {
  if (!holds)
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k42;
  using namespace k42::interconnect;
  FuzzInput input(data, size);
  const auto which = input.Take<std::uint8_t>();
  // A block of its own: reading past its end is seen.
  const std::vector<std::byte> bytes(input.rest().begin(), input.rest().end());
  std::span<const std::byte> body;
  switch (which % 6) {
    case 0: {
      PacketHeader header{};
      if (ParsePacket(bytes, &header, &body) == Status::kOk)
        Require(header.length == body.size() && header.channel < abi::kChannelCount);
      return 0;
    }
    case 1: {
      UcxPacket packet{};
      if (ParseUcxPacket(bytes, &packet, &body) != Status::kOk)
        return 0;
      Require(body.size() <= kUcxPiece && packet.channel < abi::kChannelCount);
      Require(packet.type != UcxPacketType::kMessage || body.size() <= abi::kMaxMessage);
      Require(packet.type != UcxPacketType::kGet || packet.length <= kUcxPiece);
      return 0;
    }
    case 2: {
      UcxGrant grant{};
      if (ParseUcxGrant(bytes, &grant, &body) == Status::kOk)
        Require(!body.empty() && body.size() <= kMaxUcxKey &&
                grant.address + grant.size > grant.address);
      return 0;
    }
    case 3: {
      VhostHeader header{};
      if (ParseVhostHeader(bytes, &header) == Status::kOk)
        Require(header.size <= kVhostMaxPayload);
      return 0;
    }
    case 4: {
      const std::size_t fds = bytes.empty() ? 0 : static_cast<std::size_t>(bytes[0]) % 10;
      VhostMemoryTable table{};
      if (ParseMemoryTable(bytes, fds, &table) != Status::kOk)
        return 0;
      Require(table.count == fds && table.count <= kVhostMaxRegions);
      for (std::uint32_t i = 0; i < table.count; ++i)
        Require(table.regions[i].size != 0 &&
                table.regions[i].guest_address + table.regions[i].size >= table.regions[i].size);
      return 0;
    }
    default: {
      abi::Frame frame{};
      if (abi::CheckFrame(bytes, &frame).ok())
        Require(frame.payload_size == bytes.size() - sizeof frame);
      return 0;
    }
  }
}
