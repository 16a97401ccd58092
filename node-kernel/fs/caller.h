// From a call to who makes it: the Identity of the calling task, out of the kernel's own records.
#pragma once

#include "cobj/call_context.h"
#include "fs/identity.h"

namespace k42::fs {

// Supplied by boot/ from the process layer. `real`: the real user and group count, not those that
// are in force for files.
using IdentitySource = Status (*)(const cobj::CallContext& caller, bool real, Identity* identity);
void SetIdentitySource(IdentitySource source);

// The kernel's own calls, and all calls before a source is set, are user 0's.
Status IdentityOf(const cobj::CallContext& caller, Identity* identity, bool real = false);

}  // namespace k42::fs
