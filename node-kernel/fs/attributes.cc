#include "fs/attributes.h"

namespace k42::fs {
namespace {

constexpr std::uint32_t kTimes =
    kSetAccessTime | kSetModifyTime | kSetAccessTimeNow | kSetModifyTimeNow;
constexpr std::uint32_t kGroupExecute = 010;

Status CheckOwner(const Ownership& owned, AttributeChange& change, const Identity& who) {
  if (who.privileged()) {
    return Status::kOk;
  }
  const bool owner = who.user == owned.user;
  if ((change.mask & kSetMode) != 0) {
    if (!owner) {
      return Status::kNotOwner;
    }
    if (!who.InGroup((change.mask & kSetGroup) != 0 ? change.group : owned.group)) {
      change.mode &= ~kModeSetGroup;
    }
  }
  if ((change.mask & kSetUser) != 0 && (!owner || change.user != owned.user)) {
    return Status::kNotOwner;
  }
  if ((change.mask & kSetGroup) != 0 &&
      (!owner || (change.group != owned.group && !who.InGroup(change.group)))) {
    return Status::kNotOwner;
  }
  return Status::kOk;
}

// A time of one's own choosing needs ownership; "now" needs only write permission.
Status CheckTimes(const Node& node, const Ownership& owned, const AttributeChange& change,
                  const Identity& who) {
  if (who.privileged() || who.user == owned.user) {
    return Status::kOk;
  }
  if ((change.mask & kTimes) == (kSetAccessTimeNow | kSetModifyTimeNow)) {
    return Permits(who, owned, node.kind(), kAccessWrite) ? Status::kOk : Status::kPermissionDenied;
  }
  return Status::kNotOwner;
}

std::uint32_t WithoutPrivilege(std::uint32_t mode) {
  mode &= ~kModeSetUser;
  return (mode & kGroupExecute) != 0 ? mode & ~kModeSetGroup : mode;
}

}  // namespace

Status ChangeAttributes(Node& node, AttributeChange change, const Identity& who, bool may_resize) {
  const Ownership owned = node.ownership();
  TRY(CheckOwner(owned, change, who));
  if ((change.mask & kTimes) != 0) {
    TRY(CheckTimes(node, owned, change, who));
  }
  if ((change.mask & kSetSize) != 0) {
    if (node.kind() != FileKind::kRegular) {
      return node.kind() == FileKind::kDirectory ? Status::kIsDirectory : Status::kInvalidArgument;
    }
    if (!may_resize && !Permits(who, owned, node.kind(), kAccessWrite)) {
      return Status::kPermissionDenied;
    }
    if (change.size > who.file_size_limit) {
      return Status::kLimitExceeded;
    }
  }
  const bool new_owner = (change.mask & (kSetUser | kSetGroup)) != 0;
  if (node.kind() == FileKind::kRegular && (change.mask & kSetMode) == 0 &&
      ((new_owner && (owned.mode & 0111) != 0) ||
       ((change.mask & kSetSize) != 0 && !who.privileged()))) {
    const std::uint32_t mode = WithoutPrivilege(owned.mode);
    if (mode != owned.mode) {
      change.mask |= kSetMode;
      change.mode = mode;
    }
  }
  change.mode &= kModeAll;
  return change.mask == 0 ? Status::kOk : node.SetAttributes(change);
}

Status DropPrivilegeBits(Node& node, const Identity& who) {
  const Ownership owned = node.ownership();
  if (who.privileged() || (owned.mode & (kModeSetUser | kModeSetGroup)) == 0) {
    return Status::kOk;
  }
  const std::uint32_t mode = WithoutPrivilege(owned.mode);
  if (mode == owned.mode) {
    return Status::kOk;
  }
  AttributeChange change{};
  change.mask = kSetMode;
  change.mode = mode;
  return node.SetAttributes(change);
}

}  // namespace k42::fs
