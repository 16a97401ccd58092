// Terminal: settings, window size, sessions and the foreground group.
#include <cstring>

#include "abi/signal.h"
#include "io/terminal.h"

namespace k42::io {

using machine::MutexGuard;

Result<std::uint64_t> Terminal::Control(Caller caller, std::uint32_t operation, BufferIn input,
                                        BufferOut output) {
  switch (operation) {
    case kControlBytesReadable: {
      MutexGuard guard(lock_);
      return std::uint64_t{discipline_.committed()};
    }
    case kControlBytesUnsent:
      return ScreenBytes();
    case kTerminalGetSettings: {
      TerminalSettings settings;
      {
        MutexGuard guard(lock_);
        settings = discipline_.settings();
      }
      TRY(output.CopyFrom(&settings, 0, sizeof(settings)));
      return std::uint64_t{0};
    }
    case kTerminalSetSettings:
    case kTerminalSetSettingsDrain:
    case kTerminalSetSettingsFlush:
      return ChangeSettings(operation, input);
    case kTerminalGetWindowSize: {
      WindowSize window;
      {
        MutexGuard guard(lock_);
        window = window_;
      }
      TRY(output.CopyFrom(&window, 0, sizeof(window)));
      return std::uint64_t{0};
    }
    case kTerminalSetWindowSize:
      return SetWindow(input);
    case kTerminalFlushInput:
    case kTerminalFlushOutput:
    case kTerminalFlushBoth: {
      Wakeups wakeups;
      MutexGuard guard(lock_);
      if (operation != kTerminalFlushOutput) {
        discipline_.FlushInput();
      }
      if (operation != kTerminalFlushInput) {
        screen_head_ = screen_tail_;
      }
      UpdateLocked(abi::kWritable, abi::kWritable, wakeups);
      return std::uint64_t{0};
    }
    case kTerminalHoldOutput:
    case kTerminalReleaseOutput: {
      Wakeups wakeups;
      MutexGuard guard(lock_);
      discipline_.SetHeld(operation == kTerminalHoldOutput);
      UpdateLocked(abi::kWritable, 0, wakeups);
      return std::uint64_t{0};
    }
    case kTerminalSendBreak:
      return std::uint64_t{0};  // no line to break
    case kTerminalSimulateInput: {
      const std::uint8_t byte = TRY(input.As<std::uint8_t>());
      Type({&byte, 1});
      return std::uint64_t{0};
    }
    case kTerminalIsBackground: {
      std::uint32_t group = 0;
      return std::uint64_t{TRY(IsBackground(caller, &group))};
    }
    case kTerminalSignalBackground:
      return SignalBackground(caller, input);
    case kTerminalWriteAnyway:
      return WriteBytes(input);
    case kTerminalGetReadTime: {
      MutexGuard guard(lock_);
      return std::uint64_t{FirstByteTimeLocked()};
    }
    default:
      return SessionControl(caller, operation, input);
  }
}

Result<std::uint64_t> Terminal::SignalBackground(Caller caller, BufferIn input) {
  const std::uint32_t signal = TRY(input.As<std::uint32_t>());
  if (signal != abi::kSignalTerminalInput && signal != abi::kSignalTerminalOutput) {
    return Status::kInvalidArgument;
  }
  std::uint32_t group = 0;
  if (!TRY(IsBackground(caller, &group))) {
    return std::uint64_t{0};
  }
  if (jobs_.IsOrphaned(group)) {
    return Status::kIoError;
  }
  jobs_.SignalGroup(group, signal);
  return std::uint64_t{1};
}

// Output never waits here longer than its reader does; there is nothing to drain for the console,
// and a pair's master may take its time without holding a program up.
Result<std::uint64_t> Terminal::ChangeSettings(std::uint32_t operation, BufferIn input) {
  const TerminalSettings settings = TRY(input.As<TerminalSettings>());
  Wakeups wakeups;
  MutexGuard guard(lock_);
  if (operation == kTerminalSetSettingsFlush) {
    discipline_.FlushInput();
  }
  discipline_.SetSettings(settings);
  UpdateLocked(abi::kReadable, abi::kReadable, wakeups);
  return std::uint64_t{0};
}

Result<std::uint64_t> Terminal::SetWindow(BufferIn input) {
  const WindowSize window = TRY(input.As<WindowSize>());
  std::uint32_t group;
  {
    MutexGuard guard(lock_);
    if (std::memcmp(&window, &window_, sizeof(window)) == 0) {
      return std::uint64_t{0};
    }
    window_ = window;
    group = foreground_;
  }
  if (group != 0) {
    jobs_.SignalGroup(group, abi::kSignalWindowChanged);
  }
  return std::uint64_t{0};
}

Status Terminal::TakeForSession(const Place& place, bool steal) {
  {
    MutexGuard guard(lock_);
    if (session_ != 0 && session_ != place.session && !steal) {
      return Status::kPermissionDenied;
    }
  }
  TRY(jobs_.SetTerminal(place, device_));
  MutexGuard guard(lock_);
  session_ = place.session;
  foreground_ = place.group;
  return Status::kOk;
}

void Terminal::Adopt(std::uint32_t session, std::uint32_t group) {
  MutexGuard guard(lock_);
  session_ = session;
  foreground_ = group;
}

Result<std::uint64_t> Terminal::SessionControl(Caller caller, std::uint32_t operation,
                                               BufferIn input) {
  Place place;
  TRY(jobs_.Find(caller, &place));
  std::uint32_t session, foreground;
  {
    MutexGuard guard(lock_);
    session = session_;
    foreground = foreground_;
  }
  const bool mine = session != 0 && place.session == session;
  switch (operation) {
    case kTerminalGetForeground:
      if (!mine && place.task != 0) {
        return Status::kNotTerminal;
      }
      return std::uint64_t{foreground};
    case kTerminalGetSession:
      if (session == 0 || (!mine && place.task != 0)) {
        return Status::kNotTerminal;
      }
      return std::uint64_t{session};
    case kTerminalSetForeground: {
      if (!mine) {
        return Status::kNotTerminal;
      }
      const std::uint32_t group = TRY(input.As<std::uint32_t>());
      TRY(jobs_.SetForeground(place, group));
      MutexGuard guard(lock_);
      foreground_ = group;
      return std::uint64_t{0};
    }
    case kTerminalSetControlling: {
      if (mine && place.leads_session()) {
        return std::uint64_t{0};
      }
      if (!place.leads_session() || place.terminal != 0) {
        return Status::kPermissionDenied;
      }
      const std::uint32_t steal = input.empty() ? 0 : TRY(input.As<std::uint32_t>());
      TRY(TakeForSession(place, steal != 0));
      return std::uint64_t{0};
    }
    case kTerminalDropControlling: {
      if (!mine) {
        return Status::kNotTerminal;
      }
      if (!place.leads_session()) {
        return std::uint64_t{0};
      }
      TRY(jobs_.SetTerminal(place, 0));
      Wakeups wakeups;
      MutexGuard guard(lock_);
      HangUpLocked(wakeups);
      hung_up_ = false;
      UpdateLocked(0, 0, wakeups);
      return std::uint64_t{0};
    }
    default:
      return Status::kNotTerminal;
  }
}

void Terminal::SetPacketMode(bool on) {
  MutexGuard guard(lock_);
  packet_mode_ = on;
}

}  // namespace k42::io
