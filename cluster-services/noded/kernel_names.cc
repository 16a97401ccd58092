#include "cluster-services/noded/kernel_names.h"

#include <cstring>

namespace k42::noded {
namespace {

abi::NameAnswer Refusal(Status why) {
  abi::NameAnswer answer{};
  answer.status = static_cast<std::int64_t>(why);
  return answer;
}

}  // namespace

KernelNames::KernelNames(Daemon& daemon) : daemon_(daemon) {
  daemon_.SetControlHandler(abi::ControlKind::kNameRequest, abi::ControlKind::kNameRequest,
                            [this](const abi::Frame& frame, std::span<const std::byte> payload) {
                              OnRequest(frame, payload);
                            });
}

void KernelNames::OnRequest(const abi::Frame& frame, std::span<const std::byte> payload) {
  const std::uint64_t number = frame.sequence;
  abi::NameRequest request{};
  if (payload.size() < sizeof request)
    return Answer(number, Refusal(Status::kInvalidArgument));
  std::memcpy(&request, payload.data(), sizeof request);
  const std::string_view text(reinterpret_cast<const char*>(payload.data()) + sizeof request,
                              payload.size() - sizeof request);
  if (request.path_size > abi::kNamePathMax || request.value_size > abi::kNameValueMax ||
      text.size() != request.path_size + request.value_size ||
      !names::ValidPath(std::string(text.substr(0, request.path_size))))
    return Answer(number, Refusal(Status::kInvalidArgument));
  if (daemon_.agent() == nullptr)
    return Answer(number, Refusal(Status::kNotSupported));
  if (daemon_.guest() != Daemon::Guest::kUp)
    return Answer(number, Refusal(Status::kUnavailable));
  std::string path(text.substr(0, request.path_size));
  std::string value(text.substr(request.path_size));
  if (request.action != abi::NameAction::kLookup)
    return Change(request, number, std::move(path), std::move(value));
  const auto binding = daemon_.agent()->Lookup(path);
  if (!binding)
    return Answer(number, Refusal(Status::kNotFound));
  if (binding->value.size() > abi::kNameValueMax)
    return Answer(number, Refusal(Status::kMessageTooLong));
  abi::NameAnswer found{};
  found.version = static_cast<std::uint64_t>(binding->version);
  found.owner_node = binding->owner;
  found.owner_incarnation = binding->incarnation;
  Answer(number, found, binding->value);
}

void KernelNames::Change(const abi::NameRequest& request, std::uint64_t number, std::string path,
                         std::string value) {
  if (request.action != abi::NameAction::kBind && request.action != abi::NameAction::kUnbind)
    return Answer(number, Refusal(Status::kNotSupported));
  const interconnect::PeerId life = daemon_.identity().self;
  thread_.Post([this, agent = daemon_.agent(), request, number, life, path = std::move(path),
                value = std::move(value)] {
    abi::NameAnswer answer{};
    const auto version = static_cast<store::Revision>(request.version);
    if (request.action == abi::NameAction::kBind) {
      const auto bound = agent->Bind(path, value, true, version);
      answer.status = static_cast<std::int64_t>(bound.status());
      answer.version = bound.ok() ? static_cast<std::uint64_t>(bound.value()) : 0;
    } else {
      answer.status = static_cast<std::int64_t>(agent->Unbind(path, version).status());
    }
    daemon_.loop().Post([this, number, life, answer] {
      if (daemon_.identity().self == life)
        Answer(number, answer);
    });
  });
}

void KernelNames::Answer(std::uint64_t number, abi::NameAnswer answer, std::string_view value) {
  if (daemon_.link() == nullptr)
    return;
  answer.value_size = static_cast<std::uint32_t>(value.size());
  std::vector<std::byte> payload(sizeof answer + value.size());
  std::memcpy(payload.data(), &answer, sizeof answer);
  if (!value.empty())
    std::memcpy(payload.data() + sizeof answer, value.data(), value.size());
  daemon_.link()->SendToKernel(0, abi::FrameKind::kControl,
                               static_cast<std::uint32_t>(abi::ControlKind::kNameAnswer), payload,
                               number);
}

}  // namespace k42::noded
