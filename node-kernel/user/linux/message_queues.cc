// System V message queues (sysv_record.h). Behind the record's head stand the messages, one after
// the other: type, size, text rounded up to eight bytes.
#include <cstring>

#include "user/linux/sysv_record.h"

namespace k42::personality::calls {
namespace {

using namespace sysv;

constexpr U64 kTextMost = 8192;     // of a message
constexpr U64 kQueueBytes = 16384;  // of text that waits, at first
constexpr U64 kRoom = 128 * 1024;   // of messages with what goes with them
constexpr U32 kNoError = 010000, kExcept = 020000;
constexpr U64 kLookAgain = 200'000'000;

struct Queue {
  I32 key;
  U32 pad;
  U64 most;   // bytes of text
  U64 bytes;  // of text that waits
  U64 count;
  U64 used;  // bytes of `messages`
  I32 last_sender, last_receiver;
  I64 sent_at, received_at, changed_at;
  Waiters waiters;
  unsigned char messages[kRoom];
};
constexpr std::size_t kHead = offsetof(Queue, messages);

struct Message {
  I64 type;
  U64 size;
  U64 room() const { return sizeof(Message) + ((size + 7) & ~U64{7}); }
};

struct LinuxQueueDescriptor {
  LinuxPermissions permissions;
  I64 sent_at, received_at, changed_at;
  U64 bytes, count, most;
  I32 last_sender, last_receiver;
  U64 unused[2];
};
static_assert(sizeof(LinuxQueueDescriptor) == 120);

std::int64_t Seconds() {
  return kernel::RealtimeNs() / kNsPerSecond;
}

class OpenQueue {
 public:
  OpenQueue() : memory_(sizeof(Queue)) {}
  Queue* operator->() { return memory_.As<Queue>(); }
  Record& record() { return record_; }

  std::int64_t Open(I32 id) {
    if (!memory_) {
      return -kENOMEM;
    }
    if (const std::int64_t error = id < 0 ? -kEINVAL : record_.Open(Kind::kMessages, id)) {
      return error;
    }
    Queue* queue = memory_.As<Queue>();
    return record_.Read(0, queue, kHead) && queue->used <= kRoom &&
                   (queue->used == 0 || record_.Read(kHead, queue->messages, queue->used))
               ? 0
               : -kEINVAL;
  }
  // Writes it back, messages from `from` on; when it has changed, those who wait look again.
  void Close(bool changed, U64 from = ~U64{0}) {
    Queue* queue = memory_.As<Queue>();
    Waiters woken{};
    if (changed) {
      woken = queue->waiters;
      queue->waiters.count = 0;
    }
    (void)record_.Write(0, queue, kHead);
    if (from < queue->used) {
      (void)record_.Write(kHead + from, queue->messages + from, queue->used - from);
    }
    record_.Close();
    WakeAll(woken);
  }
  Message At(U64 offset) {
    Message message;
    std::memcpy(&message, memory_.As<Queue>()->messages + offset, sizeof(message));
    return message;
  }

 private:
  Buffer memory_;
  Record record_;
};

std::int64_t AnyFits(Record&, U64) {
  return 0;
}

// Enters the thread and sleeps. 0: look again; else why not.
std::int64_t WaitForChange(Thread& thread, I32 id, OpenQueue& queue, Sleeper& sleeper) {
  if (!sleeper.ready()) {
    return -kENOMEM;
  }
  const bool told = Enter(queue->waiters, {thread.tid, 0, 0});
  queue.Close(false);
  if (sleeper.Sleep(told ? 0 : kernel::MonotonicNs() + kLookAgain) != -kEINTR) {
    return 0;
  }
  OpenQueue again;
  if (again.Open(id) == 0) {
    Leave(again->waiters, thread.tid);
    again.Close(false);
  }
  return -kEINTR;
}

// Calls attempt(queue) until it says something else than kWait, which it may say only if it has
// changed nothing.
constexpr std::int64_t kWait = INT64_MIN;
template <typename Attempt>
std::int64_t Retry(Thread& thread, I32 id, bool may_wait, std::int64_t otherwise, Attempt attempt) {
  {
    OpenQueue queue;
    if (const std::int64_t error = queue.Open(id)) {
      return error;
    }
    const std::int64_t answer = attempt(queue);
    if (answer != kWait) {
      return answer;
    }
    if (!may_wait) {
      return otherwise;
    }
  }
  Sleeper sleeper(thread);
  for (;;) {
    OpenQueue queue;
    if (const std::int64_t error = queue.Open(id)) {
      return error == -kEINVAL ? -kEIDRM : error;
    }
    const std::int64_t answer = attempt(queue);
    if (answer != kWait) {
      return answer;
    }
    if (const std::int64_t error = WaitForChange(thread, id, queue, sleeper)) {
      return error;
    }
  }
}

// Where the message is that `type` asks for; ~0: there is none.
U64 Find(OpenQueue& queue, I64 type, U32 flags) {
  U64 found = ~U64{0};
  I64 lowest = 0;
  for (U64 at = 0; at < queue->used; at += queue.At(at).room()) {
    const Message message = queue.At(at);
    if (type == 0 || (type > 0 && (message.type == type) != ((flags & kExcept) != 0))) {
      return at;
    }
    if (type < 0 && message.type <= -type && (found == ~U64{0} || message.type < lowest)) {
      found = at;
      lowest = message.type;
    }
  }
  return found;
}

}  // namespace

Reply MsgGet(Thread&, I32 key, U32 flags) {
  Buffer memory(kHead);
  if (!memory) {
    return -kENOMEM;
  }
  std::memset(memory.data(), 0, kHead);
  auto* queue = memory.As<Queue>();
  queue->key = key;
  queue->most = kQueueBytes;
  queue->changed_at = Seconds();
  return sysv::Get(Kind::kMessages, key, flags, queue, kHead, &AnyFits, 0);
}

Reply MsgSend(Thread& thread, I32 id, Address message, U64 size, U32 flags) {
  I64 type = 0;
  if (!ReadUser(&type, message)) {
    return -kEFAULT;
  }
  if (size > kTextMost || id < 0 || type < 1) {
    return -kEINVAL;
  }
  Buffer text(size);
  if (!text) {
    return -kENOMEM;
  }
  if (!CopyIn(text.data(), message + sizeof(type), size)) {
    return -kEFAULT;
  }
  return Retry(thread, id, (flags & kIpcNoWait) == 0, -kEAGAIN, [&](OpenQueue& queue) {
    const Message head{type, size};
    if (queue->bytes + size > queue->most || queue->count + 1 > queue->most ||
        queue->used + head.room() > kRoom) {
      return kWait;
    }
    const U64 at = queue->used;
    std::memcpy(queue->messages + at, &head, sizeof(head));
    std::memcpy(queue->messages + at + sizeof(head), text.data(), size);
    queue->used += head.room();
    queue->bytes += size;
    ++queue->count;
    queue->last_sender = thread.task->pid;
    queue->sent_at = Seconds();
    queue.Close(true, at);
    return std::int64_t{0};
  });
}

Reply MsgReceive(Thread& thread, I32 id, Address message, U64 size, I64 type, U32 flags) {
  if (static_cast<I64>(size) < 0 || id < 0) {
    return -kEINVAL;
  }
  return Retry(thread, id, (flags & kIpcNoWait) == 0, -kENOMSG, [&](OpenQueue& queue) {
    const U64 at = Find(queue, type, flags);
    if (at == ~U64{0}) {
      return kWait;
    }
    const Message head = queue.At(at);
    if (head.size > size && (flags & kNoError) == 0) {
      return -std::int64_t{kE2BIG};
    }
    const U64 given = head.size < size ? head.size : size;
    const unsigned char* text = queue->messages + at + sizeof(head);
    // Taken whether or not it can be stored, as Linux has it.
    const bool stored =
        WriteUser(message, head.type) && CopyOut(message + sizeof(head.type), text, given);
    const U64 room = head.room();
    std::memmove(queue->messages + at, queue->messages + at + room, queue->used - at - room);
    queue->used -= room;
    queue->bytes -= head.size;
    --queue->count;
    queue->last_receiver = thread.task->pid;
    queue->received_at = Seconds();
    queue.Close(true, at);
    return stored ? static_cast<std::int64_t>(given) : -std::int64_t{kEFAULT};
  });
}

Reply MsgControl(Thread&, I32 id, U32 command, Address buffer) {
  OpenQueue queue;
  if (const std::int64_t error = queue.Open(id)) {
    return error;
  }
  switch (command & 0xff) {
    case kIpcRemove: {
      const std::int64_t removed = sysv::Remove(Kind::kMessages, id);
      queue.Close(removed == 0);
      return removed;
    }
    case kIpcStat: {
      LinuxQueueDescriptor shown{};
      queue.record().Fill(queue->key, &shown.permissions);
      shown.sent_at = queue->sent_at;
      shown.received_at = queue->received_at;
      shown.changed_at = queue->changed_at;
      shown.bytes = queue->bytes;
      shown.count = queue->count;
      shown.most = queue->most;
      shown.last_sender = queue->last_sender;
      shown.last_receiver = queue->last_receiver;
      return WriteUser(buffer, shown) ? 0 : -kEFAULT;
    }
    case kIpcSet: {
      LinuxQueueDescriptor wanted;
      if (!ReadUser(&wanted, buffer)) {
        return -kEFAULT;
      }
      const Status status = queue.record().Change(wanted.permissions);
      if (status != Status::kOk) {
        return status == Status::kPermissionDenied ? -kEPERM : ErrnoOf(status);
      }
      queue->most = wanted.most < kRoom / 2 ? wanted.most : kRoom / 2;
      queue->changed_at = Seconds();
      queue.Close(true);
      return 0;
    }
    default:
      return -kEINVAL;
  }
}

}  // namespace k42::personality::calls
