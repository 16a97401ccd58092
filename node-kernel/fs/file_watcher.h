// FileWatcher: an opening that is read for what happens to files (file_watch.h). Its queue holds at
// most kMostEvents, and then one word that events were lost. An event that
// says the same as the last one in the queue is left out.
//
// Locking: watches_lock guards the queue and the list of watches.
#pragma once

#include <span>

#include "fs/file_watch.h"
#include "fs/file_watcher.idl.h"
#include "fs/name_tree.h"
#include "fs/open_file_base.h"
#include "io/ready_list.h"
#include "io/stream_attributes.h"

namespace k42::fs {

class FileWatcher final : public OpenFileBase<IFileWatcher> {
 public:
  using Caller = const cobj::CallContext&;
  static constexpr std::uint32_t kMostEvents = 16384;
  static constexpr std::uint32_t kMostEventsOfNode = 131072;  // of all: some 40 MiB at most
  static constexpr std::uint32_t kMostWatches = 65536;

  FileWatcher(NameTree& tree, const io::StreamIdentity& identity, std::uint32_t flags)
      : OpenFileBase(flags), tree_(tree), identity_(identity) {}

  Result<std::uint64_t> PollState() override { return ready_.Word(); }
  Status Arm(std::uint32_t mask, std::uint64_t since, cobj::Ticket ready) override {
    return ready_.Arm(mask, since, ready);
  }
  Status Disarm(Caller caller, std::uint32_t number) override {
    ready_.Disarm(caller, number);
    return Status::kOk;
  }
  Result<std::uint64_t> Read(Caller caller, BufferOut data) override;
  // There is no position, and nobody minds.
  Result<std::uint64_t> Seek(std::int64_t, SeekFrom) override { return std::uint64_t{0}; }
  Status GetAttributes(FileAttributes& attributes) override;
  Status GetFileSystem(FileSystemInfo& info) override;
  Result<FileKind> Kind() override { return FileKind::kFileWatcher; }
  Result<std::uint64_t> Control(Caller caller, std::uint32_t operation, BufferIn input,
                                BufferOut output) override;
  Result<std::uint32_t> AddWatch(Caller caller, cobj::Ref<IOpenFile> directory, BufferIn path,
                                 std::uint32_t walk, std::uint32_t events) override;
  Status RemoveWatch(std::uint32_t watch) override { return EndWatch(*this, watch); }

  // -- for file_watch.cc, with the lock held --
  void QueueLocked(std::int32_t watch, std::uint32_t what, std::uint32_t pair,
                   std::string_view name, io::Wakeups& wakeups) K42_REQUIRES(watches_lock);
  Watch* FindLocked(std::uint32_t number) K42_REQUIRES(watches_lock);
  std::uint32_t NewNumberLocked() K42_REQUIRES(watches_lock) { return ++last_number_; }

  IntrusiveList<Watch, WatchesOfWatcher> watches K42_GUARDED_BY(watches_lock);
  std::uint32_t count K42_GUARDED_BY(watches_lock) = 0;
  bool closed K42_GUARDED_BY(watches_lock) = false;  // takes no watch any more

 private:
  struct Event : ListLink<> {
    abi::FileEvent record;
    std::size_t room;  // of this block
    char name[1];      // record.name_size of them
  };
  void Closed() override;
  static void Free(Event* event);
  static void FreeAll(IntrusiveList<Event>& events);

  NameTree& tree_;
  const io::StreamIdentity identity_;
  IntrusiveList<Event> queue_ K42_GUARDED_BY(watches_lock);
  std::uint32_t queued_ K42_GUARDED_BY(watches_lock) = 0;
  bool lost_ K42_GUARDED_BY(watches_lock) = false;  // the last that came found no room
  std::uint64_t bytes_ K42_GUARDED_BY(watches_lock) = 0;
  std::uint32_t last_number_ K42_GUARDED_BY(watches_lock) = 0;
  io::ReadyList ready_;
};

}  // namespace k42::fs
