#include "sched/run_queue.h"

namespace k42::sched {

Entity* RunQueue::First() const {
  for (const List& list : bands_) {
    if (Entity* entity = list.Front())
      return entity;
  }
  return nullptr;
}

void RunQueue::Insert(Entity* entity) {
  List& list = ListOf(entity->band);
  // From the back: whoever was preempted has used most, and belongs there.
  Entity* before = list.Back();
  while (before != nullptr && entity->usage < before->usage) before = list.Previous(before);
  if (before == nullptr)
    list.PushFront(entity);
  else
    list.InsertAfter(before, entity);
  ++count_;
}

void RunQueue::Remove(Entity* entity) {
  List::Remove(entity);
  --count_;
}

Entity* RunQueue::TakeFirst() {
  Entity* entity = First();
  if (entity != nullptr)
    Remove(entity);
  return entity;
}

void RunQueue::StartLevel(Entity* entity, const Entity* running) const {
  const Entity* level = ListOf(entity->band).Front();
  if (level == nullptr && running != nullptr && running->band == entity->band)
    level = running;
  if (level != nullptr && entity->usage < level->usage)
    entity->usage = level->usage;
}

bool RunQueue::Preempts(const Entity& running, std::uint64_t now_ns) const {
  const Entity* first = First();
  if (first == nullptr || first->band > running.band)
    return false;
  if (first->band < running.band)
    return true;
  const std::uint64_t epoch = EpochOf(now_ns);
  return first->usage.At(epoch) + kWakeMargin < running.usage.At(epoch);
}

bool RunQueue::HasCompetitor(const Entity& running) const {
  const Entity* first = First();
  return first != nullptr && first->band <= running.band;
}

}  // namespace k42::sched
