// Messages between CPUs of one node.
//
// Send(cpu, message) makes message->handler(message) run on `cpu` in thread context, on its event
// loop: it must not wait for long, since it holds up later messages of that CPU's loop. Messages of
// one sender to one receiver are handled in the order sent. The message belongs to the receiver
// from Send until its handler starts; the handler may free or resend it. No allocation, no lock;
// one interrupt per change of the receiver's queue from empty to non-empty.
#pragma once

#include "platform/contract/types.h"

namespace k42::machine {

struct CpuMessage {
  using Handler = void (*)(CpuMessage*);
  CpuMessage* next = nullptr;  // the queue's
  Handler handler = nullptr;
};

// Any context. To one's own CPU too: the handler then runs when the present thread lets go.
void Send(CpuId cpu, CpuMessage* message);

}  // namespace k42::machine
