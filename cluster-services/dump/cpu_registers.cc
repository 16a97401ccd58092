#include "cluster-services/dump/cpu_registers.h"

#include <charconv>
#include <string>

namespace k42::dump {
namespace {

// The hexadecimal number at the start of `text`, behind which `text` begins afterwards.
bool TakeHex(std::string_view& text, std::uint64_t* number) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, 16);
  if (error != std::errc())
    return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

// Behind `NAME =` or `NAME=` as a word of its own; empty: it is not there. 32-bit CPUs say EAX.
std::string_view Behind(std::string_view text, std::string_view name) {
  for (std::size_t at = text.find(name); at != text.npos; at = text.find(name, at + 1)) {
    std::string_view rest = text.substr(at + name.size());
    if (at != 0 && text[at - 1] != ' ' && text[at - 1] != '\n')
      continue;
    while (rest.starts_with(' ')) rest.remove_prefix(1);
    if (rest.starts_with('='))
      return rest.substr(1);
  }
  return {};
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  void Number(std::string_view name, std::uint64_t* to) {
    std::string_view rest = Behind(text_, name);
    ok_ = TakeHex(rest, to) && ok_;
  }
  // `CS =0008 0000000000000000 ffffffff 00af9b00`: selector, base and so on.
  void Segment(std::string_view name, std::uint16_t* selector, std::uint64_t* base) {
    std::string_view rest = Behind(text_, name);
    std::uint64_t number = 0, ignored = 0;
    ok_ = TakeHex(rest, &number) && TakeHex(rest, base != nullptr ? base : &ignored) && ok_;
    *selector = static_cast<std::uint16_t>(number);
  }
  bool ok() const { return ok_; }

 private:
  std::string_view text_;
  bool ok_ = true;
};

bool ParseOne(std::string_view text, CpuRegisters* to) {
  CpuRegisters& r = *to;
  Reader reader(text);
  reader.Number("CR0", &r.cr0);
  reader.Number("CR3", &r.cr3);
  reader.Number("EFER", &r.efer);
  if (!reader.ok())
    return false;
  // In 16 and 32-bit code, before the kernel: general registers have other names, and are of no
  // use.
  if (Behind(text, "RAX").empty())
    return true;
  const std::pair<std::string_view, std::uint64_t*> numbers[] = {
      {"RAX", &r.rax}, {"RBX", &r.rbx}, {"RCX", &r.rcx},   {"RDX", &r.rdx}, {"RSI", &r.rsi},
      {"RDI", &r.rdi}, {"RBP", &r.rbp}, {"RSP", &r.rsp},   {"R8", &r.r8},   {"R9", &r.r9},
      {"R10", &r.r10}, {"R11", &r.r11}, {"R12", &r.r12},   {"R13", &r.r13}, {"R14", &r.r14},
      {"R15", &r.r15}, {"RIP", &r.rip}, {"RFL", &r.rflags}};
  for (const auto& [name, number] : numbers) reader.Number(name, number);
  reader.Segment("CS", &r.cs, nullptr);
  reader.Segment("SS", &r.ss, nullptr);
  reader.Segment("DS", &r.ds, nullptr);
  reader.Segment("ES", &r.es, nullptr);
  reader.Segment("FS", &r.fs, &r.fs_base);
  reader.Segment("GS", &r.gs, &r.gs_base);
  return reader.ok();
}

}  // namespace

Outcome<std::vector<CpuRegisters>> ParseRegisters(std::string_view text) {
  constexpr std::string_view kMark = "CPU#";
  std::vector<CpuRegisters> cpus;
  for (std::size_t at = text.find(kMark); at != text.npos;) {
    const std::size_t next = text.find(kMark, at + kMark.size());
    CpuRegisters one;
    if (!ParseOne(text.substr(at, next == text.npos ? next : next - at), &one))
      return {Status::kCorrupt,
              "QEMU shows registers of CPU " + std::to_string(cpus.size()) + " in an unknown way"};
    cpus.push_back(one);
    at = next;
  }
  if (cpus.empty())
    return {Status::kCorrupt, "QEMU shows no CPU's registers"};
  return cpus;
}

}  // namespace k42::dump
