#include "boot/upgrade_agent.h"

#include <algorithm>
#include <cstring>

#include "abi/frame.h"
#include "abi/link_operation.h"
#include "boot/start_modules.h"
#include "machine/log.h"
#include "mem/heap.h"

namespace k42::boot {

using abi::ControlKind;

Status UpgradeAgent::Start(cobj::Upgrader& upgrader, global::LinkControl& control) {
  upgrader_ = &upgrader;
  control_ = &control;
  thread_ = TRY(machine::Thread::Create("upgrade", Serve, this, 0));
  for (const auto kind :
       {ControlKind::kUpgradeQuery, ControlKind::kUpgradeStep, ControlKind::kUpgradePiece})
    control.SetHandler(kind, *this);
  return Status::kOk;
}

// -- what the daemon says: CPU 0's link thread ----------------------------------------------------

void UpgradeAgent::OnControl(ControlKind kind, std::uint64_t number, Bytes payload) {
  switch (kind) {
    case ControlKind::kUpgradeStep:
      return BeginStep(number, payload);
    case ControlKind::kUpgradePiece:
      return TakePiece(number, payload);
    case ControlKind::kUpgradeQuery:
      if (number != 0)
        return TellOfStep(number);
      asked_ = true;
      question_ = number;
      return thread_->Unblock();
    default:
      return;
  }
}

void UpgradeAgent::BeginStep(std::uint64_t number, Bytes payload) {
  if (phase_ == Phase::kReady || phase_ == Phase::kWorking)
    return End(number, Status::kBusy, "another step is being carried out");
  const auto step = ReadAt<abi::UpgradeStep>(payload, 0);
  if (!step.ok() || payload.size() != sizeof(abi::UpgradeStep) ||
      std::memchr(step.value().class_name, 0, sizeof step.value().class_name) == nullptr)
    return End(number, Status::kInvalidArgument, "a step that makes no sense");
  DropFile();  // of a daemon that is gone
  phase_ = Phase::kNone;
  if (step.value().size > abi::kModuleFileLimit)
    return End(number, Status::kLimitExceeded, "the module's file is too large");
  step_ = step.value();
  number_ = number;
  fetched_ = 0;
  if (step_.size == 0) {
    phase_ = Phase::kReady;
    return thread_->Unblock();
  }
  file_ = static_cast<std::byte*>(mem::Allocate(step_.size));
  if (file_ == nullptr)
    return End(number, Status::kNoMemory, "no memory for the module's file");
  phase_ = Phase::kFetching;
  Want();
}

void UpgradeAgent::Want() {
  const abi::UpgradeWant want{fetched_, std::min(abi::kUpgradePieceSize, step_.size - fetched_)};
  (void)control_->Send(ControlKind::kUpgradeWant, number_, BytesOf(want));
}

// Says again what may have been lost.
void UpgradeAgent::TellOfStep(std::uint64_t number) {
  if (phase_ != Phase::kNone && number == number_) {
    if (phase_ == Phase::kFetching)
      Want();
    return;
  }
  if (number != ended_number_)
    return End(number, Status::kNotFound, "a step that this kernel does not know of");
  SayEnd();
}

void UpgradeAgent::TakePiece(std::uint64_t number, Bytes payload) {
  if (phase_ != Phase::kFetching || number != number_)
    return;  // of a step that is over
  const auto offset = ReadAt<std::uint32_t>(payload, 0);
  if (offset.ok() && offset.value() < fetched_)
    return;  // once more, because it was asked for once more
  const std::uint32_t length = std::min(abi::kUpgradePieceSize, step_.size - fetched_);
  if (!offset.ok() || offset.value() != fetched_ ||
      payload.size() != sizeof(offset.value()) + length) {
    DropFile();
    phase_ = Phase::kNone;
    return End(number, Status::kInvalidArgument, "a piece that was not asked for");
  }
  std::memcpy(file_ + fetched_, payload.data() + sizeof(offset.value()), length);
  fetched_ += length;
  if (fetched_ < step_.size)
    return Want();
  phase_ = Phase::kReady;
  thread_->Unblock();
}

// -- the agent's thread ---------------------------------------------------------------------------

void UpgradeAgent::Serve(void* argument) {
  auto& agent = *static_cast<UpgradeAgent*>(argument);
  for (;;) {
    if (agent.phase_ == Phase::kReady)
      agent.Work();
    if (agent.asked_) {
      agent.asked_ = false;
      agent.SendState(agent.question_);
    }
    // After the answers: this waits for whoever is active now.
    if (agent.upgrader_->left_modules() != 0)
      (void)agent.upgrader_->Collect();
    if (agent.phase_ != Phase::kReady && !agent.asked_)
      machine::Thread::BlockExternal();
  }
}

void UpgradeAgent::Work() {
  phase_ = Phase::kWorking;
  cobj::Sentence why;
  Status status;
  if (step_.size == 0) {
    status = upgrader_->Back(step_.class_name, step_.from_version, why);
  } else {
    cobj::ModuleClaim claim;
    static_assert(sizeof claim.class_name == sizeof step_.class_name);
    std::memcpy(claim.digest.bytes, step_.digest, sizeof step_.digest);
    std::memcpy(claim.class_name, step_.class_name, sizeof step_.class_name);
    claim.from_version = step_.from_version;
    claim.to_version = step_.to_version;
    status = upgrader_->Load(Bytes(file_, step_.size), claim, why);
  }
  DropFile();
  if (status == Status::kOk)
    machine::Log("upgrade: {} is at version {} now", step_.class_name, step_.to_version);
  else
    machine::Log("upgrade: {} stays as it is: {} ({})", step_.class_name, why.text(), status);
  phase_ = Phase::kNone;
  SendState(number_);  // before the end: who hears of that knows what is
  End(number_, status, why.text());
}

void UpgradeAgent::End(std::uint64_t number, Status status, std::string_view text) {
  ended_number_ = number;
  ended_status_ = status;
  ended_text_.Say("{}", text);
  SayEnd();
}

void UpgradeAgent::SayEnd() {
  const abi::UpgradeEnd end{static_cast<std::int64_t>(ended_status_)};
  const std::string_view text = ended_text_.text();
  (void)control_->Send(ControlKind::kUpgradeEnd, ended_number_, BytesOf(end),
                       AsBytes(text.data(), text.size()));
}

void UpgradeAgent::SendState(std::uint64_t number) {
  // As many classes as one message holds: sixteen, two modules far each.
  constexpr std::size_t kMost = abi::kMaxMessage - sizeof(abi::Frame);
  auto* message = static_cast<std::byte*>(mem::Allocate(kMost));
  if (message == nullptr)
    return;  // the daemon asks again
  abi::UpgradeState head{0, upgrader_->left_modules()};
  std::size_t size = sizeof head;
  const auto add = [&](const auto& part) {
    std::memcpy(message + size, &part, sizeof part);
    size += sizeof part;
  };
  upgrader_->Describe([&](const cobj::Upgrader::ClassState& state) {
    if (sizeof(abi::UpgradeClass) + state.modules * sizeof(abi::UpgradeModule) > kMost - size)
      return;
    abi::UpgradeClass one{};
    std::memcpy(one.name, state.name.data(), std::min(state.name.size(), sizeof one.name - 1));
    one.built_in_version = state.built_in;
    one.module_count = state.modules;
    one.objects = state.objects;
    one.outdated = state.outdated;
    add(one);
    for (std::uint32_t i = 0; i < state.modules; ++i) {
      abi::UpgradeModule module{};
      std::memcpy(module.digest, state.path[i]->digest.bytes, sizeof module.digest);
      module.version = state.path[i]->version;
      add(module);
    }
    ++head.class_count;
  });
  std::memcpy(message, &head, sizeof head);
  (void)control_->Send(ControlKind::kUpgradeState, number, Bytes(message, size));
  mem::Free(message, kMost);
}

void UpgradeAgent::DropFile() {
  if (file_ != nullptr)
    mem::Free(file_, step_.size);
  file_ = nullptr;
}

void StartUpgrades(global::LinkControl& control) {
  static constinit UpgradeAgent agent;
  const Status status = agent.Start(TheUpgrader(), control);
  if (status != Status::kOk)
    machine::Log("link: no upgrades of classes ({})", StatusName(status));
}

}  // namespace k42::boot
