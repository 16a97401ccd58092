// Vector registers of user code, of which a hosted test has none. The image is checked as the
// machine would (platform/x86_64/kernel/user_vector.cc).
#pragma once

#include <cstdint>
#include <cstring>

#include "abi/dispatcher_page.h"
#include "base/status.h"

namespace k42::machine {

inline std::uint64_t VectorComponents() {
  return 3;
}
inline std::uint32_t VectorSize() {
  return 576;
}
inline void InitVectorState(unsigned char* state) {
  std::memset(state, 0, abi::kVectorStateSize);
}
inline void SaveVectorState(unsigned char*) {}
inline void LoadVectorState(const unsigned char*) {}
inline void SwitchVectorState(unsigned char*, const unsigned char*) {}
inline Status SanitizeVectorState(unsigned char*) {
  return Status::kOk;
}
inline std::uint64_t ReadFsBase() {
  return 0;
}
inline void WriteFsBase(std::uint64_t) {}

}  // namespace k42::machine
