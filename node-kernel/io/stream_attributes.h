// What stat says about streams, named or not.
#pragma once

#include "fs/file.types.h"
#include "fs/identity.h"
#include "fs/node.h"

namespace k42::io {

// Attributes of a stream without a name. Its number is unique on the node.
struct StreamIdentity {
  fs::FileKind kind;
  std::uint64_t number;
  std::uint32_t user;
  std::uint32_t group;
  std::int64_t birth_ns;
};
StreamIdentity NewStreamIdentity(fs::FileKind kind, const fs::Identity& who);
void FillAttributes(const StreamIdentity& identity, fs::FileAttributes* attributes);
void FillFileSystem(const StreamIdentity& identity, fs::FileSystemInfo* info);

// A stream that a file system names answers with its node's attributes.
Status NodeAttributes(fs::Node& node, fs::FileAttributes* attributes);

}  // namespace k42::io
