#include "cluster-services/upgrade/kernel_link.h"

#include <cstring>
#include <optional>
#include <random>

namespace k42::upgrade {
namespace {

using abi::ControlKind;

template <typename T>
std::span<const std::byte> BytesOf(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

// Takes a T from the front.
template <typename T>
bool Take(std::span<const std::byte>& bytes, T* value) {
  if (bytes.size() < sizeof(T))
    return false;
  std::memcpy(value, bytes.data(), sizeof(T));
  bytes = bytes.subspan(sizeof(T));
  return true;
}

std::string HexOf(const std::uint8_t (&digest)[abi::kModuleDigestSize]) {
  std::string hex;
  for (const std::uint8_t byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

bool FromHex(const std::string& hex, std::uint8_t (*digest)[abi::kModuleDigestSize]) {
  if (hex.size() != 2 * sizeof *digest ||
      hex.find_first_not_of("0123456789abcdef") != std::string::npos)
    return false;
  for (std::size_t i = 0; i < sizeof *digest; ++i)
    (*digest)[i] = static_cast<std::uint8_t>(std::stoul(hex.substr(2 * i, 2), nullptr, 16));
  return true;
}

}  // namespace

std::optional<KernelReport> DecodeReport(std::span<const std::byte> payload) {
  abi::UpgradeState head;
  if (!Take(payload, &head))
    return std::nullopt;
  KernelReport report;
  report.left_modules = head.left_modules;
  for (std::uint32_t i = 0; i < head.class_count; ++i) {
    abi::UpgradeClass one;
    if (!Take(payload, &one) || std::memchr(one.name, 0, sizeof one.name) == nullptr ||
        one.module_count > payload.size() / sizeof(abi::UpgradeModule))
      return std::nullopt;
    KernelClass known{one.name, one.built_in_version, {}, one.objects, one.outdated};
    for (std::uint32_t k = 0; k < one.module_count; ++k) {
      abi::UpgradeModule module;
      if (!Take(payload, &module))
        return std::nullopt;
      known.path.push_back({module.version, HexOf(module.digest)});
    }
    report.classes.push_back(std::move(known));
  }
  return payload.empty() ? std::optional(report) : std::nullopt;
}

void KernelLink::Query() {
  send_(ControlKind::kUpgradeQuery, number_, {});
}

void KernelLink::Step(const std::string& class_name, const KernelStep& step,
                      std::uint32_t from_version, std::string file, End end) {
  if (number_ != 0)
    return end(Status::kBusy, "another step is under way");
  abi::UpgradeStep wanted{};
  if (class_name.size() >= sizeof wanted.class_name || file.size() > abi::kModuleFileLimit)
    return end(Status::kInvalidArgument, "the class's name or the module's file is too long");
  if (!file.empty() && !FromHex(step.to.digest, &wanted.digest))
    return end(Status::kInvalidArgument, "'" + step.to.digest + "' is no digest");
  std::memcpy(wanted.class_name, class_name.data(), class_name.size());
  wanted.from_version = from_version;
  wanted.to_version = step.to.version;
  wanted.size = static_cast<std::uint32_t>(file.size());
  // Numbers of a daemon that was here before mean nothing to this one.
  if (last_ == 0)
    last_ = std::uint64_t{std::random_device()()} << 32;
  number_ = ++last_;
  file_ = std::move(file);
  end_ = std::move(end);
  send_(ControlKind::kUpgradeStep, number_, BytesOf(wanted));
}

void KernelLink::OnControl(ControlKind kind, std::uint64_t number,
                           std::span<const std::byte> payload) {
  if (kind == ControlKind::kUpgradeState) {
    const auto report = DecodeReport(payload);
    if (!report)
      return notice_("the kernel's state of its classes makes no sense");
    return on_report_(*report);
  }
  if (number_ == 0 || number != number_)
    return;
  if (kind == ControlKind::kUpgradeWant)
    return SendPiece(payload);
  if (kind != ControlKind::kUpgradeEnd)
    return;
  abi::UpgradeEnd ended;
  if (!Take(payload, &ended))
    return Finish(Status::kCorrupt, "the kernel's answer makes no sense");
  Finish(static_cast<Status>(ended.status),
         std::string(reinterpret_cast<const char*>(payload.data()), payload.size()));
}

void KernelLink::SendPiece(std::span<const std::byte> payload) {
  abi::UpgradeWant want;
  if (!Take(payload, &want) || want.length > abi::kUpgradePieceSize || want.offset > file_.size() ||
      want.length > file_.size() - want.offset)
    return Finish(Status::kCorrupt, "the kernel asks for what the module's file has not");
  std::vector<std::byte> piece(sizeof want.offset + want.length);
  std::memcpy(piece.data(), &want.offset, sizeof want.offset);
  std::memcpy(piece.data() + sizeof want.offset, file_.data() + want.offset, want.length);
  send_(ControlKind::kUpgradePiece, number_, piece);
}

void KernelLink::Finish(Status status, const std::string& text) {
  number_ = 0;
  file_.clear();
  if (const End end = std::exchange(end_, nullptr))
    end(status, text);
}

void KernelLink::Forget() {
  if (number_ != 0)
    Finish(Status::kNodeDead, "the guest is gone");
}

}  // namespace k42::upgrade
