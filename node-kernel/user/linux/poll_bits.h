// Between readiness (abi/readiness.h) and Linux's poll bits. Pure.
#pragma once

#include <cstdint>

#include "abi/readiness.h"
#include "user/linux/abi_files.h"

namespace k42::personality {

constexpr std::uint32_t PollBits(std::uint32_t ready) {
  std::uint32_t bits = 0;
  bits |= ready & abi::kReadable ? kPOLLIN | kPOLLRDNORM : 0;
  bits |= ready & abi::kWritable ? kPOLLOUT | kPOLLWRNORM : 0;
  bits |= ready & abi::kHangup ? kPOLLHUP : 0;
  bits |= ready & abi::kError ? kPOLLERR : 0;
  bits |= ready & abi::kReadHangup ? kPOLLRDHUP : 0;
  bits |= ready & abi::kPriority ? kPOLLPRI : 0;
  return bits;
}

constexpr std::uint32_t ReadyMask(std::uint32_t poll_bits) {
  std::uint32_t mask = 0;
  mask |= poll_bits & (kPOLLIN | kPOLLRDNORM) ? abi::kReadable : 0;
  mask |= poll_bits & (kPOLLOUT | kPOLLWRNORM) ? abi::kWritable : 0;
  mask |= poll_bits & kPOLLRDHUP ? abi::kReadHangup : 0;
  mask |= poll_bits & (kPOLLPRI | kPOLLRDBAND) ? abi::kPriority : 0;
  return mask;
}

// Reported whatever was asked for.
inline constexpr std::uint32_t kPollAlways = kPOLLERR | kPOLLHUP | kPOLLNVAL;

}  // namespace k42::personality
