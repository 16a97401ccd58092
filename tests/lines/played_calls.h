// Native calls of the processes whose programs are never run (counting_processes.h): what is said
// on a thread that serves the dispatcher whose CPU this is, as if it had come by `syscall`.
#pragma once

#include "lines/counting_processes.h"

namespace k42::test {

template <typename Method>
void Native(machine::TrapFrame& frame, abi::Handle handle, Method method) {
  frame.rax = abi::NativeNumber(handle, static_cast<std::uint32_t>(method));
  proc::OnNativeCall(&frame);
  machine::DisableInterrupts();
  sched::CpuScheduler::OnBeforeUser(&frame);
  machine::EnableInterrupts();
}

// Exports an object of one method without arguments, and waits for calls: does not come back.
inline void Serve(proc::Exporter& exporter, cobj::ObjectRef* served) {
  proc::ProcessDispatcher& server = *proc::ProcessDispatcher::Current();
  abi::DispatcherEntries entries = {};
  entries.call_entry = abi::kImageBase;
  EXPECT_EQ(server.scheduled().SetEntries(entries), Status::kOk);
  EXPECT_TRUE(exporter.OpenCalls(4, 0).ok());
  const abi::ServedMethod method = {};
  proc::ExportRequest request = {};
  request.rights = kAllRights;
  const auto handle = exporter.Export(CountingProcesses::CallOf(server.process()), request,
                                      BufferIn::Kernel(&method, sizeof(method)));
  EXPECT_EQ(server.process().handles().Resolve(handle.value(), served), Status::kOk);
  machine::TrapFrame frame = {};
  Native(frame, abi::kDispatcherHandle, abi::DispatcherCall::kServe);
}

}  // namespace k42::test
