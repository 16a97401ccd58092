// The list of waits for other CPUs; see platform/contract/answer_wait.h. Thread context, the same
// CPU for both.
#pragma once

#include "platform/contract/answer_wait.h"

namespace k42::machine {

void BeginAnswerWait(AnswerWait& wait);
void EndAnswerWait(AnswerWait& wait);

}  // namespace k42::machine
