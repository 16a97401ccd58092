#include "cobj/module_image.h"

#include <cstring>
#include <string_view>

namespace k42::cobj {

// ELF64, as the System V ABI (AMD64 supplement, chapter 4) defines it.
namespace {
struct FileHeader {
  std::uint8_t ident[16];
  std::uint16_t type, machine;
  std::uint32_t version;
  std::uint64_t entry, program_offset, section_offset;
  std::uint32_t flags;
  std::uint16_t header_size, program_entry, program_count, section_entry, section_count, names;
};
static_assert(sizeof(FileHeader) == 64);

constexpr std::uint16_t kRelocatable = 1;
constexpr std::uint16_t kAmd64 = 62;
constexpr std::uint32_t kSymbolTable = 2, kRelocationsWithAddend = 4, kNoBits = 8, kRelocations = 9;
constexpr std::uint64_t kWrite = 1, kAllocated = 2, kExecutable = 4, kThreadLocal = 0x400;
constexpr std::uint16_t kUndefinedSection = 0, kAbsolute = 0xfff1;
constexpr std::uint32_t kR64 = 1, kRPc32 = 2, kRPlt32 = 4, kRGotPcRel = 9, kR32Signed = 11,
                        kRPc64 = 24, kRGotPcRelX = 41, kRRexGotPcRelX = 42;
constexpr std::uint64_t kPage = 4096;

constexpr std::uint64_t Align(std::uint64_t value, std::uint64_t to) {
  return (value + to - 1) & ~(to - 1);
}
constexpr bool IsGot(std::uint32_t type) {
  return type == kRGotPcRel || type == kRGotPcRelX || type == kRRexGotPcRelX;
}
constexpr std::uint64_t WidthOf(std::uint32_t type) {
  return type == kR64 || type == kRPc64 ? 8 : 4;
}
constexpr bool FitsSigned32(std::int64_t value) {
  return value == static_cast<std::int32_t>(value);
}
}  // namespace

struct ModuleImage::SectionHeader {
  std::uint32_t name, type;
  std::uint64_t flags, address, offset, size;
  std::uint32_t link, info;
  std::uint64_t alignment, entry_size;
};

struct ModuleImage::Symbol {
  std::uint32_t name;
  std::uint8_t info, other;
  std::uint16_t section;
  std::uint64_t value, size;
};

struct ModuleImage::Relocation {
  std::uint64_t offset, info;
  std::int64_t addend;
  std::uint32_t type() const { return static_cast<std::uint32_t>(info); }
  std::uint32_t symbol() const { return static_cast<std::uint32_t>(info >> 32); }
};

template <typename T>
const T* ModuleImage::At(std::uint64_t offset, std::uint64_t count) const {
  if (offset % alignof(T) != 0 || offset > file_.size() ||
      count > (file_.size() - offset) / sizeof(T))
    return nullptr;
  return reinterpret_cast<const T*>(file_.data() + offset);
}

const ModuleImage::SectionHeader& ModuleImage::Section(std::uint32_t index) const {
  return *At<SectionHeader>(section_offset_ + index * sizeof(SectionHeader));
}

Result<const ModuleLayout*> ModuleImage::Inspect() {
  if (file_.size() > abi::kModuleFileLimit)
    return Status::kLimitExceeded;
  const auto* header = At<FileHeader>(0);
  constexpr std::uint8_t kIdent[] = {0x7f, 'E', 'L', 'F', 2, 1, 1};
  if (header == nullptr || std::memcmp(header->ident, kIdent, sizeof kIdent) != 0)
    return Status::kCorrupt;
  if (header->type != kRelocatable || header->machine != kAmd64)
    return Status::kNotSupported;
  section_count_ = header->section_count;
  section_offset_ = header->section_offset;
  if (header->section_entry != sizeof(SectionHeader) || section_count_ == 0 ||
      At<SectionHeader>(section_offset_, section_count_) == nullptr)
    return Status::kCorrupt;
  if (section_count_ > kMaxSections)
    return Status::kLimitExceeded;
  TRY(CheckSections());
  TRY(CheckSymbols());
  for (std::uint32_t i = 0; i < section_count_; i++) TRY(CheckRelocations(i));
  TRY(ReadRecord());
  LayOut();
  return &layout_;
}

Status ModuleImage::CheckSections() {
  for (std::uint32_t i = 0; i < section_count_; i++) {
    const SectionHeader& section = Section(i);
    bool in_file =
        section.type == kNoBits || At<std::byte>(section.offset, section.size) != nullptr;
    // The limit keeps every sum of sizes far from wrapping.
    if (!in_file || section.size > abi::kModuleFileLimit)
      return Status::kCorrupt;
    if (section.type == kRelocations || (section.flags & kThreadLocal) != 0)
      return Status::kNotSupported;
    if (section.alignment > kPage || (section.alignment & (section.alignment - 1)) != 0)
      return Status::kCorrupt;
    bool writable_code = (section.flags & kWrite) != 0 && (section.flags & kExecutable) != 0;
    if ((section.flags & kAllocated) != 0 && writable_code)
      return Status::kNotSupported;
    if (section.type == kSymbolTable) {
      if (symbol_section_ != 0)
        return Status::kCorrupt;
      symbol_section_ = i;
    }
  }
  return symbol_section_ != 0 ? Status::kOk : Status::kCorrupt;
}

Status ModuleImage::CheckSymbols() {
  const SectionHeader& table = Section(symbol_section_);
  symbol_count_ = static_cast<std::uint32_t>(table.size / sizeof(Symbol));
  const Symbol* symbols = At<Symbol>(table.offset, symbol_count_);
  if (symbols == nullptr || table.link >= section_count_)
    return Status::kCorrupt;
  for (std::uint32_t i = 0; i < symbol_count_; i++) {
    const Symbol& symbol = symbols[i];
    TRY(StringAt(table.link, symbol.name));
    if (symbol.section == kUndefinedSection || symbol.section == kAbsolute)
      continue;
    if (symbol.section >= section_count_)
      return Status::kNotSupported;  // common symbols and the like
    if (symbol.value > Section(symbol.section).size)
      return Status::kCorrupt;
  }
  return Status::kOk;
}

Status ModuleImage::CheckRelocations(std::uint32_t index) {
  const SectionHeader& section = Section(index);
  if (section.type != kRelocationsWithAddend)
    return Status::kOk;
  std::uint64_t count = section.size / sizeof(Relocation);
  const Relocation* relocations = At<Relocation>(section.offset, count);
  if (relocations == nullptr || section.info >= section_count_)
    return Status::kCorrupt;
  const SectionHeader& target = Section(section.info);
  if ((target.flags & kAllocated) == 0)
    return Status::kOk;  // debug information: never loaded
  if (section.link != symbol_section_ || target.type == kNoBits)
    return Status::kCorrupt;
  for (std::uint64_t i = 0; i < count; i++) {
    const Relocation& relocation = relocations[i];
    std::uint32_t type = relocation.type();
    bool known = type == kR64 || type == kRPc32 || type == kRPlt32 || type == kR32Signed ||
                 type == kRPc64 || IsGot(type);
    if (!known)
      return Status::kNotSupported;
    if (relocation.symbol() >= symbol_count_ || target.size < WidthOf(type) ||
        relocation.offset > target.size - WidthOf(type))
      return Status::kCorrupt;
    if (IsGot(type))
      got_wanted_++;
  }
  return got_wanted_ <= kMaxGotEntries ? Status::kOk : Status::kLimitExceeded;
}

Result<std::span<const char>> ModuleImage::StringAt(std::uint32_t section,
                                                    std::uint32_t offset) const {
  const SectionHeader& strings = Section(section);
  if (strings.type == kNoBits || offset >= strings.size)
    return Status::kCorrupt;
  const char* text = reinterpret_cast<const char*>(file_.data() + strings.offset + offset);
  const void* end = std::memchr(text, 0, strings.size - offset);
  if (end == nullptr)
    return Status::kCorrupt;
  return std::span<const char>(text, static_cast<const char*>(end));
}

Status ModuleImage::ReadRecord() {
  std::uint32_t names = At<FileHeader>(0)->names;
  if (names >= section_count_)
    return Status::kCorrupt;
  for (std::uint32_t i = 1; i < section_count_; i++) {
    auto name = TRY(StringAt(names, Section(i).name));
    if (name.size() != sizeof abi::kModuleSection - 1 ||
        std::memcmp(name.data(), abi::kModuleSection, name.size()) != 0)
      continue;
    const SectionHeader& section = Section(i);
    if (layout_.record_section != 0 || section.size != sizeof(abi::ModuleRecord) ||
        section.type == kNoBits || (section.flags & kAllocated) == 0)
      return Status::kCorrupt;
    layout_.record_section = i;
    std::memcpy(&layout_.record, file_.data() + section.offset, sizeof layout_.record);
  }
  const abi::ModuleRecord& record = layout_.record;
  if (layout_.record_section == 0 || record.magic != abi::kModuleMagic)
    return Status::kCorrupt;
  bool terminated = std::memchr(record.class_name, 0, sizeof record.class_name) != nullptr;
  return terminated && record.class_name[0] != 0 ? Status::kOk : Status::kCorrupt;
}

bool ModuleImage::StaysWritable(std::uint32_t index) const {
  const SectionHeader& section = Section(index);
  if ((section.flags & kWrite) == 0 || index == layout_.record_section)
    return false;
  // Tables of addresses (of virtual functions): written by relocation only.
  constexpr std::string_view kRelocatedConstants = ".data.rel.ro";
  const auto name = StringAt(At<FileHeader>(0)->names, section.name);
  return !name.ok() ||
         std::string_view(name.value().data(), name.value().size()) != kRelocatedConstants;
}

void ModuleImage::LayOut() {
  std::uint64_t at = 0;
  auto place = [&](bool executable, bool writable) {
    std::uint64_t begin = at;
    for (std::uint32_t i = 1; i < section_count_; i++) {
      const SectionHeader& section = Section(i);
      bool here = (section.flags & kAllocated) != 0 &&
                  ((section.flags & kExecutable) != 0) == executable &&
                  StaysWritable(i) == writable;
      if (!here)
        continue;
      at = Align(at, section.alignment == 0 ? 1 : section.alignment);
      place_[i] = at;
      at += section.size;
    }
    // The table of addresses that position-independent code loads from ends the read-only part.
    if (!executable && !writable) {
      at = Align(at, 8);
      got_place_ = at;
      at += got_wanted_ * 8;
    }
    at = Align(at, kPage);
    return at - begin;
  };
  layout_.code_size = place(true, false);
  layout_.read_only_size = place(false, false);
  layout_.writable_size = place(false, true);
}

Result<std::uint64_t> ModuleImage::AddressOf(std::uint32_t index, std::uint64_t base,
                                             SymbolResolver& resolver) {
  const SectionHeader& table = Section(symbol_section_);
  const Symbol& symbol = At<Symbol>(table.offset, symbol_count_)[index];
  if (symbol.section == kAbsolute)
    return symbol.value;
  if (symbol.section != kUndefinedSection) {
    if ((Section(symbol.section).flags & kAllocated) == 0)
      return Status::kNotSupported;
    return base + place_[symbol.section] + symbol.value;
  }
  auto name = TRY(StringAt(table.link, symbol.name));
  auto found = resolver.Find(name);
  if (!found.ok())
    missing_symbol_ = name;
  return found;
}

Result<std::uint64_t> ModuleImage::GotSlot(std::uint32_t symbol, std::span<std::byte> memory,
                                           std::uint64_t base, SymbolResolver& resolver) {
  for (std::uint32_t i = 0; i < got_count_; i++)
    if (got_symbol_[i] == symbol)
      return base + got_place_ + i * 8;
  std::uint64_t address = TRY(AddressOf(symbol, base, resolver));
  got_symbol_[got_count_] = symbol;
  std::memcpy(memory.data() + got_place_ + got_count_ * 8, &address, 8);
  return base + got_place_ + got_count_++ * 8;
}

Status ModuleImage::Relocate(std::uint32_t index, std::span<std::byte> memory, std::uint64_t base,
                             SymbolResolver& resolver) {
  const SectionHeader& section = Section(index);
  if (section.type != kRelocationsWithAddend || (Section(section.info).flags & kAllocated) == 0)
    return Status::kOk;
  std::uint64_t count = section.size / sizeof(Relocation);
  const Relocation* relocations = At<Relocation>(section.offset, count);
  for (std::uint64_t i = 0; i < count; i++) {
    const Relocation& relocation = relocations[i];
    std::uint32_t type = relocation.type();
    std::uint64_t at = place_[section.info] + relocation.offset;
    std::uint64_t target = IsGot(type) ? TRY(GotSlot(relocation.symbol(), memory, base, resolver))
                                       : TRY(AddressOf(relocation.symbol(), base, resolver));
    std::uint64_t value = target + static_cast<std::uint64_t>(relocation.addend);
    if (type != kR64 && type != kR32Signed)
      value -= base + at;
    if (WidthOf(type) == 4 && !FitsSigned32(static_cast<std::int64_t>(value)))
      return Status::kOutOfRange;
    std::memcpy(memory.data() + at, &value, WidthOf(type));
  }
  return Status::kOk;
}

Result<std::uint64_t> ModuleImage::Load(std::span<std::byte> memory, std::uint64_t address,
                                        SymbolResolver& resolver) {
  if (memory.size() < layout_.TotalSize() || address % kPage != 0 || layout_.record_section == 0)
    return Status::kInvalidArgument;
  got_count_ = 0;
  std::memset(memory.data(), 0, layout_.TotalSize());
  for (std::uint32_t i = 1; i < section_count_; i++) {
    const SectionHeader& section = Section(i);
    if ((section.flags & kAllocated) != 0 && section.type != kNoBits)
      std::memcpy(memory.data() + place_[i], file_.data() + section.offset, section.size);
  }
  for (std::uint32_t i = 1; i < section_count_; i++) TRY(Relocate(i, memory, address, resolver));
  std::uint64_t entry;
  std::memcpy(&entry,
              memory.data() + place_[layout_.record_section] + offsetof(abi::ModuleRecord, entry),
              sizeof entry);
  if (entry < address || entry >= address + layout_.code_size)
    return Status::kCorrupt;
  return entry;
}

}  // namespace k42::cobj
