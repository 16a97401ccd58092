// A System V message queue as it stands in its record, and what calls do to it. Pure.
//
// Behind the head stand the messages, one after the other: type, size, text rounded up to eight
// bytes.
#pragma once

#include <cstddef>

#include "user/linux/sysv_waiters.h"

namespace k42::personality::calls::sysv {

struct MessageQueue {
  static constexpr U64 kTextMost = 8192;      // of a message
  static constexpr U64 kTextAtFirst = 16384;  // that may wait
  static constexpr U64 kRoom = 128 * 1024;    // of messages with what goes with them
  static constexpr U64 kNowhere = ~U64{0};

  struct Message {
    I64 type;
    U64 size;
    U64 room() const { return sizeof(Message) + ((size + 7) & ~U64{7}); }
  };

  static constexpr std::size_t HeadSize() { return offsetof(MessageQueue, messages); }
  std::size_t size() const { return HeadSize() + used; }
  bool HeadIsValid() const { return used <= kRoom && waiters.IsValid(); }
  // The messages fill what is used, and are as many and as much as the head says.
  bool IsValid() const;

  Message At(U64 offset) const;
  const unsigned char* TextAt(U64 offset) const { return messages + offset + sizeof(Message); }
  // Where the message is that `type` asks for, or, with `other`, one of any other type.
  U64 Find(I64 type, bool other) const;
  // False: no room.
  bool Put(const Message& message, const void* text);
  void Drop(U64 offset);

  U64 most;   // bytes of text
  U64 bytes;  // of text that waits
  U64 count;
  U64 used;  // bytes of `messages`
  I32 last_sender, last_receiver;
  I64 sent_at, received_at, changed_at;
  Waiters waiters;
  unsigned char messages[kRoom];
};

}  // namespace k42::personality::calls::sysv
