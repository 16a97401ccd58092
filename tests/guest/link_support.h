// What tests over the link share: waiting by the clock, for the daemon, for the other members.
#pragma once

#include "boot/start_link.h"
#include "global/pause.h"
#include "machine/boot_info.h"

namespace k42::guest {

inline constexpr std::uint64_t kSecond = 1'000'000'000;

inline bool WaitUntilUp() {
  for (int i = 0; i < 300 && !boot::TheLink().Up(); ++i) global::Pause(kSecond / 10);
  return boot::TheLink().Up();
}

inline std::uint32_t MemberCount() {
  std::uint32_t count = 0;
  for (auto at = boot::TheView().Next(0); at.node != 0; at = boot::TheView().Next(at.node)) ++count;
  return count;
}

// How many the boot option `members` wants; 0: it is not there.
inline std::uint32_t MembersWanted() {
  std::uint32_t wanted = 0;
  for (const char c : machine::BootOption("members", ""))
    wanted = wanted * 10 + static_cast<std::uint32_t>(c - '0');
  return wanted;
}

// True when the view has as many members as that.
inline bool WaitForMembers() {
  for (int i = 0; i < 600 && MemberCount() < MembersWanted(); ++i) global::Pause(kSecond / 10);
  return MemberCount() == MembersWanted();
}

}  // namespace k42::guest
