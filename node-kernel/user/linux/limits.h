#pragma once

namespace k42::personality {

// The limits that are minded here, and not by the kernel, are from now on what it says they are:
// they have been changed, by us or by another process.
void ObeyLimits();

}  // namespace k42::personality
