#include "user/linux/signal_fd.h"

#include "user/linux/call_support.h"
#include "user/linux/dispatcher.h"
#include "user/linux/epoll.h"

namespace k42::personality {
namespace {

struct LinuxSignalRecord {
  std::uint32_t signo;
  std::int32_t error, code;
  std::uint32_t pid, uid;
  std::int32_t fd;
  std::uint32_t timer, band, overrun, trap;
  std::int32_t status, value;
  std::uint64_t pointer, utime, stime, address;
  std::uint8_t pad[48];
};
static_assert(sizeof(LinuxSignalRecord) == 128);

class SignalFile final : public LocalDescription {
 public:
  static SignalFile* Create(SignalSet set, std::uint32_t linux_flags);
  void set_wanted(SignalSet set) { wanted_ = set; }

  std::int64_t Read(std::uint64_t address, std::uint64_t size) override {
    if (size < sizeof(LinuxSignalRecord)) {
      return -kEINVAL;
    }
    std::int64_t done = 0;
    while (static_cast<std::uint64_t>(done) + sizeof(LinuxSignalRecord) <= size) {
      LinuxSigInfo info;
      Thread& thread = Self();
      if (!thread.signals.pending.Take(wanted_, &info) &&
          !thread.task->pending.Take(wanted_, &info)) {
        if (done != 0) {
          break;
        }
        if (nonblocking()) {
          return -kEAGAIN;
        }
        if (const std::int64_t waited = WaitReady(this, abi::kReadable); waited < 0) {
          return waited;
        }
        continue;
      }
      LinuxSignalRecord record{};
      record.signo = static_cast<std::uint32_t>(info.signo);
      record.code = info.code;
      record.pid = static_cast<std::uint32_t>(info.sender.pid);
      record.uid = info.sender.uid;
      if (info.signo == kSIGCHLD) {
        record.status = info.child.status;
      } else {
        record.value = static_cast<std::int32_t>(info.sender.value);
        record.pointer = info.sender.value;
      }
      if (!WriteUser(address + static_cast<std::uint64_t>(done), record)) {
        return -kEFAULT;
      }
      done += sizeof(record);
    }
    return done;
  }

  std::uint64_t Poll() override {
    Thread& thread = Self();
    const SignalSet pending = thread.signals.pending.set() | thread.task->pending.set();
    return Word((pending & wanted_).empty() ? 0 : abi::kReadable);
  }
  void Look() { Notify(); }

  ListLink<SignalFile> all_link;

 private:
  SignalFile(SignalSet set, std::uint32_t linux_flags)
      : LocalDescription(Kind::kSignal, linux_flags), wanted_(set) {}
  void Destroy() override;

  SignalSet wanted_;
};

List<SignalFile, &SignalFile::all_link> all_files;

SignalFile* SignalFile::Create(SignalSet set, std::uint32_t linux_flags) {
  void* memory = Allocate(sizeof(SignalFile));
  if (!memory) {
    return nullptr;
  }
  auto* file = new (memory) SignalFile(set, linux_flags);
  all_files.PushBack(file);
  return file;
}

void SignalFile::Destroy() {
  Epoll::DescriptionGone(this);
  all_files.Remove(this);
  this->~SignalFile();
  Free(this, sizeof(SignalFile));
}

}  // namespace

void SignalArrived(Task&) {
  for (SignalFile* file = all_files.first(); file; file = all_files.Next(file)) {
    file->Look();
  }
}

namespace calls {

Reply SignalFd(Thread& thread, I32 fd, Address mask, U64 size) {
  return SignalFd4(thread, fd, mask, size, 0);
}

Reply SignalFd4(Thread& thread, I32 fd, Address mask, U64 size, U32 flags) {
  std::uint64_t bits = 0;
  if (size != sizeof(bits) || (flags & ~(kO_CLOEXEC | kO_NONBLOCK)) != 0) {
    return -kEINVAL;
  }
  if (!ReadUser(&bits, mask)) {
    return -kEFAULT;
  }
  const SignalSet wanted = SignalSet(bits) & ~kUnblockable;
  if (fd == -1) {
    SignalFile* file = SignalFile::Create(wanted, kO_RDWR | (flags & kO_NONBLOCK));
    return file ? thread.task->files->Add(file, (flags & kO_CLOEXEC) != 0) : -kENOMEM;
  }
  DescriptionRef description = Descriptor(thread, static_cast<U32>(fd));
  if (!description) {
    return -kEBADF;
  }
  if (description->kind() != Description::Kind::kSignal) {
    return -kEINVAL;
  }
  static_cast<SignalFile*>(description.get())->set_wanted(wanted);
  return fd;
}

}  // namespace calls
}  // namespace k42::personality
