// Who may change what about a file; one rule for names and open files.
#pragma once

#include "fs/node.h"

namespace k42::fs {

// `may_resize`: write permission was shown already (an open file's right).
Status ChangeAttributes(Node& node, AttributeChange change, const Identity& who, bool may_resize);

// Contents are about to change on behalf of `who`: set-user and set-group bits go, except for user
// 0.
Status DropPrivilegeBits(Node& node, const Identity& who);

}  // namespace k42::fs
