// Process: its handles.
#include "proc/process.h"

namespace k42::proc {

Status Process::CloseHandle(abi::Handle which) {
  return handles_.Close(which);
}

Result<abi::Handle> Process::DuplicateHandle(abi::Handle which, std::uint32_t rights) {
  return handles_.Duplicate(which, rights);
}

Result<std::uint32_t> Process::QueryHandle(abi::Handle which) {
  cobj::ObjectRef object;
  TRY(handles_.Resolve(which, &object));
  return object.rights;
}

Result<std::int32_t> Process::CompareHandles(abi::Handle first, abi::Handle second) {
  cobj::ObjectRef a, b;
  TRY(handles_.Resolve(first, &a));
  TRY(handles_.Resolve(second, &b));
  return a.ref == b.ref ? 0 : a.ref < b.ref ? -1 : 1;
}

}  // namespace k42::proc
