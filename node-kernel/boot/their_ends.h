// The program's ends of its streams, as if they had handles: what the program does not take over,
// or no longer holds, ends with this.
#pragma once

#include <cstdint>
#include <span>

#include "cobj/interface_info.h"
#include "cobj/ref.h"
#include "fs/open_file.dispatch.h"
#include "fs/open_file.idl.h"

namespace k42::boot {

class TheirEnds {
 public:
  static constexpr std::uint32_t kMost = 3;

  TheirEnds() = default;
  ~TheirEnds() {
    for (std::uint32_t i = 0; i < count_; ++i) (void)files_[i]->HandleDropped();
  }
  TheirEnds(const TheirEnds&) = delete;
  TheirEnds& operator=(const TheirEnds&) = delete;
  void Add(const cobj::Granted<fs::IOpenFile>& end) {
    (void)end.ref->HandleAdded();
    streams_[count_] = {end.ref.bits(), end.rights, &fs::kOpenFileInfo};
    files_[count_++] = end.ref;
  }
  std::span<const cobj::ObjectRef> streams() const { return {streams_, count_}; }

 private:
  cobj::Ref<fs::IOpenFile> files_[kMost];
  cobj::ObjectRef streams_[kMost];
  std::uint32_t count_ = 0;
};

}  // namespace k42::boot
