// Making and destroying clustered objects.
#pragma once

#include <utility>

#include "cobj/object_system.h"
#include "cobj/replicated_root.h"
#include "cobj/shared_root.h"

namespace k42::cobj {

// Gives `root` an id and lets calls in. On failure the root is disposed of.
template <typename R>
Result<Ref<typename R::Interface>> PublishRoot(R* root) {
  const Result<RefBits> bits = node_objects->Reserve(*root);
  if (!bits.ok()) {
    root->Dispose(node_objects->allocator());
    return bits.status();
  }
  const auto ref = Ref<typename R::Interface>::FromBits(bits.value());
  root->Publishing(ref);
  node_objects->Publish(*root);
  return ref;
}

// An object with one rep, Rep(arguments...), for all CPUs.
template <typename Rep, typename... Arguments>
Result<Ref<typename Rep::Interface>> MakeShared(Arguments&&... arguments) {
  return PublishRoot(
      TRY(node_objects->allocator().Make<SharedRoot<Rep>>(std::forward<Arguments>(arguments)...)));
}

// An object with a rep per `factor` CPUs; arguments are for its Rep::Shared.
template <typename Rep, typename... Arguments>
Result<Ref<typename Rep::Interface>> MakeReplicated(std::uint32_t factor,
                                                    Arguments&&... arguments) {
  Allocator& allocator = node_objects->allocator();
  return PublishRoot(TRY(allocator.Make<ReplicatedRoot<Rep>>(
      allocator, factor, std::forward<Arguments>(arguments)...)));
}

// Calls that are inside finish; later ones answer kDeleted. The memory goes when nobody is inside.
// An object may destroy itself, from one of its methods.
template <typename I>
Status Destroy(Ref<I> ref) {
  return node_objects->Destroy(ref.bits());
}

}  // namespace k42::cobj
