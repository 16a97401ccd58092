// Frames of a hosted test are the kernel's: the host is an x86-64 as well.
#pragma once

#include "platform/x86_64/kernel/machine/trap_frame.h"  // IWYU pragma: export
