// InterfaceInfo: what the kernel knows about an interface at run time. Generated, constant; two
// handles are of one kind when they point at the same InterfaceInfo.
#pragma once

#include <cstdint>

#include "abi/native_result.h"
#include "base/digest.h"
#include "cobj/ref.h"

namespace k42::cobj {

using abi::NativeResult;
struct CallContext;

// The six argument words of a native call, as user space gave them.
struct Words {
  std::uint64_t word[6];
  constexpr std::uint64_t at(int index) const { return word[index]; }
};

struct MethodInfo {
  static constexpr std::uint32_t kBlocking = 1;  // may end with a ticket: the last word
  static constexpr std::uint32_t kLocal = 2;     // never through a handle

  const char* name;
  std::uint32_t rights;  // all of these are needed
  std::uint32_t flags;
};

struct InterfaceInfo {
  const char* name;
  const Digest* digest;
  const InterfaceInfo* base;  // null: none
  const MethodInfo* methods;
  std::uint32_t method_count;
  // Checks method, rights and words, then calls the object. May be run again with the same words
  // after kWouldBlock, on a thread that may wait.
  NativeResult (*invoke)(RefBits, std::uint32_t method, const Words&, CallContext&);
  // Handles stay in the table that the kernel put them into (cobj/hold.h).
  bool own = false;
  // Others destroy the objects while handles name them: what is held is the id (cobj/hold.h).
  bool removable = false;

  constexpr bool IsA(const InterfaceInfo& wanted) const {
    for (const InterfaceInfo* info = this; info != nullptr; info = info->base)
      if (info == &wanted)
        return true;
    return false;
  }
  constexpr bool Blocks(std::uint32_t method) const {
    return method < method_count && (methods[method].flags & MethodInfo::kBlocking) != 0;
  }
};

// Any object, with what its holder may do: how handles of unknown kind travel through the kernel.
struct ObjectRef {
  RefBits ref = 0;
  std::uint32_t rights = kNoRights;
  const InterfaceInfo* info = nullptr;

  explicit constexpr operator bool() const { return info != nullptr; }
};

}  // namespace k42::cobj
