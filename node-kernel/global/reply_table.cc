#include "global/reply_table.h"

#include <cstring>

namespace k42::global {

ReplyTable::~ReplyTable() {
  for (Entry& entry : entries_) Drop(entry);
}

void ReplyTable::Drop(Entry& entry) {
  if (entry.reply != nullptr)
    allocator_.Free(entry.reply, entry.size);
  entry = {};
}

ReplyTable::Entry* ReplyTable::Find(std::uint64_t sequence) {
  for (Entry& entry : entries_)
    if (entry.sequence == sequence)
      return &entry;
  return nullptr;
}

ReplyTable::Verdict ReplyTable::Admit(std::uint64_t sequence) {
  if (sequence == 0)
    return Verdict::kForgotten;
  if (const Entry* entry = Find(sequence))
    return entry->done ? Verdict::kDone : Verdict::kExecuting;
  if (sequence <= forgotten_)
    return Verdict::kForgotten;
  Entry* room = Find(0);
  if (room == nullptr) {
    for (Entry& entry : entries_)
      if (entry.done && (room == nullptr || entry.sequence < room->sequence))
        room = &entry;
    if (room == nullptr)
      return Verdict::kFull;
    if (forgotten_ < room->sequence)
      forgotten_ = room->sequence;
    Drop(*room);
    if (sequence <= forgotten_)
      return Verdict::kForgotten;  // older than what had to go for it
  }
  room->sequence = sequence;
  return Verdict::kNew;
}

void ReplyTable::Answer(std::uint64_t sequence, Bytes reply) {
  Entry* entry = Find(sequence);
  if (entry == nullptr || entry->done)
    return;
  entry->done = true;
  entry->reply = static_cast<std::byte*>(allocator_.Allocate(reply.size(), alignof(std::uint64_t)));
  if (entry->reply == nullptr)
    return;
  entry->size = reply.size();
  std::memcpy(entry->reply, reply.data(), reply.size());
}

Bytes ReplyTable::ReplyOf(std::uint64_t sequence) const {
  for (const Entry& entry : entries_)
    if (entry.sequence == sequence && entry.done)
      return Bytes(entry.reply, entry.size);
  return {};
}

}  // namespace k42::global
