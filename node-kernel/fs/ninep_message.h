// What the kernel's 9P client makes of replies. The bytes: abi/ninep_message.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "abi/ninep_message.h"
#include "base/result.h"
#include "fs/file.types.h"

namespace k42::fs::ninep {

using abi::ninep::kAttributesReply;
using abi::ninep::kBasicAttributes;
using abi::ninep::kHeaderSize;
using abi::ninep::kNoFid;
using abi::ninep::kNoTag;
using abi::ninep::kReadReplyHeader;
using abi::ninep::kWriteHeader;
using abi::ninep::Qid;
using abi::ninep::Reader;
using abi::ninep::Type;
using abi::ninep::Writer;

// -- contents of replies --------------------------------------------------------------------------

struct Attributes {
  Qid qid;
  FileKind kind;
  FileAttributes values;  // node and device are the caller's to fill
};

// Checks the header of a reply to `request` with `tag`: an error reply becomes its Status, anything
// else that is not the reply kCorrupt. `size`: bytes received, of which `bytes` are the front.
Status CheckReply(std::span<const std::byte> bytes, std::size_t size, Type request,
                  std::uint16_t tag);
Status ParseAttributes(std::span<const std::byte> reply, Attributes* attributes);
Status ParseInfo(std::span<const std::byte> reply, FileSystemInfo* info);

// One record of a directory listing, taken off the front of `data`.
struct DirectoryItem {
  Qid qid;
  std::uint64_t cookie;
  FileKind kind;
  std::string_view name;
};
Status ParseDirectoryItem(Reader& data, DirectoryItem* item);

// The protocol's numbers, which are those of the server's system.
Status StatusOfError(std::uint32_t number);
FileKind KindOfMode(std::uint32_t mode);
std::uint32_t ModeOfKind(FileKind kind);

}  // namespace k42::fs::ninep
