#include "global/names_client.h"

#include <cstring>

#include "machine/clock.h"
#include "machine/timer.h"

namespace k42::global {

Status NameClient::Lookup(std::string_view path, std::uint64_t deadline_ns, NameBinding* found) {
  return Ask(abi::NameAction::kLookup, 0, path, {}, deadline_ns, found);
}

Result<std::uint64_t> NameClient::Bind(std::string_view path, std::string_view value,
                                       std::uint64_t version, std::uint64_t deadline_ns) {
  NameBinding made;
  TRY(Ask(abi::NameAction::kBind, version, path, value, deadline_ns, &made));
  return made.version;
}

Status NameClient::Unbind(std::string_view path, std::uint64_t version, std::uint64_t deadline_ns) {
  NameBinding gone;
  return Ask(abi::NameAction::kUnbind, version, path, {}, deadline_ns, &gone);
}

bool NameClient::Answered(const Wait& wait) {
  const machine::SpinGuard guard(lock_);
  return wait.answered;
}

Status NameClient::Ask(abi::NameAction action, std::uint64_t version, std::string_view path,
                       std::string_view value, std::uint64_t deadline_ns, NameBinding* found) {
  if (path.empty() || path.size() > abi::kNamePathMax || value.size() > abi::kNameValueMax)
    return Status::kInvalidArgument;
  struct {
    abi::NameRequest head;
    char text[abi::kNamePathMax + abi::kNameValueMax];
  } message;
  message.head = {};
  message.head.action = action;
  message.head.version = version;
  message.head.path_size = static_cast<std::uint32_t>(path.size());
  message.head.value_size = static_cast<std::uint32_t>(value.size());
  path.copy(message.text, path.size());
  value.copy(message.text + path.size(), value.size());
  const Bytes bytes = AsBytes(&message, sizeof message.head + path.size() + value.size());

  Wait wait;
  wait.number = last_number_.fetch_add(1, std::memory_order_relaxed) + 1;
  wait.thread = machine::Thread::Current();
  wait.found = found;
  {
    const machine::SpinGuard guard(lock_);
    waits_.PushBack(&wait);
  }
  machine::Timer timer;
  Status sent = Status::kOk;
  std::uint64_t next_send = 0;
  while (!Answered(wait)) {
    const std::uint64_t now = machine::MonotonicNs();
    if (now >= deadline_ns)
      break;
    if (now >= next_send) {
      sent = control_.Send(abi::ControlKind::kNameRequest, wait.number, bytes);
      if (sent == Status::kUnavailable)
        break;
      next_send = now + kResendNs;
    }
    timer.Arm(
        next_send < deadline_ns ? next_send : deadline_ns,
        [](void* thread) { static_cast<machine::Thread*>(thread)->Unblock(); }, wait.thread);
    machine::Thread::BlockExternal();
  }
  const machine::SpinGuard guard(lock_);
  wait.Unlink();
  return wait.answered || sent == Status::kOk ? wait.status : sent;
}

void NameClient::OnControl(abi::ControlKind, std::uint64_t number, Bytes payload) {
  const auto answer = ReadAt<abi::NameAnswer>(payload, 0);
  const machine::SpinGuard guard(lock_);
  for (Wait& wait : waits_) {
    if (wait.number != number || wait.answered)
      continue;
    wait.answered = true;
    if (!answer.ok() || answer.value().value_size > abi::kNameValueMax ||
        payload.size() != sizeof(abi::NameAnswer) + answer.value().value_size ||
        answer.value().status > 0) {
      wait.status = Status::kCorrupt;
    } else {
      const abi::NameAnswer& head = answer.value();
      wait.status = static_cast<Status>(head.status);
      wait.found->version = head.version;
      wait.found->owner = {head.owner_node, head.owner_incarnation};
      wait.found->size = head.value_size;
      std::memcpy(wait.found->value, payload.data() + sizeof head, head.value_size);
    }
    wait.thread->Unblock();
  }
}

}  // namespace k42::global
