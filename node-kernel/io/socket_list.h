// SocketList: the open sockets of a node, for those who list them (/proc/net). A socket is in it
// from its birth until its last handle has gone.
//
// Locking: lock_ guards the list; nothing is asked of a socket under it.
#pragma once

#include <cstdint>
#include <span>

#include "base/intrusive_list.h"
#include "base/ref_counted.h"
#include "io/endpoint.h"
#include "machine/mutex.h"

namespace k42::io {

class SocketList {
 public:
  struct Entry : ListLink<> {
    Endpoint* endpoint = nullptr;
    std::uint64_t number = 0;  // as its attributes say
    std::uint64_t place = 0;   // ascending
  };
  struct Seen {
    RefPtr<Endpoint> endpoint;
    std::uint64_t number = 0;
    std::uint64_t place = 0;
  };

  void Add(Entry& entry, Endpoint& endpoint, std::uint64_t number);
  // Nothing happens if it is not in the list.
  void Remove(Entry& entry);
  // The sockets behind that place, as many as there is room for. How many.
  std::size_t Look(std::uint64_t after, std::span<Seen> seen);

 private:
  machine::Mutex<LockRank::kFile> lock_;
  IntrusiveList<Entry> entries_ K42_GUARDED_BY(lock_);
  std::uint64_t last_place_ K42_GUARDED_BY(lock_) = 0;
};

}  // namespace k42::io
