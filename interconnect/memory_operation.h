// Puts, gets and atomics between two arenas that this process has mapped.
#pragma once

#include "interconnect/arena.h"
#include "interconnect/transport.h"

namespace k42::interconnect {

// What a kind of request needs of a window; 0: it names none.
std::uint32_t AccessNeeded(OperationKind kind);
// Bytes of the window that a request touches.
std::uint64_t RemoteLength(const Request& request);

// Local and remote place of a request, checked.
struct Places {
  std::byte* local = nullptr;  // kPut, kPutNotify, kGet
  std::byte* remote = nullptr;
};
Status CheckLocal(Arena& own, const Request& request);
Status FindPlaces(Arena& own, Arena& peers, PeerId self, const Request& request, Places* places);

// Does it. Returns an atomic's old value.
std::uint64_t Perform(const Request& request, const Places& places);

// A fault, for tests: the next large put that this process performs itself stops the process
// (SIGSTOP) when half the bytes are there, after all checks. Whoever continues the process lets the
// rest land, whatever has happened meanwhile.
inline constexpr std::uint32_t kHeldPut = 4096;  // bytes; smaller ones pass
void HoldNextPut();

}  // namespace k42::interconnect
