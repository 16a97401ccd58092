// What processes need from their surroundings. boot/ makes the node's one (StartProcesses); hosted
// tests make their own.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/allocator.h"
#include "cobj/interface_info.h"
#include "ipc/ticket_sink.h"
#include "mem/fcm_pinned.h"
#include "mem/services.h"
#include "proc/image.h"
#include "proc/task_table.h"
#include "proc/trace_buffers.h"
#include "proc/unserved_calls.h"
#include "proc/word_waiters.h"

namespace k42::proc {

class ProcessServices {
 public:
  ProcessServices(mem::MemoryServices& memory_in, Allocator& allocator_in)
      : memory(memory_in),
        allocator(allocator_in),
        tasks(allocator_in),
        words(allocator_in),
        traces(memory_in) {}

  mem::MemoryServices& memory;
  Allocator& allocator;
  TaskTable tasks;
  ipc::TicketSinks sinks;
  WordWaiters words;
  TraceBuffers traces;
  UnservedCalls unserved;
  ImageSet images;
  mem::FcmPinned* time_page = nullptr;
  // Granted to every process under its index (abi/native_call.h); empty ones are left out.
  cobj::ObjectRef fixed[abi::kFirstFreeHandleIndex] = {};
  void (*power_off)(std::uint32_t status) = nullptr;
  // A process has ended. Any thread, any CPU.
  void (*process_ended)(std::uint32_t number, ExitKind kind, std::uint32_t code) = nullptr;
  // The first process has ended.
  void (*first_ended)(ExitKind kind, std::uint32_t code) = nullptr;
};

// The node's; set by boot/ before the first process.
extern constinit ProcessServices* node_processes;

}  // namespace k42::proc
