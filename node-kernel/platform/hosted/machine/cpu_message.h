// Messages between virtual CPUs; see platform/x86_64/kernel/machine/cpu_message.h.
#pragma once

#include "platform/contract/types.h"

namespace k42::machine {

struct CpuMessage {
  using Handler = void (*)(CpuMessage*);
  CpuMessage* next = nullptr;  // the queue's
  Handler handler = nullptr;
};

void Send(CpuId cpu, CpuMessage* message);

}  // namespace k42::machine
