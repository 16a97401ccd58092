// libFuzzer: replies of a hostile 9P server.
#include <cstddef>
#include <cstdint>
#include <span>

#include "fs/ninep_message.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k42;
  using namespace k42::fs::ninep;
  const auto bytes = std::as_bytes(std::span(data, size));
  (void)CheckReply(bytes, size, Type::kRead, 1);
  Attributes attributes;
  (void)ParseAttributes(bytes, &attributes);
  fs::FileSystemInfo info;
  (void)ParseInfo(bytes, &info);
  Reader reader(bytes);
  DirectoryItem item;
  while (!reader.at_end() && IsOk(ParseDirectoryItem(reader, &item))) {
  }
  return 0;
}
