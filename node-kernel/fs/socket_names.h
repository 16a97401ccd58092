// The names of local sockets in the tree: what io asks for when a socket is bound or called by
// path.
#pragma once

#include "fs/name_tree.h"
#include "io/socket_services.h"

namespace k42::fs {

class SocketNames final : public io::LocalNames {
 public:
  explicit constexpr SocketNames(NameTree& tree) : tree_(tree) {}

  Result<io::SocketName*> Make(const cobj::CallContext& caller, cobj::Ref<IOpenFile> directory,
                               std::string_view path, std::uint32_t mode) override;
  // Calling needs write permission on the name.
  Result<io::SocketName*> Find(const cobj::CallContext& caller, cobj::Ref<IOpenFile> directory,
                               std::string_view path) override;

 private:
  NameTree& tree_;
};

}  // namespace k42::fs
