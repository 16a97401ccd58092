#include "io/socket_list.h"

namespace k42::io {

using machine::MutexGuard;

void SocketList::Add(Entry& entry, Endpoint& endpoint, std::uint64_t number) {
  entry.endpoint = &endpoint;
  entry.number = number;
  MutexGuard guard(lock_);
  entry.place = ++last_place_;
  entries_.PushBack(&entry);
}

void SocketList::Remove(Entry& entry) {
  MutexGuard guard(lock_);
  if (entry.linked()) {
    entry.Unlink();
  }
}

std::size_t SocketList::Look(std::uint64_t after, std::span<Seen> seen) {
  std::size_t count = 0;
  MutexGuard guard(lock_);
  for (Entry& entry : entries_) {
    if (count == seen.size()) {
      break;
    }
    if (entry.place > after) {
      seen[count++] = {RefPtr<Endpoint>(entry.endpoint), entry.number, entry.place};
    }
  }
  return count;
}

}  // namespace k42::io
