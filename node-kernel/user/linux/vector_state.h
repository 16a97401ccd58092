// Vector registers of threads. The personality uses none, so they stay where they are while one
// thread calls; they are saved when another thread is about to run its program.
#pragma once

#include "user/linux/thread.h"

namespace k42::personality {

// The state components we keep: x87, SSE, AVX (what fits abi::kVectorStateSize).
inline constexpr std::uint32_t kVectorComponents = 7;

// The bytes of the state this processor writes for those components.
std::uint32_t VectorStateBytes();

// Makes the registers hold `thread`'s state.
void LoadVectorState(Thread* thread);
// Makes thread->vector hold its state (the registers stay as they are).
void StoreVectorState(Thread* thread);
// thread->vector has been changed: load it before the program runs.
void VectorStateChanged(Thread* thread);
// The state a new program or a signal handler starts with.
void InitialVectorState(Thread* thread);
// What a floating point exception of the thread's program was: a code of SIGFPE. `simd`: by MXCSR,
// else by the x87's words.
std::int32_t FloatingPointCode(Thread* thread, bool simd);
// Whether `state` may be loaded without a fault; clears what must not be in it.
bool SanitizeVectorState(unsigned char* state);

}  // namespace k42::personality
