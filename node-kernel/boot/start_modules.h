// Start list: classes that can be upgraded in the running kernel, and where modules lie.
#pragma once

#include "cobj/upgrader.h"

namespace k42::boot {

// After StartObjects; before any class is registered.
void StartModules();

// Parts of the kernel register their upgradable classes here when they start.
cobj::Upgrader& TheUpgrader();

}  // namespace k42::boot
