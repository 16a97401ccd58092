#include "machine/answer_wait.h"

#include "cpu_state.h"

namespace k42::machine {

void BeginAnswerWait(AnswerWait& wait) {
  AnswerWait*& first = ThisCpuState().waits;
  wait.next = first;
  wait.link = &first;
  if (first != nullptr) {
    first->link = &wait.next;
  }
  first = &wait;
}

void EndAnswerWait(AnswerWait& wait) {
  *wait.link = wait.next;
  if (wait.next != nullptr) {
    wait.next->link = wait.link;
  }
}

}  // namespace k42::machine
