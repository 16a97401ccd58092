// System V message queues: the calls. The queue itself is in message_queue.h, its file in
// sysv_record.h. To send or receive takes permission to read and to write: both change the file.
#include <cstring>

#include "user/linux/message_queue.h"
#include "user/linux/sysv_record.h"

namespace k42::personality::calls {
namespace {

using namespace sysv;

constexpr U32 kNoError = 010000, kExcept = 020000;
constexpr U32 kMsgStat = 11, kMsgInfo = 12, kMsgStatAny = 13;

struct LinuxQueueDescriptor {
  LinuxPermissions permissions;
  I64 sent_at, received_at, changed_at;
  U64 bytes, count, most;
  I32 last_sender, last_receiver;
  U64 unused[2];
};
static_assert(sizeof(LinuxQueueDescriptor) == 120);

struct LinuxMsgInfo {
  I32 pool, map, text_most, bytes_most, queues_most, segment_size, messages_most;
  std::uint16_t segments;
};
static_assert(sizeof(LinuxMsgInfo) == 32);

struct SharedQueue : MessageQueue {
  static constexpr Kind kKind = Kind::kMessages;
};
using OpenQueue = Opened<SharedQueue>;

class WantedQueue final : public WantedRecord<SharedQueue> {
 public:
  explicit WantedQueue(SharedQueue& first) : WantedRecord(first) {
    first.most = MessageQueue::kTextAtFirst;
    first.changed_at = Seconds();
  }
  std::int64_t Matches(I32) const override { return 0; }
};

// Calls attempt(queue), which says kAgain if it must wait, and then has changed nothing. Waits, if
// it may, until it says something else.
template <typename Attempt>
std::int64_t Retry(Thread& thread, I32 id, bool may_wait, std::int64_t otherwise, Attempt attempt) {
  return UntilDone(thread, [&](Sleeper& sleeper) {
    OpenQueue queue;
    if (const std::int64_t error = queue.Open(id, Access::kChange)) {
      return error;
    }
    const std::int64_t answer = attempt(queue);
    if (answer != kAgain) {
      return answer;
    }
    if (!may_wait) {
      return otherwise;
    }
    const std::int64_t slept = queue.Wait(id, {thread.tid, 0, 0}, false, true, sleeper, 0);
    return slept != 0 ? slept : kAgain;
  });
}

std::int64_t Show(OpenQueue& queue, I32 id, Address address) {
  LinuxQueueDescriptor shown{};
  sysv::Fill(Kind::kMessages, id, queue.attributes(), &shown.permissions);
  shown.sent_at = queue->sent_at;
  shown.received_at = queue->received_at;
  shown.changed_at = queue->changed_at;
  shown.bytes = queue->bytes;
  shown.count = queue->count;
  shown.most = queue->most;
  shown.last_sender = queue->last_sender;
  shown.last_receiver = queue->last_receiver;
  return WriteUser(address, shown) ? 0 : -kEFAULT;
}

// What may be, or (MSG_INFO) also what is.
std::int64_t ShowInfo(bool used, Address address) {
  constexpr I32 kQueuesMost = 32000;
  constexpr auto kBytes = static_cast<I32>(MessageQueue::kTextAtFirst);
  LinuxMsgInfo info{kQueuesMost * (kBytes / 1024),
                    kBytes,
                    MessageQueue::kTextMost,
                    kBytes,
                    kQueuesMost,
                    16,
                    kBytes,
                    0xffff};
  U64 queues = 0, count = 0, bytes = 0;
  Objects objects(Kind::kMessages);
  for (I32 id; (id = objects.Next()) >= 0; ++queues) {
    OpenQueue queue;
    if (used && queue.Open(id, Access::kRead) == 0) {
      count += queue->count;
      bytes += queue->bytes;
    }
  }
  if (used) {
    info.pool = static_cast<I32>(queues);
    info.map = static_cast<I32>(count);
    info.messages_most = static_cast<I32>(bytes);
  }
  return WriteUser(address, info) ? HighestIndex(queues) : -kEFAULT;
}

std::int64_t ChangePermissions(I32 id, Address address) {
  LinuxQueueDescriptor wanted;
  if (!ReadUser(&wanted, address)) {
    return -kEFAULT;
  }
  if (const std::int64_t error = sysv::Change(Kind::kMessages, id, wanted.permissions)) {
    return error;
  }
  OpenQueue queue;
  if (queue.Open(id, Access::kChange) == 0) {
    constexpr U64 kMost = MessageQueue::kRoom / 2;
    queue->most = wanted.most < kMost ? wanted.most : kMost;
    queue->changed_at = Seconds();
    return queue.Close(true) ? 0 : -kENOMEM;
  }
  return 0;
}

}  // namespace

Reply MsgGet(Thread&, I32 key, U32 flags) {
  Buffer memory(sizeof(SharedQueue));
  if (!memory) {
    return -kENOMEM;
  }
  std::memset(memory.data(), 0, SharedQueue::HeadSize());
  return sysv::Get(Kind::kMessages, key, flags, WantedQueue(*memory.As<SharedQueue>()));
}

Reply MsgSend(Thread& thread, I32 id, Address message, U64 size, U32 flags) {
  I64 type = 0;
  if (!ReadUser(&type, message)) {
    return -kEFAULT;
  }
  if (size > MessageQueue::kTextMost || id < 0 || type < 1) {
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
    if (!queue->Put({type, size}, text.data())) {
      return kAgain;
    }
    queue->last_sender = thread.task->pid;
    queue->sent_at = Seconds();
    return queue.Close(true) ? std::int64_t{0} : -std::int64_t{kENOMEM};
  });
}

Reply MsgReceive(Thread& thread, I32 id, Address message, U64 size, I64 type, U32 flags) {
  if (static_cast<I64>(size) < 0 || id < 0) {
    return -kEINVAL;
  }
  return Retry(thread, id, (flags & kIpcNoWait) == 0, -kENOMSG, [&](OpenQueue& queue) {
    const U64 at = queue->Find(type, (flags & kExcept) != 0);
    if (at == MessageQueue::kNowhere) {
      return kAgain;
    }
    const MessageQueue::Message head = queue->At(at);
    if (head.size > size && (flags & kNoError) == 0) {
      return -std::int64_t{kE2BIG};
    }
    const U64 given = head.size < size ? head.size : size;
    Buffer text(given);
    if (!text) {
      return -std::int64_t{kENOMEM};
    }
    std::memcpy(text.data(), queue->TextAt(at), given);
    queue->Drop(at);
    queue->last_receiver = thread.task->pid;
    queue->received_at = Seconds();
    if (!queue.Close(true)) {
      return -std::int64_t{kENOMEM};  // it is still there
    }
    // Taken whether or not it can be stored, as Linux has it.
    const bool stored =
        WriteUser(message, head.type) && CopyOut(message + sizeof(head.type), text.data(), given);
    return stored ? static_cast<std::int64_t>(given) : -std::int64_t{kEFAULT};
  });
}

Reply MsgControl(Thread&, I32 id, U32 command, Address buffer) {
  command &= 0xff;
  if (command == kIpcRemove) {
    return OpenQueue::RemoveAndTell(id);
  }
  if (command == kIpcSet) {
    return ChangePermissions(id, buffer);
  }
  if (command == kIpcInfo || command == kMsgInfo) {
    return ShowInfo(command == kMsgInfo, buffer);
  }
  const bool by_index = command == kMsgStat || command == kMsgStatAny;
  if (command != kIpcStat && !by_index) {
    return -kEINVAL;
  }
  const std::int64_t found = by_index ? IdAt(Kind::kMessages, id) : id;
  if (found < 0) {
    return -kEINVAL;
  }
  OpenQueue queue;
  std::int64_t error = queue.Open(static_cast<I32>(found), Access::kRead);
  error = error != 0 ? error : Show(queue, static_cast<I32>(found), buffer);
  return error == 0 && by_index ? found : error;
}

}  // namespace k42::personality::calls
