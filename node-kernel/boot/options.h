// The boot options that some part of the kernel reads (README.md says what each does).
#pragma once

namespace k42::boot {

// Names each word of the command line, up to ` -- `, that no part of the kernel reads or whose
// value makes no sense; if there is one the machine powers off with ExitCode::kBadOption. A node
// that starts with half of what it was told does harm where nobody looks for it.
void RefuseBadOptions();

}  // namespace k42::boot
