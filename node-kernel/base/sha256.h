// SHA-256 (FIPS 180-4), for the kernel's own check of a module's digest. The daemons use OpenSSL;
// the kernel cannot. No state outlives a call, no allocation; about 10 cycles a byte.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace k42 {

using Sha256Digest = std::array<std::uint8_t, 32>;

Sha256Digest Sha256(std::span<const std::byte> bytes);

}  // namespace k42
