#include "machine/user_mode.h"

#include "platform/contract/user_hooks.h"

namespace k42::machine {

// Nothing traps: who plays user mode calls what would have been called.
void SetUserHooks(const UserHooks&) {}

}  // namespace k42::machine
