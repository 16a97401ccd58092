#include "boot/trace_agent.h"

#include <string_view>

#include "boot/start_trace.h"
#include "machine/cpu.h"
#include "trace/trace.h"

namespace k42::boot {

void TraceAgent::Start(global::LinkControl& control) {
  control_ = &control;
  control.SetHandler(abi::ControlKind::kTraceMask, *this);
  control.SetHandler(abi::ControlKind::kTraceClock, *this);
}

void TraceAgent::OnControl(abi::ControlKind kind, std::uint64_t number, Bytes payload) {
  if (kind == abi::ControlKind::kTraceMask)
    return ChangeMask(number, payload);
  const std::uint64_t cycles = machine::CycleCount();
  (void)control_->Send(abi::ControlKind::kTraceTime, number, BytesOf(cycles));
}

void TraceAgent::ChangeMask(std::uint64_t number, Bytes payload) {
  const std::string_view names(reinterpret_cast<const char*>(payload.data()), payload.size());
  auto status = static_cast<std::int64_t>(Status::kOk);
  if (!names.empty()) {
    const auto mask = names == "none" ? 0 : trace::ParseMask(names);
    if (!mask.has_value())
      status = static_cast<std::int64_t>(Status::kInvalidArgument);
    else
      SetTraceMask(*mask);
  }
  char text[256];
  const std::size_t size = trace::MaskNames(trace::GetMask(), text);
  (void)control_->Send(abi::ControlKind::kTraceText, number,
                       {reinterpret_cast<const std::byte*>(text), size});
  (void)control_->Send(abi::ControlKind::kTraceEnd, number, BytesOf(status));
}

}  // namespace k42::boot
