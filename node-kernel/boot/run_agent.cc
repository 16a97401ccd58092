// The run agent: what the daemon says, processes, the agent's thread. Their streams:
// run_streams.cc.
#include <algorithm>
#include <cstring>
#include <string_view>
#include <utility>

#include "abi/readiness.h"
#include "boot/run.h"
#include "boot/run_terminal.h"
#include "boot/their_ends.h"
#include "cobj/make.h"
#include "fs/open_file.dispatch.h"
#include "io/fifo.h"
#include "machine/log.h"
#include "mem/heap.h"
#include "proc/process.h"

namespace k42::boot {
namespace {

// Words begin with the program's path; or with this and the name of a native program's image.
constexpr std::string_view kNativeMark = "native:";

const proc::Image* ImageFor(const proc::ImageSet& images, const std::byte* words) {
  std::string_view program(reinterpret_cast<const char*>(words));
  if (!program.starts_with(kNativeMark))
    return images.Find("linux");
  program.remove_prefix(kNativeMark.size());
  return images.Find(program);
}

// Whatever the agent waits for wakes its thread; which it was does not matter.
class RunSink final : public cobj::ITicketSink {
 public:
  using Interface = cobj::ITicketSink;
  explicit RunSink(RunAgent& agent) : agent_(agent) {}
  Result<std::uint32_t> Arm(std::uint32_t number) override { return number; }
  Status Fire(std::uint32_t ticket, std::int64_t, std::uint64_t) override {
    agent_.StreamReady(ticket);
    return Status::kOk;
  }

 private:
  RunAgent& agent_;
};

// A process's end on its way to CPU 0.
struct Ended : machine::CpuMessage {
  RunAgent* agent = nullptr;
  std::uint32_t process = 0;
  std::uint32_t wait_status = 0;
};

}  // namespace

Status RunAgent::Start(proc::ProcessServices& services, global::LinkControl& control) {
  services_ = &services;
  control_ = &control;
  sink_ = TRY(cobj::MakeShared<RunSink>(*this));
  thread_ = TRY(machine::Thread::Create("run", Serve, this, 0));
  for (const auto kind :
       {abi::ControlKind::kRunStart, abi::ControlKind::kRunInput, abi::ControlKind::kRunSignal,
        abi::ControlKind::kRunSize, abi::ControlKind::kRunAbandon, abi::ControlKind::kRunCredit})
    control.SetHandler(kind, *this);
  return Status::kOk;
}

// -- what the daemon says: CPU 0's link thread ----------------------------------------------------

RunAgent::Run* RunAgent::Find(std::uint64_t number) {
  for (Run* run : runs_) {
    if (run != nullptr && run->number == number)
      return run;
  }
  return nullptr;
}

void RunAgent::OnControl(abi::ControlKind kind, std::uint64_t number, Bytes payload) {
  if (kind == abi::ControlKind::kRunStart)
    return StartWanted(number, payload);
  Run* run = Find(number);
  if (run == nullptr)
    return;  // it has ended, and our word of it is on the way
  const auto word = ReadAt<std::uint32_t>(payload, 0);
  switch (kind) {
    case abi::ControlKind::kRunInput:
      TakeInput(*run, payload);
      break;
    case abi::ControlKind::kRunSignal:
      if (word.ok())
        Kill(*run, word.value());
      break;
    case abi::ControlKind::kRunSize:
      if (const auto columns = ReadAt<std::uint32_t>(payload, sizeof(std::uint32_t));
          word.ok() && columns.ok()) {
        run->rows = word.value();
        run->columns = columns.value();
        run->resized = true;
      }
      break;
    case abi::ControlKind::kRunAbandon:
      run->input_ends = true;
      Kill(*run, abi::kSignalKill);
      run->credit[kOut] = run->credit[kErrors] = abi::kRunWindow;  // nobody counts any more
      break;
    case abi::ControlKind::kRunCredit: {
      const auto bytes = ReadAt<std::uint32_t>(payload, sizeof(std::uint32_t));
      if (bytes.ok() && word.ok() && (word.value() == kOut || word.value() == kErrors))
        run->credit[word.value()] =
            std::min(abi::kRunWindow, run->credit[word.value()] + bytes.value());
      break;
    }
    default:
      break;
  }
  Wake();
}

void RunAgent::StartWanted(std::uint64_t number, Bytes payload) {
  const auto refuse = [&](Status why) {
    const abi::RunStarted answer{static_cast<std::int64_t>(why), 0};
    (void)control_->Send(abi::ControlKind::kRunStarted, number, BytesOf(answer));
  };
  if (payload.size() <= sizeof(abi::RunStart) || Find(number) != nullptr)
    return refuse(Status::kInvalidArgument);
  Run** place = std::find(std::begin(runs_), std::end(runs_), nullptr);
  if (place == std::end(runs_))
    return refuse(Status::kLimitExceeded);
  const auto made = mem::New<Run>();
  if (!made.ok())
    return refuse(made.status());
  Run& run = *made.value();
  if (const auto start = ReadAt<abi::RunStart>(payload, 0); start.ok()) {
    run.terminal = start.value().terminal != 0;
    run.rows = start.value().rows;
    run.columns = start.value().columns;
  }
  const Bytes words = payload.subspan(sizeof(abi::RunStart));
  std::memcpy(run.words, words.data(), words.size());
  run.words[words.size() - 1] = std::byte{0};
  run.words_size = words.size();
  run.number = number;
  run.place = static_cast<std::uint32_t>(place - runs_);
  armed_[run.place] = 0;  // a predecessor may have ended with tickets out, whose streams are gone
  *place = &run;
  Wake();
}

void RunAgent::TakeInput(Run& run, Bytes payload) {
  if (payload.empty()) {
    run.input_ends = true;
    return;
  }
  if (payload.size() > sizeof run.input - run.input_size)
    return Kill(run, abi::kSignalKill);  // beyond its credit
  std::memcpy(run.input + run.input_size, payload.data(), payload.size());
  run.input_size += static_cast<std::uint32_t>(payload.size());
}

void RunAgent::Kill(const Run& run, std::uint32_t signal) {
  if (run.process == 0 || run.ended || signal == 0 || signal > abi::kSignalMax)
    return;
  proc::SignalInfo info{};
  info.signal = signal;
  services_->tasks.KillGroup(run.process, info);
}

// -- processes ------------------------------------------------------------------------------------

void RunAgent::ProcessEnded(std::uint32_t process, proc::ExitKind kind, std::uint32_t code) {
  if (thread_ == nullptr)
    return;
  const auto made = mem::New<Ended>();
  if (!made.ok())
    return machine::Log("run: no memory to tell of the end of {}", process);
  Ended* ended = made.value();
  ended->agent = this;
  ended->process = process;
  constexpr std::uint32_t kCoreFlag = 0x80;
  ended->wait_status = kind == proc::ExitKind::kExited   ? (code & 0xff) << 8
                       : kind == proc::ExitKind::kKilled ? code & 0x7f
                                                         : (code & 0x7f) | kCoreFlag;
  ended->handler = OnEnded;
  machine::Send(0, ended);
}

void RunAgent::OnEnded(machine::CpuMessage* message) {
  auto* ended = static_cast<Ended*>(message);
  for (Run* run : ended->agent->runs_) {
    if (run != nullptr && !run->ended && run->process == ended->process) {
      run->ended = true;
      run->wait_status = ended->wait_status;
      ended->agent->Wake();
    }
  }
  mem::Delete(ended);
}

// -- the agent's thread ---------------------------------------------------------------------------

void RunAgent::Serve(void* argument) {
  auto& agent = *static_cast<RunAgent*>(argument);
  for (;;) {
    for (Run*& place : agent.runs_) {
      if (place == nullptr || agent.Advance(*place))
        continue;
      agent.Finish(*place);
      mem::Delete(place);
      place = nullptr;
    }
    machine::Thread::BlockExternal();
  }
}

// The streams, then the process; its number is told to the daemon.
Status RunAgent::Begin(Run& run) {
  const proc::Image* image = ImageFor(services_->images, run.words);
  if (image == nullptr)
    return Status::kNotFound;
  return run.terminal ? BeginWithTerminal(run, *image) : BeginWithPipes(run, *image);
}

Status RunAgent::BeginWithTerminal(Run& run, const proc::Image& image) {
  RunTerminal terminal;
  TRY(MakeRunTerminal(&terminal));
  for (const Stream stream : {kIn, kOut}) {
    run.ends[stream] = terminal.master.ref;
    run.open[stream] = true;
    (void)terminal.master.ref->HandleAdded();
  }
  if (run.rows != 0 && run.columns != 0)
    ResizeRunTerminal(terminal.master.ref, run.rows, run.columns);
  TheirEnds theirs;
  theirs.Add(terminal.slave);
  run.process =
      TRY(proc::Process::StartFirst(*services_, image, BufferIn::Kernel(run.words, run.words_size),
                                    theirs.streams(), /*stopped=*/true));
  // It must not see its terminal as somebody else's: it goes on when it is its own, or to its end.
  const Status given = GiveRunTerminal(terminal, run.process);
  if (!IsOk(given))
    Kill(run, abi::kSignalKill);
  (void)services_->tasks.Visit(run.process, 0, [](proc::Task& task) {
    if (task.host != nullptr)
      task.host->ContinueRunning();
    return Status::kOk;
  });
  return given;
}

Status RunAgent::BeginWithPipes(Run& run, const proc::Image& image) {
  cobj::Granted<fs::IOpenFile> theirs[kStreams], ours[kStreams];
  const fs::Identity& who = fs::Identity::Kernel();
  TRY(io::Fifo::MakePipe(who, 0, &theirs[kIn], &ours[kIn]));
  TRY(io::Fifo::MakePipe(who, 0, &ours[kOut], &theirs[kOut]));
  TRY(io::Fifo::MakePipe(who, 0, &ours[kErrors], &theirs[kErrors]));
  TheirEnds ends;
  for (std::uint32_t i = 0; i < kStreams; ++i) {
    run.ends[i] = ours[i].ref;
    run.open[i] = true;
    (void)ours[i].ref->HandleAdded();
    ends.Add(theirs[i]);
  }
  run.process = TRY(proc::Process::StartFirst(
      *services_, image, BufferIn::Kernel(run.words, run.words_size), ends.streams()));
  (void)services_->tasks.NewSession(run.process);
  return Status::kOk;
}

// False: the run is over.
bool RunAgent::Advance(Run& run) {
  if (run.wanted) {
    run.wanted = false;
    const Status status = Begin(run);
    const abi::RunStarted answer{static_cast<std::int64_t>(status), run.process};
    (void)control_->Send(abi::ControlKind::kRunStarted, run.number, BytesOf(answer));
    if (status != Status::kOk)
      return false;
  }
  if (run.terminal && run.open[kOut] && std::exchange(run.resized, false))
    ResizeRunTerminal(run.ends[kOut], run.rows, run.columns);
  const bool was_over = run.ended;  // before the last look at its output
  FeedInput(run);
  const bool more_out = PumpOutput(run, kOut);
  const bool more_errors = PumpOutput(run, kErrors);
  return !was_over || more_out || more_errors;
}

void RunAgent::Finish(Run& run) {
  for (const Stream stream : {kIn, kOut, kErrors}) CloseEnd(run, stream);
  if (run.ended)
    (void)control_->Send(abi::ControlKind::kRunExit, run.number, BytesOf(run.wait_status));
}

}  // namespace k42::boot
