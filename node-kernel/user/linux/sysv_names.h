// Names of System V objects: shared memory, semaphores, message queues. Each object is a file of
// the node's memory file system, so ids and keys mean the same in every process of the node,
// permissions are the file's, and IPC_RMID is an unlink.
//
//   /dev/shm/.sysv.KIND.ID       the object
//   /dev/shm/.sysv.KIND.key.KEY  a link to it: what a key means
//   /dev/shm/.sysv.KIND.of.ID    a link to the key's name, so that the key can go with the object
//   /dev/shm/.sysv.KIND.gone.ID  shared memory that was removed while it was attached
//
// The folder is sticky and open to all: a link may be another user's invention, and a name may
// stand for something else than a file. Links at the end of a path are never followed.
#pragma once

#include "user/linux/call_support.h"

namespace k42::personality::calls::sysv {

enum class Kind : char { kMemory = 'h', kMessages = 'm', kSemaphores = 's' };

inline constexpr U32 kIpcCreate = 01000, kIpcExclusive = 02000, kIpcNoWait = 04000;
inline constexpr I32 kIpcPrivate = 0;
inline constexpr U32 kIpcRemove = 0, kIpcSet = 1, kIpcStat = 2, kIpcInfo = 3;

struct LinuxPermissions {  // ipc_perm
  I32 key;
  U32 uid, gid, cuid, cgid, mode;
  std::uint16_t sequence, pad0;
  U32 pad1;
  U64 unused[2];
};
static_assert(sizeof(LinuxPermissions) == 48);

inline std::int64_t Seconds() {
  return kernel::RealtimeNs() / kNsPerSecond;
}

class Name {
 public:
  enum class Of : std::uint8_t { kObject, kKey, kBack, kGone };
  Name(Kind kind, Of of, I32 number);
  kernel::Path path() const { return {kernel::kNoHandle, text_, size_}; }

 private:
  void Put(const char* text);
  char text_[40] = {};
  std::size_t size_ = 0;
};

// What an object of one kind begins as, and which one will do.
class Wanted {
 public:
  virtual Status Fill(kernel::Handle file) const = 0;
  // 0; -EIDRM: there is no such object (any more); or why it will not do.
  virtual std::int64_t Matches(I32 id) const = 0;

 protected:
  ~Wanted() = default;
};

// The id for `key`, made if it must be and may be.
std::int64_t Get(Kind kind, I32 key, U32 flags, const Wanted& wanted);
// 0, -EINVAL, -EPERM. `still_used`: it can be opened by its kGone name from now on.
std::int64_t Remove(Kind kind, I32 id, bool still_used = false);
// IPC_SET's part: owner and mode.
std::int64_t Change(Kind kind, I32 id, const LinuxPermissions& permissions);
// IPC_STAT's part.
void Fill(Kind kind, I32 id, const fs::FileAttributes& attributes, LinuxPermissions* permissions);

// The objects of a kind that there are now, one after the other.
class Objects {
 public:
  explicit Objects(Kind kind);
  Objects(const Objects&) = delete;
  Objects& operator=(const Objects&) = delete;
  ~Objects();
  // Their id, or -1: there are no more.
  I32 Next();

 private:
  Kind kind_;
  kernel::Handle folder_ = kernel::kNoHandle;
  Buffer records_;
  U64 at_ = 0, end_ = 0;
};
// The id of the one at `index`, or -EINVAL.
std::int64_t IdAt(Kind kind, I32 index);
// What the calls that tell of all say: the highest index.
inline std::int64_t HighestIndex(U64 count) {
  return count == 0 ? 0 : static_cast<std::int64_t>(count) - 1;
}

}  // namespace k42::personality::calls::sysv
