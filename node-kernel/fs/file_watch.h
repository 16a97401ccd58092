// Watches: who is told what happens to files. The name tree and open files tell it here; a
// FileWatcher (file_watcher.h) is a queue of what its watches asked for.
//
// A Watch is on one node, in a list of the node's and one of its watcher's, and ends
//   by RemoveWatch, by its first event if it asked for one only, or with the watcher;
//   with the node: it has lost its last name, and nobody has it open any more.
// A node of the node's own memory lives as long as its file, so its watches do not keep it, and its
// end is told by its destructor. Nodes of other file systems come and go with their use: a watch
// keeps its node, and the file counts as gone when its name is removed.
//
// While there is a watch anywhere, no file is served in a process's own memory (file_leases.h),
// where nobody would see what happens to it; those that are when the first watch comes are taken
// back. While there is none, telling costs one load.
//
// Locking: one lock for all lists and queues. References are dropped, and waiters woken, after it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "abi/file_event.h"
#include "base/intrusive_list.h"
#include "base/ref_counted.h"
#include "base/result.h"
#include "fs/file.types.h"
#include "machine/mutex.h"

namespace k42::fs {

class Entry;
class FileWatcher;
class NameTree;
class Node;

struct WatchesOfNode;
struct WatchesOfWatcher;

struct Watch : ListLink<WatchesOfNode>, ListLink<WatchesOfWatcher> {
  Watch(FileWatcher& watcher_in, Node& node_in);
  ~Watch();

  FileWatcher& watcher;
  Node& node;
  RefPtr<Node> kept;  // null: the node's destructor ends the watch
  std::uint32_t number = 0;
  std::uint32_t events = 0;  // kFileEvents bits and kWatchOnce
};

// Of a node that is, or was, watched.
class NodeWatches {
 public:
  IntrusiveList<Watch, WatchesOfNode> list;  // under the one lock
};

// Of all lists of watches and all queues of events.
extern machine::Mutex<LockRank::kStream> watches_lock;
extern constinit std::atomic<std::uint32_t> watch_count;

inline bool AnyWatches() {
  return watch_count.load(std::memory_order_relaxed) != 0;
}

// Something has happened to `node`, which was opened by `entry` (null: it has no name): its own
// watches are told, and those of the directory that the entry is in.
void TellOfFileSlowly(Entry* entry, Node& node, std::uint32_t what);
inline void TellOfFile(Entry* entry, Node& node, std::uint32_t what) {
  if (AnyWatches()) [[unlikely]] {
    TellOfFileSlowly(entry, node, what);
  }
}
// Its attributes were changed so.
void TellOfChange(Entry* entry, Node& node, const AttributeChange& change);
// A name in `directory` has changed; `pair`: NewEventPair() of both sides of a move, or 0.
void TellOfName(Node& directory, std::string_view name, const Node& named, std::uint32_t what,
                std::uint32_t pair = 0);
// To the node's own watches only.
void TellOfNode(Node& node, std::uint32_t what);
// A name of the node is gone: for file systems whose nodes do not live as long as their files.
void TellOfRemovedName(Node& node);
std::uint32_t NewEventPair();

// From the node's destructor.
void EndWatchesOf(Node& node, NodeWatches& watches);

// What a watcher does; see file_watcher.idl.
Result<std::uint32_t> SetWatch(NameTree& tree, FileWatcher& watcher, Node& node,
                               std::uint32_t events);
Status EndWatch(FileWatcher& watcher, std::uint32_t number);
void EndWatchesBy(FileWatcher& watcher);

}  // namespace k42::fs
