// epoll: a set of watched descriptions.
//
// States of an item: armed (its watch waits), or queued (on the ready list). A watch that fires
// moves its item from armed to queued. epoll_wait takes items off the ready list, looks at them,
// reports what it finds, and arms or queues them again:
//   level-triggered   reported -> queued again (it may still be ready); found idle -> armed
//   edge-triggered    reported -> armed for the next edge after the word that was reported
//   one-shot          reported -> neither, until EPOLL_CTL_MOD
// There are only so many tickets: one more to be watched is refused. If one that has been watched
// finds none to be armed again, it stays queued, and whoever waits looks again by himself.
// The item holds no reference to its description: closing the last descriptor removes it (Linux's
// rule is about descriptions too). It is found by its descriptor number and description.
#pragma once

#include <cstdint>

#include "user/linux/description.h"

namespace k42::personality {

class Epoll;

struct EpollItem final : Watch {
  EpollItem() : Watch(false) {}
  void Ready() override;

  Epoll* epoll = nullptr;
  Description* description = nullptr;
  std::uint32_t fd = 0;
  std::uint32_t events = 0;
  std::uint64_t data = 0;
  std::uint64_t since = abi::kArmLevel;
  bool queued = false;
  bool disabled = false;  // one-shot, reported
  ListLink<EpollItem> item_link;
  ListLink<EpollItem> ready_link;
};

struct __attribute__((packed)) LinuxEpollEvent {
  std::uint32_t events;
  std::uint64_t data;
};
static_assert(sizeof(LinuxEpollEvent) == 12);

// EpollFlag.
inline constexpr std::uint32_t kEpollOneShot = 1u << 30, kEpollEdge = 1u << 31,
                               kEpollExclusive = 1u << 28, kEpollWakeUp = 1u << 29;

class Epoll final : public LocalDescription {
 public:
  static Epoll* Create(std::uint32_t linux_flags);

  std::int64_t Add(Description* description, std::uint32_t fd, const LinuxEpollEvent& event);
  std::int64_t Modify(Description* description, std::uint32_t fd, const LinuxEpollEvent& event);
  std::int64_t Remove(Description* description, std::uint32_t fd);
  // Up to `count` ready events; 0 if there are none now.
  std::uint32_t Collect(LinuxEpollEvent* events, std::uint32_t count);
  // After Collect has found nothing: some are watched by nobody.
  bool must_look_again() const { return !ready_.empty(); }

  std::uint64_t Poll() override;
  void Forked() override;

  // The description is about to go: forget it everywhere.
  static void DescriptionGone(Description* description);
  // In a forked child, once it is known what stays open: what was watched is watched again.
  static void WatchAgain();

 private:
  friend struct EpollItem;
  template <typename T, typename... A>
  friend T* New(A&&...);
  explicit Epoll(std::uint32_t linux_flags) : LocalDescription(Kind::kEpoll, linux_flags) {}
  void Destroy() override;
  EpollItem* Find(const Description* description, std::uint32_t fd) const;
  Status Arm(EpollItem* item);
  // Of one that is in no list: what cannot be watched (any more) is looked at by each call.
  void ArmOrQueue(EpollItem* item);
  void Queue(EpollItem* item);
  void Drop(EpollItem* item);

  List<EpollItem, &EpollItem::item_link> items_;
  List<EpollItem, &EpollItem::ready_link> ready_;

 public:
  ListLink<Epoll> epoll_link;
};

}  // namespace k42::personality
