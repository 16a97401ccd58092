#include "interconnect/arena_holders.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <optional>
#include <sstream>
#include <string>

#include "base/load_once.h"
#include "interconnect/unique_fd.h"

namespace k42::interconnect {
namespace {

// A whole file of that process in /proc. Its errno, 0: none.
int ReadOf(std::uint32_t process, const char* name, std::string* text) {
  const std::string path = "/proc/" + std::to_string(process) + "/" + name;
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file)
    return errno;
  char piece[4096];
  for (;;) {
    const ssize_t size = read(file.get(), piece, sizeof piece);
    if (size == 0)
      return 0;
    if (size > 0)
      text->append(piece, static_cast<std::size_t>(size));
    else if (errno != EINTR)
      return errno;
  }
}

// 0: there is no such process any more, or only its remains. Nothing: that could not be looked at.
std::optional<std::uint64_t> StartOf(std::uint32_t process) {
  std::string line;
  if (const int error = ReadOf(process, "stat", &line); error != 0)
    return error == ENOENT || error == ESRCH ? std::optional<std::uint64_t>(0) : std::nullopt;
  const std::size_t name_end = line.rfind(')');
  if (name_end == line.npos)
    return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  std::string field;
  constexpr int kStateField = 3, kStartField = 22;  // as proc(5) counts them
  for (int i = kStateField; fields >> field; ++i) {
    if (i == kStateField && (field == "Z" || field == "X"))
      return 0;
    if (i == kStartField)
      return std::stoull(field);
  }
  return std::nullopt;
}

// Is the file behind `fd` mapped there? Who cannot be looked into may have it.
bool Maps(std::uint32_t process, int fd) {
  struct stat file {};
  if (fstat(fd, &file) != 0)
    return true;
  std::string text;
  if (ReadOf(process, "maps", &text) != 0)
    return true;
  std::istringstream maps(text);
  for (std::string line; std::getline(maps, line);) {
    unsigned int major_number = 0, minor_number = 0;
    std::uint64_t inode = 0;
    if (std::sscanf(line.c_str(), "%*s %*s %*s %x:%x %" SCNu64, &major_number, &minor_number,
                    &inode) == 3 &&
        inode == file.st_ino && major_number == major(file.st_dev) &&
        minor_number == minor(file.st_dev))
      return true;
  }
  return false;
}

}  // namespace

ArenaHolders::Process ArenaHolders::PeerOf(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 || peer.pid <= 0)
    return {};
  const auto process = static_cast<std::uint32_t>(peer.pid);
  const std::uint64_t started = StartOf(process).value_or(0);
  return started == 0 ? Process{} : Process{process, started};
}

void ArenaHolders::Adopt() {
  heirs_.clear();
  for (Slot slot = 0; slot < abi::kMaxHolders; ++slot) {
    if (At(slot).state.load(std::memory_order_acquire) == 0)
      continue;
    const Process process{LoadOnce(At(slot).process), LoadOnce(At(slot).started)};
    if (process.id == static_cast<std::uint32_t>(getpid()))
      At(slot).state.store(
          0);  // several nodes in one process, as in tests: it runs, and has let go
    else
      heirs_[slot] = process;
  }
}

Result<ArenaHolders::Slot> ArenaHolders::Enter(const Process& process, std::vector<Slot>* let_go) {
  for (auto it = heirs_.begin(); it != heirs_.end();) {
    const auto [slot, heir] = *it++;
    if (heir != process)
      continue;
    Forget(slot);
    let_go->push_back(slot);
  }
  for (Slot slot = 0; slot < abi::kMaxHolders; ++slot) {
    abi::ArenaHolder& holder = At(slot);
    if (holder.state.load() != 0)
      continue;
    holder.process = process.id;
    holder.started = process.started;
    holder.state.store(abi::kHolderGiven, std::memory_order_release);
    return slot;
  }
  return Status::kNoSpace;
}

void ArenaHolders::Spoke(Slot slot) {
  At(slot).state.store(abi::kHolderSpoke, std::memory_order_relaxed);
}

void ArenaHolders::Leave(Slot slot) {
  At(slot).state.store(0, std::memory_order_release);
}

void ArenaHolders::Forget(Slot slot) {
  heirs_.erase(slot);
  Leave(slot);
}

std::vector<ArenaHolders::Slot> ArenaHolders::HeirsHolding() {
  std::vector<Slot> slots;
  for (const auto& [slot, process] : heirs_) slots.push_back(slot);
  std::erase_if(slots, [this](Slot slot) { return !HeirHolds(slot); });
  return slots;
}

bool ArenaHolders::HeirHolds(Slot slot) {
  const auto heir = heirs_.find(slot);
  if (heir == heirs_.end())
    return false;
  const Process process = heir->second;
  const auto started = StartOf(process.id);
  if (!started)
    return true;
  if (*started != process.started) {
    Forget(slot);
    return false;
  }
  if (Maps(process.id, arena_.fd()))
    return true;
  if (At(slot).state.load() == abi::kHolderSpoke)
    Forget(slot);
  return false;
}

}  // namespace k42::interconnect
