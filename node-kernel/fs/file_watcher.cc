#include "fs/file_watcher.h"

#include <cstring>

#include "base/align.h"
#include "fs/caller.h"
#include "io/control.types.h"
#include "mem/heap.h"

namespace k42::fs {
namespace {

using machine::MutexGuard;

constinit std::uint32_t queued_of_all K42_GUARDED_BY(watches_lock) = 0;

std::size_t PaddedSize(std::string_view name) {
  return name.empty() ? 0 : AlignUp(name.size() + 1, abi::kFileEventNameUnit);
}

}  // namespace

void FileWatcher::Free(Event* event) {
  const std::size_t room = event->room;
  event->~Event();
  mem::Free(event, room);
}

void FileWatcher::FreeAll(IntrusiveList<Event>& events) {
  while (Event* event = events.PopFront()) {
    Free(event);
  }
}

void FileWatcher::QueueLocked(std::int32_t watch, std::uint32_t what, std::uint32_t pair,
                              std::string_view name, io::Wakeups& wakeups) {
  const std::size_t name_size = PaddedSize(name);
  if (const Event* last = queue_.Back();
      last != nullptr && last->record.watch == watch && last->record.what == what &&
      what != abi::kWatchEnded && last->record.name_size == name_size &&
      std::string_view(last->name, name_size).substr(0, name.size()) == name &&
      (name_size == 0 || last->name[name.size()] == 0)) {
    return;
  }
  // Once, whether this one's own queue is full or all together are.
  const bool full = queued_ >= kMostEvents || queued_of_all >= kMostEventsOfNode;
  if (full && lost_) {
    return;
  }
  lost_ = full;
  if (full) {
    watch = -1;
    what = abi::kFileEventsLost;
    pair = 0;
    name = {};
  }
  const std::size_t size = PaddedSize(name);
  const std::size_t room = sizeof(Event) + size;
  void* space = mem::Allocate(room);
  if (space == nullptr) {
    return;
  }
  auto* event = new (space) Event;
  event->room = room;
  event->record = {watch, what, pair, static_cast<std::uint32_t>(size)};
  std::memset(event->name, 0, size);
  std::memcpy(event->name, name.data(), name.size());
  queue_.PushBack(event);
  ++queued_;
  ++queued_of_all;
  bytes_ += sizeof(abi::FileEvent) + size;
  ready_.Update(abi::kReadable, abi::kReadable, abi::kReadable, wakeups);
}

Watch* FileWatcher::FindLocked(std::uint32_t number) {
  for (Watch& watch : watches) {
    if (watch.number == number) {
      return &watch;
    }
  }
  return nullptr;
}

Result<std::uint64_t> FileWatcher::Read(Caller, BufferOut data) {
  IntrusiveList<Event> taken;
  {
    io::Wakeups wakeups;
    MutexGuard guard(watches_lock);
    if (queue_.empty()) {
      return Status::kWouldBlock;
    }
    std::uint64_t size = 0;
    while (Event* event = queue_.Front()) {
      const std::uint64_t more = sizeof(abi::FileEvent) + event->record.name_size;
      if (more > data.size() - size) {
        break;
      }
      size += more;
      bytes_ -= more;
      --queued_;
      --queued_of_all;
      queue_.Remove(event);
      taken.PushBack(event);
    }
    if (taken.empty()) {
      return Status::kInvalidArgument;
    }
    ready_.Update(abi::kReadable, queue_.empty() ? 0 : abi::kReadable, 0, wakeups);
  }
  std::uint64_t done = 0;
  Status status = Status::kOk;
  while (Event* event = taken.PopFront()) {
    const std::size_t name_size = event->record.name_size;
    if (IsOk(status)) {
      status = data.CopyFrom(&event->record, done, sizeof(abi::FileEvent));
    }
    if (IsOk(status)) {
      status = data.CopyFrom(event->name, done + sizeof(abi::FileEvent), name_size);
    }
    done += sizeof(abi::FileEvent) + name_size;
    Free(event);
  }
  TRY(status);
  return done;
}

Status FileWatcher::GetAttributes(FileAttributes& attributes) {
  io::FillAttributes(identity_, &attributes);
  return Status::kOk;
}

Status FileWatcher::GetFileSystem(FileSystemInfo& info) {
  io::FillFileSystem(identity_, &info);
  return Status::kOk;
}

Result<std::uint64_t> FileWatcher::Control(Caller, std::uint32_t operation, BufferIn, BufferOut) {
  if (operation != io::kControlBytesReadable) {
    return Status::kNotTerminal;
  }
  MutexGuard guard(watches_lock);
  return std::uint64_t{bytes_};
}

Result<std::uint32_t> FileWatcher::AddWatch(Caller caller, cobj::Ref<IOpenFile> directory,
                                            BufferIn path, std::uint32_t walk,
                                            std::uint32_t events) {
  Identity who;
  TRY(IdentityOf(caller, &who));
  RefPtr<Entry> place;
  if (directory) {
    place = RefPtr<Entry>::Adopt(TRY(directory->TakeEntry()));
    if (!place) {
      return Status::kNotDirectory;
    }
  }
  const std::size_t room = path.size() + 1;
  auto* text = static_cast<char*>(mem::Allocate(room));
  if (text == nullptr) {
    return Status::kNoMemory;
  }
  const Status copied = path.CopyTo(text, 0, path.size());
  const auto found = IsOk(copied) ? tree_.Find(place.get(), {text, path.size()}, walk, who)
                                  : Result<Entry*>(copied);
  mem::Free(text, room);
  const auto entry = RefPtr<Entry>::Adopt(TRY(found));
  Node& node = *entry->node();
  if ((events & abi::kWatchOnlyDirectory) != 0 && node.kind() != FileKind::kDirectory) {
    return Status::kNotDirectory;
  }
  if (!Permits(who, node.ownership(), node.kind(), kAccessRead)) {
    return Status::kPermissionDenied;
  }
  return SetWatch(tree_, *this, node, events);
}

void FileWatcher::Closed() {
  EndWatchesBy(*this);
  IntrusiveList<Event> left;
  {
    MutexGuard guard(watches_lock);
    while (Event* event = queue_.PopFront()) {
      left.PushBack(event);
    }
    queued_of_all -= queued_;
    queued_ = 0;
    bytes_ = 0;
  }
  FreeAll(left);
}

}  // namespace k42::fs
