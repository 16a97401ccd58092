// The daemon's side of what it and its kernel say about classes that change their version
// (abi/upgrade_control.h): asks for the state, and has one step at a time carried out.
//
// The kernel's words are checked: a state that makes no sense is dropped and noticed, and a step
// whose answers make none has failed. No threads, no I/O: who owns it sends, and hands in what
// came. One thread. A step's `end` is called exactly once, with kNodeDead if the guest goes first.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "abi/link_control.h"
#include "abi/upgrade_control.h"
#include "cluster-services/upgrade/converge.h"

namespace k42::upgrade {

struct KernelReport {
  std::vector<KernelClass> classes;
  std::uint32_t left_modules = 0;
};
// Nothing if the kernel's words make no sense.
std::optional<KernelReport> DecodeReport(std::span<const std::byte> payload);

class KernelLink {
 public:
  using Send = std::function<void(abi::ControlKind kind, std::uint64_t number,
                                  std::span<const std::byte> payload)>;
  using ReportHandler = std::function<void(const KernelReport&)>;
  using Notice = std::function<void(const std::string& text)>;
  using End = std::function<void(Status status, const std::string& text)>;

  KernelLink(Send send, ReportHandler on_report, Notice notice)
      : send_(std::move(send)), on_report_(std::move(on_report)), notice_(std::move(notice)) {}

  // What does it run? Or, while a step is under way: what is the last word on it? For that may have
  // been lost: to be asked every now and then until the step has ended.
  void Query();
  // `file` empty: back. kBusy, at once, while another step is under way.
  void Step(const std::string& class_name, const KernelStep& step, std::uint32_t from_version,
            std::string file, End end);
  void OnControl(abi::ControlKind kind, std::uint64_t number, std::span<const std::byte> payload);
  // The guest is gone, or another one has come.
  void Forget();

 private:
  void SendPiece(std::span<const std::byte> payload);
  void Finish(Status status, const std::string& text);

  const Send send_;
  const ReportHandler on_report_;
  const Notice notice_;
  std::uint64_t last_ = 0;
  std::uint64_t number_ = 0;  // of the step under way; 0: none
  std::string file_;
  End end_;
};

}  // namespace k42::upgrade
