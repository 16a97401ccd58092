#include "boot/start_processes.h"

#include <new>
#include <string_view>

#include "base/assert.h"
#include "boot/spin_holds.h"
#include "boot/start_memory.h"
#include "cobj/make.h"
#include "machine/boot_info.h"
#include "machine/log.h"
#include "machine/power.h"
#include "machine/stepped_range.h"
#include "mem/heap.h"
#include "proc/exporter.dispatch.h"
#include "proc/exporter.h"
#include "proc/node.dispatch.h"
#include "proc/node_object.h"
#include "proc/process.h"
#include "proc/user_calls.h"

// Written by the build (node-kernel/user/CMakeLists.txt).
struct UserImage {
  const char* name;
  const std::byte* begin;
  const std::byte* end;
};
extern "C" const UserImage user_images[];

namespace k42::boot {

using machine::BootOption;
using machine::Log;

namespace {

alignas(proc::ProcessServices) constinit unsigned char memory[sizeof(proc::ProcessServices)] = {};
constinit cobj::ObjectRef streams[3] = {};
constinit std::uint32_t stream_count = 0;
constinit std::uint32_t first_process = 0;

constexpr std::string_view kWordsMark = " -- ";
constexpr std::size_t kMaxWords = 2048;

void PowerOffWith(std::uint32_t code) {
  constexpr std::uint32_t kCodeBase = 32, kMaxCode = 94;
  const auto value = code == 0          ? machine::ExitCode::kSuccess
                     : code <= kMaxCode ? static_cast<machine::ExitCode>(kCodeBase + code)
                                        : machine::ExitCode::kFailure;
  machine::PowerOff(value);
}

void OnFirstEnded(proc::ExitKind kind, std::uint32_t code) {
  Log("k42: first process {} {}", kind == proc::ExitKind::kExited ? "exited with" : "killed by",
      code);
  if constexpr (kDebugChecks) {
    if (machine::Injection() != 0)
      Log("inject: {} interrupts, {} upcalls", machine::InjectedInterrupts(),
          machine::InjectedUpcalls());
  }
  if (BootOption("exit", "no") == "no")
    return;
  bool good = kind == proc::ExitKind::kExited;
  if constexpr (kDebugChecks) {
    if (SpinHoldLimit() != 0)
      good = ReportSpinHolds().longer == 0 && good;
  }
  PowerOffWith(good ? code : ~0u);
}

// The path, then the words after the mark, each with a zero behind it.
std::size_t FirstWords(std::string_view path, char* words) {
  std::size_t size = 0;
  const auto append = [&](std::string_view word) {
    if (word.empty() || size + word.size() + 1 > kMaxWords)
      return;
    size += word.copy(words + size, word.size());
    words[size++] = '\0';
  };
  append(path);
  std::string_view line = machine::GetBootInfo().command_line;
  const std::size_t mark = line.find(kWordsMark);
  if (mark != std::string_view::npos) {
    line.remove_prefix(mark + kWordsMark.size());
    while (!line.empty()) {
      const std::size_t end = line.find(' ');
      append(line.substr(0, end));
      line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
    }
  }
  return size;
}

}  // namespace

proc::ProcessServices& Processes() {
  return *reinterpret_cast<proc::ProcessServices*>(memory);
}

bool CarriesImage(std::string_view name) {
  for (const UserImage* image = user_images; image->name != nullptr; ++image) {
    if (name == image->name)
      return true;
  }
  return false;
}

void StartProcesses() {
  auto* services = ::new (memory) proc::ProcessServices(MemoryServices(), mem::TheHeap());
  proc::node_processes = services;
  services->first_ended = OnFirstEnded;
  services->power_off = PowerOffWith;
  const auto time_page = mem::FcmPinned::Create(services->memory, 1);
  K42_ASSERT(time_page.ok(), "memory for the time page");
  services->time_page = time_page.value();
  services->time_page->MakePermanent();
  std::uint32_t node = 0;
  for (const char digit : BootOption("node", "0"))
    node = digit >= '0' && digit <= '9' ? node * 10 + static_cast<std::uint32_t>(digit - '0') : 0;
  const auto object =
      cobj::MakeShared<proc::NodeObject>(*services, BootOption("name", "k42"), node);
  K42_ASSERT(object.ok(), "memory for the node's object");
  services->fixed[abi::kNodeHandle] = {object.value().bits(), kAllRights, &proc::kNodeInfo};
  const auto exporter = cobj::MakeShared<proc::Exporter>(*services);
  K42_ASSERT(exporter.ok(), "memory for the exporter's object");
  services->fixed[abi::kExporterHandle] = {exporter.value().bits(), kAllRights,
                                           &proc::kExporterInfo};
  for (const UserImage* image = user_images; image->name != nullptr; ++image) {
    const Status added =
        services->images.Add(services->memory, image->name, {image->begin, image->end});
    if (added != Status::kOk)
      Log("image {} is refused: {}", image->name, StatusName(added));
  }
  proc::RegisterUserHooks();
}

void SetFirstStreams(const cobj::ObjectRef& in, const cobj::ObjectRef& out,
                     const cobj::ObjectRef& errors) {
  streams[0] = in;
  streams[1] = out;
  streams[2] = errors;
  stream_count = 3;
}

void StartFirstProcess() {
  const std::string_view path = BootOption("init", "");
  const std::string_view name = BootOption("image", path.empty() ? "" : "linux");
  if (name.empty())
    return;
  const proc::Image* image = Processes().images.Find(name);
  if (image == nullptr) {
    Log("k42: no image \"{}\" for the first process", name);
    return OnFirstEnded(proc::ExitKind::kKilled, 0);
  }
  char words[kMaxWords];
  const std::size_t size = FirstWords(path.empty() ? name : path, words);
  const auto started = proc::Process::StartFirst(Processes(), *image, BufferIn::Kernel(words, size),
                                                 {streams, stream_count}, /*stopped=*/true);
  if (!started.ok()) {
    Log("k42: the first process cannot be started: {}", StatusName(started.status()));
    return OnFirstEnded(proc::ExitKind::kKilled, 0);
  }
  first_process = started.value();
}

void ContinueFirstProcess() {
  if (first_process == 0)
    return;
  (void)Processes().tasks.Visit(first_process, 0, [](proc::Task& task) {
    if (task.host != nullptr)
      task.host->ContinueRunning();
    return Status::kOk;
  });
}

}  // namespace k42::boot
