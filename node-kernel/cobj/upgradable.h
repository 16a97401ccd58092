// What can be done to all objects of a class at once, whatever its interface: a factory's face to
// the upgrader (upgrader.h), by which a version of the class takes another's place.
#pragma once

#include <cstdint>

#include "base/allocator.h"
#include "base/result.h"
#include "cobj/code_use.h"
#include "cobj/root.h"

namespace k42::cobj {

// One version of a class. Its code stays until no root made by it is left, and no thread is active
// that was when the class left it.
struct ClassVersion {
  std::uint32_t number = 0;
  CodeUse* code = nullptr;
};

// An object that could not be swapped, and why.
struct SwapFailure {
  RefBits object = 0;
  Status status = Status::kOk;
};

class UpgradableClass {
 public:
  virtual ClassVersion Present() = 0;
  // Live objects; and those that are not of the present version.
  virtual std::uint64_t Count() = 0;
  virtual std::uint64_t Outdated() = 0;
  // kVersionMismatch: not a neighbour of the present version, and nothing has happened. Else new
  // objects are of `next` from now on, living ones were swapped, and the result says how many could
  // not be. Thread context; may wait.
  virtual Result<std::uint64_t> Update(const ClassVersion& next) = 0;
  // Swaps what is not of the present version; how many could not be.
  virtual Result<std::uint64_t> Retry() = 0;
  // Of the latest Update or Retry: the last object that could not be.
  virtual SwapFailure LastFailure() = 0;

 protected:
  ~UpgradableClass() = default;
};

}  // namespace k42::cobj
