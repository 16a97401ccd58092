// System V objects that processes share: sets of semaphores and queues of messages, each a record
// in a file of the node's memory file system (as shared_memory.cc keeps segments).
//
// A record's file is /dev/shm/.sysv.KIND.ID; a key is a symbolic link to it. So permissions are the
// file's, and IPC_RMID is an unlink. An operation opens the file, locks all of it, reads, writes
// and closes: a process that dies under way leaves no lock. Who must wait enters its thread number
// in the record (Waiters) and sleeps on a datagram socket of that name, until whoever changes the
// record sends it a word.
#pragma once

#include <cstdint>

#include "user/linux/call_support.h"

namespace k42::personality::calls::sysv {

enum class Kind : char { kSemaphores = 's', kMessages = 'm' };

inline constexpr U32 kIpcCreate = 01000, kIpcExclusive = 02000, kIpcNoWait = 04000;
inline constexpr I32 kIpcPrivate = 0;
inline constexpr U32 kIpcRemove = 0, kIpcSet = 1, kIpcStat = 2;

struct LinuxPermissions {  // ipc_perm
  I32 key;
  U32 uid, gid, cuid, cgid, mode;
  std::uint16_t sequence, pad0;
  U32 pad1;
  U64 unused[2];
};
static_assert(sizeof(LinuxPermissions) == 48);

// Who waits for a change; in the record. `on`, `how`: the waiter's own, for counts.
struct Waiter {
  I32 thread;
  std::uint16_t on, how;
};
struct Waiters {
  static constexpr U32 kMost = 32;
  U32 count;
  U32 pad;
  Waiter list[kMost];
};

// An open record, locked while the object lives.
class Record {
 public:
  Record() = default;
  Record(const Record&) = delete;
  Record& operator=(const Record&) = delete;
  ~Record() { Close(); }

  // 0, -EINVAL (no such id), -EACCES, -EINTR.
  std::int64_t Open(Kind kind, I32 id);
  void Close();
  bool Read(U64 offset, void* bytes, std::size_t size);
  bool Write(U64 offset, const void* bytes, std::size_t size);
  Status Attributes(fs::FileAttributes* attributes);
  // IPC_SET's part: owner and mode.
  Status Change(const LinuxPermissions& wanted);
  void Fill(I32 key, LinuxPermissions* permissions);

 private:
  kernel::Handle file_ = kernel::kNoHandle;
};

// The id for `key`, made with these first bytes and so long if it must be and may be.
// `matches(record)`: 0, or why the one that exists will not do.
std::int64_t Get(Kind kind, I32 key, U32 flags, const void* bytes, std::size_t size,
                 std::int64_t (*matches)(Record& record, U64 wanted), U64 wanted);
// Unlinks it. 0, -EINVAL, -EPERM.
std::int64_t Remove(Kind kind, I32 id);

// A thread's place to sleep, made before it enters itself in a record.
class Sleeper {
 public:
  explicit Sleeper(Thread& thread);
  bool ready() const { return static_cast<bool>(socket_); }
  // 0: woken, -EAGAIN: the deadline (0: none) has passed, -EINTR.
  std::int64_t Sleep(U64 deadline_ns);

 private:
  DescriptionRef socket_;
};
// Adds the thread; when the list is full it will have to look again by itself.
bool Enter(Waiters& waiters, const Waiter& waiter);
void Leave(Waiters& waiters, I32 thread);
// After the record is closed: wakes those who were on the list.
void WakeAll(const Waiters& waiters);

}  // namespace k42::personality::calls::sysv
