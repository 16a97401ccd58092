// The run agent: the streams of runs.
#include <algorithm>
#include <cstring>
#include <utility>

#include "abi/readiness.h"
#include "boot/run.h"
#include "machine/log.h"

namespace k42::boot {
namespace {

constexpr std::byte kEndOfInput{4};  // the key
// Whatever else may end a line has been set so by the program, which then reads it as it likes.
constexpr bool EndsLine(std::byte key) {
  return key == std::byte{'\n'} || key == std::byte{'\r'} || key == kEndOfInput;
}

}  // namespace

void RunAgent::FeedInput(Run& run) {
  std::uint32_t done = 0;
  while (run.open[kIn] && done < run.input_size) {
    const auto written = run.ends[kIn]->Write(
        cobj::CallContext::Kernel(), BufferIn::Kernel(run.input + done, run.input_size - done));
    if (written.status() == Status::kWouldBlock) {
      WaitFor(run, kIn, abi::kWritable);
      break;
    }
    if (!written.ok())
      CloseEnd(run, kIn);  // nobody reads: what else comes is thrown away
    else
      done += static_cast<std::uint32_t>(written.value());
  }
  if (done != 0)
    run.amid_line = !EndsLine(run.input[done - 1]);
  if (!run.open[kIn])
    done = run.input_size;
  if (done != 0) {
    std::memmove(run.input, run.input + done, run.input_size - done);
    run.input_size -= done;
    const std::uint32_t credit[2] = {kIn, done};
    (void)control_->Send(abi::ControlKind::kRunCredit, run.number, BytesOf(credit));
  }
  if (!run.input_ends || run.input_size != 0)
    return;
  if (!run.terminal)
    return CloseEnd(run, kIn);
  if (!std::exchange(run.end_typed, true))
    run.end_keys = run.amid_line ? 2 : 1;
  TypeEnd(run);
}

// As if it were typed; raw programs see the key. Amid a line the first one hands over what there is
// of the line, and the second is the end.
void RunAgent::TypeEnd(Run& run) {
  while (run.open[kIn] && run.end_keys != 0) {
    const auto written = run.ends[kIn]->Write(cobj::CallContext::Kernel(),
                                              BufferIn::Kernel(&kEndOfInput, sizeof kEndOfInput));
    if (written.status() == Status::kWouldBlock)
      return WaitFor(run, kIn, abi::kWritable);  // its input is full
    --run.end_keys;
  }
}

// Sends what there is and may be sent. True: there is more, but no credit.
bool RunAgent::PumpOutput(Run& run, Stream stream) {
  std::byte piece[abi::kRunPiece];
  while (run.open[stream]) {
    const std::uint32_t most = std::min(abi::kRunPiece, run.credit[stream]);
    if (most == 0)
      return true;  // kRunCredit wakes us
    const auto read =
        run.ends[stream]->Read(cobj::CallContext::Kernel(), BufferOut::Kernel(piece, most));
    if (read.status() == Status::kWouldBlock) {
      WaitFor(run, stream, abi::kReadable);
      return false;
    }
    if (!read.ok() || read.value() == 0) {
      CloseEnd(run, stream);
      return false;
    }
    run.credit[stream] -= static_cast<std::uint32_t>(read.value());
    const std::uint32_t head = stream;
    const Bytes bytes(piece, static_cast<std::size_t>(read.value()));
    if (control_->Send(abi::ControlKind::kRunOutput, run.number, BytesOf(head), bytes) !=
        Status::kOk)
      machine::Log("run: output of {} lost: no memory", run.process);
    machine::Thread::PreemptionPoint();
  }
  return false;
}

void RunAgent::WaitFor(Run& run, Stream stream, std::uint32_t mask) {
  const std::uint32_t bit = 1u << stream;
  if ((armed_[run.place].fetch_or(bit) & bit) != 0)
    return;
  const Status status =
      run.ends[stream]->Arm(mask, abi::kArmLevel, {sink_, run.place * 4 + stream});
  if (status != Status::kOk)
    armed_[run.place].fetch_and(~bit);  // no ticket is out: the next turn asks again
}

void RunAgent::StreamReady(std::uint32_t ticket) {
  armed_[ticket / 4 % kMaxRuns].fetch_and(~(1u << ticket % 4));
  Wake();
}

void RunAgent::CloseEnd(Run& run, Stream stream) {
  if (!run.open[stream])
    return;
  run.open[stream] = false;
  (void)run.ends[stream]->HandleDropped();
}

}  // namespace k42::boot
