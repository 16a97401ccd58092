// Waits for other CPUs, which nobody watches here; see
// platform/x86_64/kernel/machine/answer_wait.h.
#pragma once

#include "platform/contract/answer_wait.h"

namespace k42::machine {

inline void BeginAnswerWait(AnswerWait&) {}
inline void EndAnswerWait(AnswerWait&) {}

}  // namespace k42::machine
