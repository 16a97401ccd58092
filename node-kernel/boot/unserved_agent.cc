#include "boot/unserved_agent.h"

#include "abi/frame.h"
#include "base/format.h"
#include "mem/heap.h"

namespace k42::boot {
namespace {

// Every line at its longest: two numbers, a program, two spaces and a newline.
constexpr std::size_t kLine = 20 + 10 + proc::UnservedCalls::kProgram + 3;
constexpr std::size_t kRoom = kLine * (proc::UnservedCalls::kRows + 1);
static_assert(kRoom <= abi::kMaxMessage - sizeof(abi::Frame));

}  // namespace

void UnservedAgent::Start(proc::ProcessServices& services, global::LinkControl& control) {
  services_ = &services;
  control_ = &control;
  control.SetHandler(abi::ControlKind::kUnservedAsk, *this);
}

void UnservedAgent::OnControl(abi::ControlKind, std::uint64_t number, Bytes) {
  auto* text = static_cast<char*>(mem::Allocate(kRoom));
  if (text == nullptr)
    return;  // the daemon's asker has a limit of its own
  std::size_t size = 0;
  proc::UnservedCalls::Row row;
  for (std::size_t i = 0; services_->unserved.Get(i, &row); ++i)
    size += Format({text + size, kRoom - size}, "{} {} {}\n", row.count, row.number,
                   row.program_text());
  if (const std::uint64_t others = services_->unserved.others(); others != 0)
    size += Format({text + size, kRoom - size}, "{} 0 \n", others);
  (void)control_->Send(abi::ControlKind::kUnservedTell, number,
                       {reinterpret_cast<const std::byte*>(text), size});
  mem::Free(text, kRoom);
}

}  // namespace k42::boot
