// MayBlock, for those who deal with calls rather than with objects: cobj/may_block.h.
#pragma once

#include "cobj/may_block.h"

namespace k42::ipc {

using cobj::MayBlock;

}  // namespace k42::ipc
