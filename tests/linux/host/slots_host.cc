// The seam over the host's Linux: files in the process's own memory. Files are the host's: it
// serves them all.
#include "user/linux/kernel.h"

namespace k42::personality::kernel {

Result<Handle> MakeFileSlots(abi::FileSlots**) {
  return Status::kNotSupported;
}
Result<char*> MapFileWindows(Handle) {
  return Status::kNotSupported;
}
Result<Handle> OpenInSlot(Handle, const Path&, std::uint32_t, std::uint32_t, std::uint32_t) {
  return Status::kNotSupported;
}
Status CheckAgain(const Path&, Handle, std::uint32_t) {
  return Status::kNotSupported;
}
Status UseSlot(Handle, Handle, std::uint32_t, std::uint32_t) {
  return Status::kNotSupported;
}

}  // namespace k42::personality::kernel
