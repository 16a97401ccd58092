#include "fs/file_watch.h"

#include "fs/entry.h"
#include "fs/file_watcher.h"
#include "mem/heap.h"

namespace k42::fs {
namespace {

using abi::FileEventBit;
using machine::MutexGuard;

constinit std::atomic<std::uint32_t> last_pair{0};

// What asked whom, taken apart with the lock held and deleted without it.
using EndedWatches = IntrusiveList<Watch, WatchesOfWatcher>;

void UnlinkLocked(Watch& watch, EndedWatches& ended) K42_REQUIRES(watches_lock) {
  static_cast<ListLink<WatchesOfNode>&>(watch).Unlink();
  static_cast<ListLink<WatchesOfWatcher>&>(watch).Unlink();
  --watch.watcher.count;
  watch_count.fetch_sub(1, std::memory_order_relaxed);
  ended.PushBack(&watch);
}

void Delete(EndedWatches& ended) {
  while (Watch* watch = ended.PopFront()) {
    mem::Delete(watch);
  }
}

void EndLocked(Watch& watch, EndedWatches& ended, io::Wakeups& wakeups) K42_REQUIRES(watches_lock) {
  watch.watcher.QueueLocked(static_cast<std::int32_t>(watch.number), abi::kWatchEnded, 0, {},
                            wakeups);
  UnlinkLocked(watch, ended);
}

// The directory bit is not told of a directory's own end or move.
void TellLocked(NodeWatches& watches, std::uint32_t what, std::uint32_t pair, std::string_view name,
                EndedWatches& ended, io::Wakeups& wakeups) K42_REQUIRES(watches_lock) {
  constexpr std::uint32_t kOfItself = abi::kFileGone | abi::kFileMoved;
  const std::uint32_t told = (what & kOfItself) != 0 ? what & ~abi::kFileEventDirectory : what;
  for (Watch* watch = watches.list.Front(); watch != nullptr;) {
    Watch* next = watches.list.Next(watch);
    if ((watch->events & what & abi::kFileEvents) != 0) {
      watch->watcher.QueueLocked(static_cast<std::int32_t>(watch->number), told, pair, name,
                                 wakeups);
      if ((watch->events & abi::kWatchOnce) != 0) {
        EndLocked(*watch, ended, wakeups);
      }
    }
    watch = next;
  }
}

void Tell(NodeWatches* of_directory, std::string_view name, NodeWatches* own, std::uint32_t what,
          std::uint32_t pair) {
  if (of_directory == nullptr && own == nullptr) {
    return;
  }
  EndedWatches ended;
  {
    io::Wakeups wakeups;
    MutexGuard guard(watches_lock);
    if (of_directory != nullptr) {
      TellLocked(*of_directory, what, pair, name, ended, wakeups);
    }
    if (own != nullptr) {
      TellLocked(*own, what, pair, {}, ended, wakeups);
    }
  }
  Delete(ended);
}

std::uint32_t WithKind(const Node& node, std::uint32_t what) {
  return node.kind() == FileKind::kDirectory ? what | abi::kFileEventDirectory : what;
}

Watch* FindWatchLocked(NodeWatches& watches, const FileWatcher& watcher)
    K42_REQUIRES(watches_lock) {
  for (Watch& watch : watches.list) {
    if (&watch.watcher == &watcher) {
      return &watch;
    }
  }
  return nullptr;
}

}  // namespace

machine::Mutex<LockRank::kStream> watches_lock;
constinit std::atomic<std::uint32_t> watch_count{0};

Watch::Watch(FileWatcher& watcher_in, Node& node_in) : watcher(watcher_in), node(node_in) {}
Watch::~Watch() = default;

void TellOfFileSlowly(Entry* entry, Node& node, std::uint32_t what) {
  char name[kNameMax];
  std::size_t size = 0;
  RefPtr<Entry> directory;
  if (entry != nullptr) {
    directory = entry->Place(name, &size);
  }
  Tell(directory ? directory->node()->WatchesIfAny() : nullptr, {name, size}, node.WatchesIfAny(),
       WithKind(node, what), 0);
}

// Times both set are told as attributes; one alone as what it is the time of.
void TellOfChange(Entry* entry, Node& node, const AttributeChange& change) {
  if (!AnyWatches()) {
    return;
  }
  const bool accessed = (change.mask & (kSetAccessTime | kSetAccessTimeNow)) != 0;
  const bool modified = (change.mask & (kSetModifyTime | kSetModifyTimeNow)) != 0;
  const bool owned = (change.mask & (kSetMode | kSetUser | kSetGroup)) != 0;
  std::uint32_t what = 0;
  if (owned || (accessed && modified)) {
    what |= abi::kFileAttributes;
  }
  if (accessed && !modified) {
    what |= abi::kFileRead;
  }
  if ((modified && !accessed) || (change.mask & kSetSize) != 0) {
    what |= abi::kFileWritten;
  }
  if (what != 0) {
    TellOfFileSlowly(entry, node, what);
  }
}

void TellOfName(Node& directory, std::string_view name, const Node& named, std::uint32_t what,
                std::uint32_t pair) {
  if (AnyWatches()) {
    Tell(directory.WatchesIfAny(), name, nullptr, WithKind(named, what), pair);
  }
}

void TellOfNode(Node& node, std::uint32_t what) {
  if (AnyWatches()) {
    Tell(nullptr, {}, node.WatchesIfAny(), WithKind(node, what), 0);
  }
}

std::uint32_t NewEventPair() {
  return last_pair.fetch_add(1, std::memory_order_relaxed) + 1;
}

void EndWatchesOf(Node& node, NodeWatches& watches) {
  EndedWatches ended;
  {
    io::Wakeups wakeups;
    MutexGuard guard(watches_lock);
    TellLocked(watches, WithKind(node, abi::kFileGone), 0, {}, ended, wakeups);
    while (Watch* watch = watches.list.Front()) {
      EndLocked(*watch, ended, wakeups);
    }
  }
  Delete(ended);
}

void TellOfRemovedName(Node& node) {
  NodeWatches* watches = AnyWatches() ? node.WatchesIfAny() : nullptr;
  if (watches != nullptr && !node.file_system().keeps_nodes()) {
    EndWatchesOf(node, *watches);
  }
}

Result<std::uint32_t> SetWatch(NameTree& tree, FileWatcher& watcher, Node& node,
                               std::uint32_t events) {
  NodeWatches* watches = TRY(node.Watches());
  Watch* made = TRY(mem::New<Watch>(watcher, node));
  if (!node.file_system().keeps_nodes()) {
    made->kept = RefPtr<Node>(&node);
  }
  // Counted before it is seen, so that no file is served in a process's memory from here on.
  if (watch_count.fetch_add(1, std::memory_order_seq_cst) == 0) {
    tree.entries().EndLeases();
  }
  Result<std::uint32_t> number = Status::kLimitExceeded;
  {
    MutexGuard guard(watches_lock);
    if (watcher.closed) {  // another thread has closed it meanwhile, and it is about to go
      number = Status::kDeleted;
    } else if (Watch* old = FindWatchLocked(*watches, watcher)) {
      if ((events & abi::kWatchNew) != 0) {
        number = Status::kAlreadyExists;
      } else {
        constexpr std::uint32_t kKept = abi::kFileEvents | abi::kWatchOnce;
        old->events = (events & kKept) |
                      ((events & abi::kWatchAddEvents) != 0 ? old->events : std::uint32_t{0});
        number = old->number;
      }
    } else if (watcher.count < FileWatcher::kMostWatches) {
      made->number = watcher.NewNumberLocked();
      made->events = events & (abi::kFileEvents | abi::kWatchOnce);
      number = made->number;
      watches->list.PushBack(made);
      watcher.watches.PushBack(made);
      ++watcher.count;
      made = nullptr;
    }
  }
  if (made != nullptr) {
    watch_count.fetch_sub(1, std::memory_order_relaxed);
    mem::Delete(made);
  }
  return number;
}

Status EndWatch(FileWatcher& watcher, std::uint32_t number) {
  EndedWatches ended;
  {
    io::Wakeups wakeups;
    MutexGuard guard(watches_lock);
    Watch* watch = watcher.FindLocked(number);
    if (watch == nullptr) {
      return Status::kNotFound;
    }
    EndLocked(*watch, ended, wakeups);
  }
  Delete(ended);
  return Status::kOk;
}

void EndWatchesBy(FileWatcher& watcher) {
  EndedWatches ended;
  {
    MutexGuard guard(watches_lock);
    watcher.closed = true;
    while (Watch* watch = watcher.watches.Front()) {
      UnlinkLocked(*watch, ended);
    }
  }
  Delete(ended);
}

}  // namespace k42::fs
