// How an object of the cluster is named: objects/<class>/<name> is bound to its global id and its
// class's digest, as text that people can read too.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/digest.h"
#include "base/result.h"
#include "global/global_id.h"
#include "global/object_host.types.h"

namespace k42::global {

// 1 to kObjectNameMax letters, digits, and any of . _ - ; not "." and not "..".
bool ValidObjectName(std::string_view name);

// Its path in the tree of names; the class's word is short.
struct ObjectPath {
  ObjectPath(std::string_view class_word, std::string_view name);
  std::string_view text() const { return {bytes, size}; }
  char bytes[128];
  std::size_t size = 0;
};

// What it is bound to: "<home>/<incarnation> <slot>/<generation> <digest>".
struct ObjectBinding {
  ObjectBinding(GlobalId id, const Digest& digest);
  std::string_view text() const { return {bytes, size}; }
  char bytes[160];
  std::size_t size = 0;
};
// The same, read: kCorrupt unless it is one.
Status ParseObjectBinding(std::string_view text, GlobalId* id, Digest* digest);

}  // namespace k42::global
