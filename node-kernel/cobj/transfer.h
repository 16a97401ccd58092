// Transfer of state from an object to the one that replaces it (hot swap).
//
// A *form* is a way to hand over state, a bit number; 0 is preferred over 1, and so on. What the
// old one can export and the new one import is negotiated before anything is disturbed. The
// transfer runs on all CPUs that used the object, in parallel: every CPU exports (into its part),
// then every CPU imports. No call is inside the old object, and nobody calls the new one yet.
//
// Export must leave the old object able to go on: the swap can still be given up.
#pragma once

#include <concepts>
#include <cstdint>

#include "base/cpu_set.h"
#include "base/result.h"
#include "platform/contract/types.h"

namespace k42::cobj {

using TransferForms = std::uint64_t;  // a set of forms
inline constexpr TransferForms FormBit(std::uint32_t form) {
  return TransferForms{1} << form;
}

struct TransferStep {
  std::uint32_t form;
  machine::CpuId cpu;     // the running one
  CpuSet cpus;            // all that take part
  std::uintptr_t* parts;  // by CPU: what was exported there; meaning by form; 0 where nothing was
  std::uintptr_t& part() const { return parts[cpu]; }
};

class Transferable {
 public:
  virtual TransferForms ExportForms() const = 0;
  virtual TransferForms ImportForms() const = 0;
  virtual Status Export(const TransferStep& step) = 0;
  virtual Status Import(const TransferStep& step) = 0;

 protected:
  ~Transferable() = default;
};

// What a rep has to offer so that its root can be swapped.
template <typename Rep>
concept SwappableRep = requires(Rep& rep, const TransferStep& step) {
  { Rep::kExportForms } -> std::convertible_to<TransferForms>;
  { Rep::kImportForms } -> std::convertible_to<TransferForms>;
  { rep.Export(step) } -> std::same_as<Status>;
  { rep.Import(step) } -> std::same_as<Status>;
};

}  // namespace k42::cobj
