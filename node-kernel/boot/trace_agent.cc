#include "boot/trace_agent.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "base/format.h"
#include "boot/start_trace.h"
#include "machine/cpu.h"
#include "trace/trace.h"

namespace k42::boot {
namespace {

constexpr std::size_t kLongestLine = 200;

Bytes BytesOfText(const char* text, std::size_t size) {
  return {reinterpret_cast<const std::byte*>(text), size};
}

}  // namespace

Status TraceAgent::Start(global::LinkControl& control) {
  control_ = &control;
  thread_ = TRY(machine::Thread::Create("trace", Serve, this, 0));
  control.SetHandler(abi::ControlKind::kTraceDump, *this);
  control.SetHandler(abi::ControlKind::kTraceMask, *this);
  return Status::kOk;
}

void TraceAgent::OnControl(abi::ControlKind kind, std::uint64_t number, Bytes payload) {
  const bool too_long = payload.size() > sizeof names_;
  if (busy_ || too_long) {
    const auto why = static_cast<std::int64_t>(too_long ? Status::kInvalidArgument : Status::kBusy);
    (void)control_->Send(abi::ControlKind::kTraceEnd, number, BytesOf(why));
    return;
  }
  busy_ = true;
  wanted_ = kind;
  number_ = number;
  names_size_ = payload.size();
  if (names_size_ != 0)
    std::memcpy(names_, payload.data(), names_size_);
  thread_->Unblock();
}

void TraceAgent::Serve(void* agent) {
  auto& self = *static_cast<TraceAgent*>(agent);
  for (;;) {
    while (!self.busy_) machine::Thread::BlockExternal();
    self.Answer();
    self.busy_ = false;
  }
}

void TraceAgent::Answer() {
  const auto status =
      static_cast<std::int64_t>(wanted_ == abi::ControlKind::kTraceDump ? Dump() : ChangeMask());
  (void)SendMessage(abi::ControlKind::kTraceEnd, BytesOf(status));
}

Status TraceAgent::ChangeMask() {
  const std::string_view names(names_, names_size_);
  if (!names.empty()) {
    const std::uint32_t mask = trace::ParseMask(names);
    if (mask == 0 && names != "none")
      return Status::kInvalidArgument;
    SetTraceMask(mask);
  }
  text_size_ = trace::MaskNames(trace::GetMask(), text_);
  (void)Flush();
  return Status::kOk;
}

Status TraceAgent::Dump() {
  const std::uint32_t mask = trace::GetMask();
  trace::SetMask(0);
  bool listened_to = true;
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount() && listened_to; ++cpu) {
    const trace::CpuBuffer* buffer = trace::BufferOf(cpu);
    if (buffer == nullptr)
      continue;
    buffer->ForEach([&](std::uint64_t time, const trace::Header& header,
                        std::span<const std::uint64_t> arguments) {
      if (!listened_to || header.number == trace::kBlockStart.info.number)
        return;
      if (kPiece - text_size_ < kLongestLine)
        listened_to = Flush();
      const std::span<char> line(text_ + text_size_, kLongestLine - 1);
      std::size_t size = std::min(line.size(), Format(line, "{} {} ", time, cpu));
      size += trace::Describe(header, arguments, line.subspan(size));
      line[std::min(size, line.size() - 1)] = '\n';
      text_size_ += std::min(size + 1, line.size());
    });
  }
  if (listened_to)
    listened_to = Flush();
  text_size_ = 0;
  trace::SetMask(mask);
  return listened_to ? Status::kOk : Status::kEndpointDown;
}

bool TraceAgent::Flush() {
  const std::size_t size = std::exchange(text_size_, 0);
  return size == 0 || SendMessage(abi::ControlKind::kTraceText, BytesOfText(text_, size));
}

bool TraceAgent::SendMessage(abi::ControlKind kind, Bytes payload) {
  message_.agent = this;
  message_.channel = abi::Channel::kControl;
  message_.peer = {abi::kDaemonNode, 0};
  message_.frame = {};
  message_.frame.kind = abi::FrameKind::kControl;
  message_.frame.method = static_cast<std::uint32_t>(kind);
  message_.frame.sequence = number_;
  message_.payload = payload;
  message_.done = [](global::LinkRequest& request) {
    TraceAgent& agent = *static_cast<Message&>(request).agent;
    agent.under_way_ = false;
    agent.thread_->Unblock();
  };
  under_way_ = true;
  port_.Submit(message_);
  while (under_way_) machine::Thread::BlockExternal();
  return message_.outcome == abi::Outcome::kDone;
}

}  // namespace k42::boot
