// Who may do what to whom: rules over proc::Credential, nothing else. Effective user 0 may do
// everything.
#pragma once

#include <cstdint>

#include "proc/process.types.h"

namespace k42::proc {

// May `sender` signal a task of `target`? kSignalContinue is allowed within a session, too.
constexpr bool MaySignal(const Credential& sender, const Credential& target) {
  return sender.effective_user == 0 || sender.user == target.user ||
         sender.user == target.saved_user || sender.effective_user == target.user ||
         sender.effective_user == target.saved_user;
}

// May it look into its memory, or change its limits and schedule?
constexpr bool MayControl(const Credential& caller, const Credential& target) {
  return caller.effective_user == 0 ||
         (caller.user == target.user && caller.user == target.saved_user &&
          caller.user == target.effective_user && caller.group == target.group &&
          caller.group == target.saved_group);
}

// May a task go from `old` to `wanted`? Each user number must be one of the old real, effective and
// saved ones, each group number likewise, and the list of groups must stay.
bool MayBecome(const Credential& old, const Credential& wanted, bool groups_change);

bool IsInGroup(const Credential& credential, std::uint32_t group);

}  // namespace k42::proc
