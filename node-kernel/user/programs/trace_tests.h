// Tests of a program's trace buffer, as the program sees it: its own, misused, and not to be had.
#pragma once

#include <cstring>

#include "user/programs/checks.h"
#include "user/runtime/fork.h"
#include "user/runtime/trace.h"

namespace k42::runtime {

// A class mask with everything on: what is recorded is up to the test.
inline constexpr std::atomic<std::uint32_t> kTraceAll{~0u};

inline std::uint64_t TraceState(trace::UserBuffer* buffer) {
  return *reinterpret_cast<std::uint64_t*>(buffer);
}

// Each process's own; a child's begins empty, and what it records is not in the parent's.
inline void TraceBuffers() {
  trace::UserBuffer* buffer = TraceBuffer();
  CHECK(buffer != nullptr);
  CHECK(TraceBuffer() == buffer);
  CHECK(TraceState(buffer) == 0);
  runtime::Log(trace::kUserMark, 1, 2, 3);  // nothing is recorded of a class that is off
  CHECK(TraceState(buffer) == 0);
  runtime::Log(kTraceAll, trace::kUserMark, 1, 2, 3);
  const std::uint64_t state = TraceState(buffer);
  CHECK(state >> 32 == 1);
  const auto child = Fork();
  CHECK(child.ok());
  if (child.ok() && child.value() == 0) {
    const bool empty = TraceBuffer() != nullptr && TraceState(TraceBuffer()) == 0;
    runtime::Log(kTraceAll, trace::kUserMark, 4, 5, 6);
    runtime::Log(kTraceAll, trace::kUserMark, 7, 8, 9);
    Exit(empty && TraceState(TraceBuffer()) >> 32 == 2 ? 0 : 1);
  }
  const auto ended = WaitFor(child.value());
  CHECK(ended.ok() && ended.value().kind == proc::ExitKind::kExited && ended.value().code == 0);
  CHECK(TraceState(buffer) == state);
}

// Nonsense all over the own buffer, recorded on, taken along into a fork and left at the end: the
// kernel never looks into it, and nobody else has it. The next owners of the memory find it empty.
inline void TraceScribble() {
  trace::UserBuffer* mine = TraceBuffer();
  CHECK(mine != nullptr);
  const std::uint64_t state = TraceState(mine);
  constexpr std::uint32_t kRounds = 80;  // more than there are entries: all are used again
  for (std::uint32_t round = 0; round < kRounds; ++round) {
    const auto child = Fork();
    CHECK(child.ok());
    if (!child.ok())
      return;
    if (child.value() == 0) {
      trace::UserBuffer* buffer = TraceBuffer();
      if (buffer == nullptr || TraceState(buffer) != 0)
        Exit(1);
      auto* words = reinterpret_cast<std::uint64_t*>(buffer);
      std::uint64_t random = round + 1;
      for (std::size_t i = 0; i < sizeof(trace::UserBuffer) / 8; ++i) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        words[i] = round % 2 == 0 ? ~std::uint64_t{0} : random >> random % 64;
      }
      for (int i = 0; i < 2000; ++i) runtime::Log(kTraceAll, trace::kUserMark, 1, 2, 3);
      const auto grandchild = Fork();
      if (grandchild.ok() && grandchild.value() == 0)
        Exit(TraceBuffer() != nullptr && TraceState(TraceBuffer()) == 0 ? 3 : 2);
      const auto ended = WaitFor(grandchild.ValueOr(0));
      if (!ended.ok() || ended.value().code != 3)
        Exit(2);
      // And without it: what is mapped there is the program's to take away.
      Exit(round % 3 == 0 && kProcess.Unmap(reinterpret_cast<std::uint64_t>(buffer),
                                            sizeof(trace::UserBuffer)) != Status::kOk
               ? 4
               : 0);
    }
    const auto ended = WaitFor(child.value());
    CHECK(ended.ok() && ended.value().kind == proc::ExitKind::kExited && ended.value().code == 0);
  }
  CHECK(TraceState(mine) == state);
}

// More processes than there are buffers: the others record nothing, and go on. When some have
// ended, there are buffers again.
inline void TraceRefused() {
  CHECK(TraceBuffer() != nullptr);  // one of them
  constexpr std::uint32_t kChildren = trace::kMaxUserTraces + 6;
  struct Shared {
    std::atomic<std::uint32_t> given, refused, over;
  };
  proc::MapRequest request = {};
  request.length = 4096;
  request.protection = proc::kMapRead | proc::kMapWrite;
  request.flags = proc::kMapShared;
  const auto mapped = kProcess.Map(request, 0);
  CHECK(mapped.ok());
  auto& shared = *reinterpret_cast<Shared*>(mapped.value());
  std::uint32_t children[kChildren];
  for (std::uint32_t& task : children) {
    const auto child = Fork();
    CHECK(child.ok());
    if (child.ok() && child.value() == 0) {
      (TraceBuffer() != nullptr ? shared.given : shared.refused).fetch_add(1);
      runtime::Log(kTraceAll, trace::kUserMark, 1, 2, 3);
      while (shared.over.load() == 0) Sleep(kMs);
      Exit(0);
    }
    task = child.ValueOr(0);
  }
  const std::uint64_t until = Now() + 20'000 * kMs;
  while (shared.given.load() + shared.refused.load() < kChildren && Now() < until) Sleep(kMs);
  CHECK(shared.given.load() == trace::kMaxUserTraces - 1);
  CHECK(shared.refused.load() == kChildren - (trace::kMaxUserTraces - 1));
  shared.over.store(1);
  for (const std::uint32_t task : children) {
    const auto ended = WaitFor(task);
    CHECK(ended.ok() && ended.value().kind == proc::ExitKind::kExited && ended.value().code == 0);
  }
  const auto child = Fork();
  if (child.ok() && child.value() == 0)
    Exit(TraceBuffer() != nullptr ? 0 : 1);
  const auto ended = WaitFor(child.ValueOr(0));
  CHECK(ended.ok() && ended.value().code == 0);
  CHECK(kProcess.Unmap(mapped.value(), 4096) == Status::kOk);
}

}  // namespace k42::runtime
