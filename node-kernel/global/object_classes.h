// The classes of objects that the cluster shares by name, and how each is made, exported and
// imported. A class of them is an interface with [global], its implementations, and one entry here.
#pragma once

#include <cstdint>
#include <string_view>

#include "cobj/factory.h"
#include "global/cluster_counter.forward.h"
#include "global/cluster_counter.idl.h"
#include "global/global_node.h"
#include "global/object_host.types.h"

namespace k42::global {

// Counters are made by a factory with two implementations, of other state layouts: odd versions
// keep one word (cluster_counter.h), even ones a part per CPU (cluster_counter_partial.h).
using CounterFactory = cobj::Factory<IClusterCounter>;

class ObjectClasses {
 public:
  ObjectClasses();

  // Null: there is no such class.
  static const char* Word(ObjectClass kind);
  static const cobj::GlobalClass* Type(ObjectClass kind);

  // A new object at home here; `parameter`: parties of a barrier (kInvalidArgument), else nothing.
  Result<cobj::RefBits> Make(ObjectClass kind, std::uint64_t parameter);
  // A rep of one at home elsewhere.
  static Result<cobj::RefBits> Import(GlobalNode& node, ObjectClass kind, LinkPeer home,
                                      GlobalId id);
  // The class's next version takes over all objects here, one by one, under calls; those that could
  // not be swapped are tried again until the deadline. Returns the version.
  Result<std::uint64_t> NextVersion(ObjectClass kind, std::uint64_t deadline_ns);
  std::uint64_t CounterCount() const { return counters_.count(); }

 private:
  CounterFactory counters_;
  // The two implementations, by which the factory tells what its objects are.
  cobj::CodeUse* const shared_code_ = counters_.Present().code;
  cobj::CodeUse partial_code_;
};

}  // namespace k42::global
