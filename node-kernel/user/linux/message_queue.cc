#include "user/linux/message_queue.h"

#include <cstring>

namespace k42::personality::calls::sysv {

bool MessageQueue::IsValid() const {
  U64 at = 0, found = 0, text = 0;
  while (at < used) {
    if (used - at < sizeof(Message)) {
      return false;
    }
    const Message message = At(at);
    if (message.size > kTextMost || message.room() > used - at) {
      return false;
    }
    at += message.room();
    text += message.size;
    ++found;
  }
  return found == count && text == bytes;
}

MessageQueue::Message MessageQueue::At(U64 offset) const {
  Message message;
  std::memcpy(&message, messages + offset, sizeof(message));
  return message;
}

U64 MessageQueue::Find(I64 type, bool other) const {
  U64 found = kNowhere;
  I64 lowest = 0;
  for (U64 at = 0; at < used; at += At(at).room()) {
    const Message message = At(at);
    if (type == 0 || (type > 0 && (message.type == type) != other)) {
      return at;
    }
    // No more than the size of `type`: the most negative has none, and asks for any.
    if (type < 0 && (type == INT64_MIN || message.type <= -type) &&
        (found == kNowhere || message.type < lowest)) {
      found = at;
      lowest = message.type;
    }
  }
  return found;
}

bool MessageQueue::Put(const Message& message, const void* text) {
  if (bytes + message.size > most || count + 1 > most || message.room() > kRoom - used) {
    return false;
  }
  unsigned char* place = messages + used;
  std::memcpy(place, &message, sizeof(message));
  std::memcpy(place + sizeof(message), text, message.size);
  std::memset(place + sizeof(message) + message.size, 0,
              message.room() - sizeof(message) - message.size);
  used += message.room();
  bytes += message.size;
  ++count;
  return true;
}

void MessageQueue::Drop(U64 offset) {
  const Message message = At(offset);
  const U64 room = message.room();
  std::memmove(messages + offset, messages + offset + room, used - offset - room);
  used -= room;
  bytes -= message.size;
  --count;
}

}  // namespace k42::personality::calls::sysv
