// ObjectDirectory: the cluster's objects as this node knows them, by name.
//
// Made here: exported, then bound to its name for the life of this node. Found: the name is looked
// up each time (the daemon answers from its cache), so what a dead home had bound is never found;
// the rep of one at home elsewhere is made once and kept, so that all of this node's users share
// it. A rep whose home is gone stays, and answers kNodeDead, until its place is needed.
//
// A bind whose outcome stays unknown leaves the object made and unbound; the next Make of that name
// takes it up again instead of making a second one.
//
// Locking: lock_ guards both tables. No object is called or made, and nothing waited for, under it.
#pragma once

#include <cstdint>
#include <string_view>

#include "global/cluster_view.h"
#include "global/names_client.h"
#include "global/object_classes.h"
#include "global/object_name.h"

namespace k42::global {

class ObjectDirectory {
 public:
  static constexpr std::uint32_t kMaxOwn = 256;
  static constexpr std::uint32_t kMaxImported = 256;

  ObjectDirectory(GlobalNode& node, NameClient& names) : node_(node), names_(names) {}

  // All wait (BlockExternal), at most until `deadline_ns`. Errors beside those of NameClient:
  // kInvalidArgument (name, class), kVersionMismatch (the class's digest), kLimitExceeded,
  // kNoMemory.

  // The object's reference on this node, and where its home is. kNotFound.
  Result<cobj::RefBits> Open(ObjectClass kind, std::string_view name, std::uint64_t deadline_ns,
                             LinkPeer* home = nullptr);
  // Opens it; if there is none, makes it, with this node as its home.
  Result<cobj::RefBits> OpenOrMake(ObjectClass kind, std::string_view name, std::uint64_t parameter,
                                   std::uint64_t deadline_ns);
  // kAlreadyExists: somebody has bound that name.
  Result<cobj::RefBits> Make(ObjectClass kind, std::string_view name, std::uint64_t parameter,
                             std::uint64_t deadline_ns);

  // -- wherever the home is: passed on to it --
  Result<std::uint64_t> Swap(ObjectClass kind, std::string_view name, std::uint64_t deadline_ns);
  Status Remove(ObjectClass kind, std::string_view name, std::uint64_t deadline_ns);

  // -- at home here (kNotFound if not) --
  Result<std::uint64_t> SwapHere(ObjectClass kind, std::string_view name,
                                 std::uint64_t deadline_ns);
  Status RemoveHere(ObjectClass kind, std::string_view name, std::uint64_t deadline_ns);

 private:
  struct Object {
    GlobalId id;
    cobj::RefBits bits = 0;  // 0: free
  };
  struct Own : Object {
    ObjectClass kind{};
    std::size_t name_size = 0;
    char name[kObjectNameMax];
  };

  Result<cobj::RefBits> Import(ObjectClass kind, LinkPeer home, GlobalId id);
  Own* FindOwnLocked(ObjectClass kind, std::string_view name) K42_REQUIRES(lock_);
  Result<GlobalId> OwnId(ObjectClass kind, std::string_view name);
  Result<GlobalId> MakeOwn(ObjectClass kind, std::string_view name, std::uint64_t parameter);
  void DropOwn(GlobalId id);
  Status FindBinding(ObjectClass kind, std::string_view name, std::uint64_t deadline_ns,
                     GlobalId* id, std::uint64_t* version);
  // `here` if this node is the object's home, else `there` with the home's host object and the
  // name.
  template <typename Here, typename There>
  auto AtHome(ObjectClass kind, std::string_view name, std::uint64_t deadline_ns, Here here,
              There there) -> decltype(here());

  GlobalNode& node_;
  NameClient& names_;
  ObjectClasses classes_;
  machine::SpinLock<LockRank::kRoot> lock_;
  Own own_[kMaxOwn] K42_GUARDED_BY(lock_);
  Object imported_[kMaxImported] K42_GUARDED_BY(lock_);
  std::uint32_t next_victim_ K42_GUARDED_BY(lock_) = 0;
};

}  // namespace k42::global
