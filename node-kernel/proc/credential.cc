#include "proc/credential.h"

#include <algorithm>

namespace k42::proc {

bool MayBecome(const Credential& old, const Credential& wanted, bool groups_change) {
  if (wanted.group_count > kGroupsMax)
    return false;
  if (old.effective_user == 0)
    return true;
  const auto user_known = [&old](std::uint32_t user) {
    return user == old.user || user == old.effective_user || user == old.saved_user ||
           user == old.file_user;
  };
  const auto group_known = [&old](std::uint32_t group) {
    return group == old.group || group == old.effective_group || group == old.saved_group ||
           group == old.file_group;
  };
  return !groups_change && user_known(wanted.user) && user_known(wanted.effective_user) &&
         user_known(wanted.saved_user) && user_known(wanted.file_user) &&
         group_known(wanted.group) && group_known(wanted.effective_group) &&
         group_known(wanted.saved_group) && group_known(wanted.file_group);
}

bool IsInGroup(const Credential& credential, std::uint32_t group) {
  const std::uint32_t* const end = credential.groups + std::min(credential.group_count, kGroupsMax);
  return credential.file_group == group || std::find(credential.groups, end, group) != end;
}

}  // namespace k42::proc
