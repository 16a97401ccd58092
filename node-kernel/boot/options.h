// The boot options that some part of the kernel reads (README.md says what each does).
#pragma once

namespace k42::boot {

// Logs the words of the command line, up to ` -- `, that no part of the kernel reads.
void ReportUnknownOptions();

}  // namespace k42::boot
