// Why the lock of a task is held for longer than a few instructions: what is done under it at most.
// Whatever grows with the number of tasks, children, waiters or listeners is done in pieces.
#pragma once

#include "platform/contract/hold_reason.h"

namespace k42::proc {

inline constexpr machine::HoldReason kRecordHold{
    1000, "one task's record is copied: a credential of 64 groups, 16 limits"};
inline constexpr machine::HoldReason kSignalHold{
    4000, "32 queued signals are looked at, and 64 dispatchers of a process told"};
inline constexpr machine::HoldReason kDispatchersHold{
    4000, "64 dispatchers of a process get another share of the processors"};
inline constexpr machine::HoldReason kChildrenHold{1000, "16 children are looked at"};
inline constexpr machine::HoldReason kListenersHold{500, "16 listeners are marked"};

}  // namespace k42::proc
