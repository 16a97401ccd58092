// A tree of names for sockets in which nobody has one.
#pragma once

#include "io/socket_services.h"

namespace k42::io {

class NoNames final : public LocalNames {
  Result<SocketName*> Make(const cobj::CallContext&, cobj::Ref<fs::IOpenFile>, std::string_view,
                           std::uint32_t) override {
    return Status::kNotSupported;
  }
  Result<SocketName*> Find(const cobj::CallContext&, cobj::Ref<fs::IOpenFile>,
                           std::string_view) override {
    return Status::kNotFound;
  }
};

}  // namespace k42::io
