#include "cluster-services/dump/guest_ram.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

namespace k42::dump {
namespace {

namespace fs = std::filesystem;
using interconnect::UniqueFd;

bool Hex(std::string_view text, std::uint64_t* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number, 16);
  return error == std::errc() && end == text.data() + text.size();
}

// Calls visit for each line.
template <typename Visitor>
void ForEachLine(std::string_view text, Visitor visit) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    visit(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

// `Host virtual address for 0x0 (ram) is 0x7f0123456789`
Outcome<std::uint64_t> HostAddress(QemuMonitor& monitor, std::uint64_t guest) {
  std::ostringstream command;
  command << "gpa2hva 0x" << std::hex << guest;
  const Outcome<std::string> text = monitor.Human(command.str());
  if (!text.ok())
    return Outcome<std::uint64_t>::From(text);
  const std::size_t at = text->rfind("is 0x");
  std::uint64_t address = 0;
  if (at == text->npos ||
      std::from_chars(text->data() + at + 5, text->data() + text->size(), address, 16).ec !=
          std::errc())
    return {Status::kCorrupt, "QEMU does not say where the node's memory is: " + text.value()};
  return address;
}

// The descriptors of the process by the inode of what they are, memory files only.
std::map<std::uint64_t, fs::path> MemoryFiles(const fs::path& process) {
  std::map<std::uint64_t, fs::path> files;
  std::error_code error;
  for (const fs::directory_entry& entry : fs::directory_iterator(process / "fd", error)) {
    std::error_code gone;
    struct stat status {};
    if (fs::read_symlink(entry.path(), gone).string().starts_with("/memfd:") &&
        stat(entry.path().c_str(), &status) == 0)
      files[status.st_ino] = entry.path();
  }
  return files;
}

std::string ReadAll(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

std::vector<RamPiece> ParseMemoryTree(std::string_view text) {
  // A view starts with `FlatView #N`, the address spaces that have it, and its root; then lines
  // like
  //   0000000000000000-000000000009ffff (prio 0, ram): ram @0000000000000000 KVM
  // Read-only memory is RAM as well: the firmware's shadows lie in it.
  std::vector<RamPiece> pieces;
  bool system = false;
  ForEachLine(text, [&](std::string_view line) {
    if (line.starts_with("FlatView"))
      system = false;
    if (line.find("AS \"memory\"") != line.npos)
      system = true;
    while (line.starts_with(' ')) line.remove_prefix(1);
    const std::size_t dash = line.find('-'), space = line.find(' ');
    RamPiece piece{};
    std::uint64_t last = 0;
    if (!system || dash == line.npos || space == line.npos || space < dash ||
        !Hex(line.substr(0, dash), &piece.address) ||
        !Hex(line.substr(dash + 1, space - dash - 1), &last) || last < piece.address)
      return;
    const std::string_view kind = line.substr(space, line.find(':') - space);
    if (!kind.ends_with(", ram)") && !kind.ends_with(", rom)"))
      return;
    piece.size = last - piece.address + 1;
    pieces.push_back(piece);
  });
  return pieces;
}

std::vector<HostMapping> ParseMaps(std::string_view text) {
  std::vector<HostMapping> mappings;
  ForEachLine(text, [&](std::string_view line) {
    // begin-end rights offset device inode name
    std::istringstream words{std::string(line)};
    std::string range, rights, offset, device;
    HostMapping one{};
    if (!(words >> range >> rights >> offset >> device >> one.inode))
      return;
    const std::size_t dash = range.find('-');
    if (dash != range.npos && Hex(std::string_view(range).substr(0, dash), &one.begin) &&
        Hex(std::string_view(range).substr(dash + 1), &one.end) && Hex(offset, &one.offset))
      mappings.push_back(one);
  });
  return mappings;
}

Outcome<Done> FindGuestRam(QemuMonitor& monitor, interconnect::GuestMemory* memory) {
  const Outcome<std::string> tree = monitor.Human("info mtree -f");
  if (!tree.ok())
    return Outcome<Done>::From(tree);
  const std::vector<RamPiece> pieces = ParseMemoryTree(tree.value());
  if (pieces.empty())
    return {Status::kCorrupt, "QEMU shows no memory of the node"};
  const fs::path process = fs::path("/proc") / std::to_string(monitor.process());
  const std::vector<HostMapping> mappings = ParseMaps(ReadAll(process / "maps"));
  const std::map<std::uint64_t, fs::path> files = MemoryFiles(process);
  for (const RamPiece& piece : pieces) {
    const Outcome<std::uint64_t> host = HostAddress(monitor, piece.address);
    if (!host.ok())
      return Outcome<Done>::From(host);
    const auto mapping = std::find_if(mappings.begin(), mappings.end(), [&](const HostMapping& m) {
      return m.begin <= host.value() && host.value() < m.end;
    });
    const auto file = mapping == mappings.end() ? files.end() : files.find(mapping->inode);
    const bool own = file != files.end();
    const fs::path path = own ? file->second : process / "mem";
    UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd)
      return {Status::kPermissionDenied,
              "the node's memory, " + path.string() + ": " + std::strerror(errno)};
    memory->Add(piece.address, piece.size, std::move(fd),
                own ? mapping->offset + (host.value() - mapping->begin) : host.value());
  }
  return Done{};
}

}  // namespace k42::dump
