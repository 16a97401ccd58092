#include "cluster-services/upgrade/module_record.h"

#include <elf.h>

#include <cstring>
#include <optional>
#include <string_view>

#include "abi/module.h"

namespace k42::upgrade {

namespace {

template <typename T>
std::optional<T> At(const std::string& file, std::uint64_t offset) {
  if (offset > file.size() || file.size() - offset < sizeof(T))
    return std::nullopt;
  T value;
  std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}

std::string_view NameAt(const std::string& file, const Elf64_Shdr& names, std::uint32_t offset) {
  if (names.sh_offset > file.size() || offset >= file.size() - names.sh_offset)
    return {};
  const char* name = file.data() + names.sh_offset + offset;
  return {name, strnlen(name, file.size() - names.sh_offset - offset)};
}

std::string Hex(const std::uint8_t* bytes, std::size_t size) {
  std::string hex;
  for (std::size_t i = 0; i < size; ++i) {
    hex += "0123456789abcdef"[bytes[i] >> 4];
    hex += "0123456789abcdef"[bytes[i] & 15];
  }
  return hex;
}

}  // namespace

Outcome<ModuleInfo> ReadModuleInfo(const std::string& file) {
  const auto header = At<Elf64_Ehdr>(file, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 || header->e_type != ET_REL ||
      header->e_machine != EM_X86_64 || header->e_shentsize != sizeof(Elf64_Shdr))
    return {Status::kCorrupt, "no relocatable file for x86-64"};
  const auto section = [&](std::uint32_t index) {
    return At<Elf64_Shdr>(file, header->e_shoff + std::uint64_t{index} * sizeof(Elf64_Shdr));
  };
  const auto names = section(header->e_shstrndx);
  for (std::uint32_t i = 0; names && i < header->e_shnum; ++i) {
    const auto one = section(i);
    if (!one || NameAt(file, *names, one->sh_name) != abi::kModuleSection)
      continue;
    const auto record = At<abi::ModuleRecord>(file, one->sh_offset);
    if (!record || one->sh_size != sizeof(abi::ModuleRecord) || record->magic != abi::kModuleMagic)
      break;
    const std::size_t length = strnlen(record->class_name, sizeof record->class_name);
    if (length == 0 || length == sizeof record->class_name)
      break;
    return ModuleInfo{std::string(record->class_name, length), record->from_version,
                      record->to_version, Hex(record->build_id, sizeof record->build_id)};
  }
  return {Status::kCorrupt,
          std::string("no record of a module (section ") + abi::kModuleSection + ") in the file"};
}

}  // namespace k42::upgrade
