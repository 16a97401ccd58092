#include "user/linux/terminal.h"

#include <cstring>

#include "user/linux/call_support.h"
#include "user/linux/dispatcher.h"

namespace k42::personality {
namespace {

struct BitPair {
  std::uint32_t linux_bit, bit;
};
constexpr BitPair kInputBits[] = {
    {0x2, io::kInputBreakSignal},   {0x20, io::kInputStrip},    {0x40, io::kInputNlToCr},
    {0x100, io::kInputCrToNl},      {0x80, io::kInputIgnoreCr}, {0x400, io::kInputFlow},
    {0x800, io::kInputAnyRestarts}, {0x4000, io::kInputUtf8},   {0x2000, io::kInputBellWhenFull},
};
constexpr BitPair kOutputBits[] = {
    {0x1, io::kOutputProcess},      {0x4, io::kOutputNlToCrNl}, {0x8, io::kOutputCrToNl},
    {0x10, io::kOutputNoCrAtStart}, {0x20, io::kOutputNlIsCr},
};
constexpr BitPair kLocalBits[] = {
    {0x1, io::kLocalSignals},       {0x2, io::kLocalCanonical},       {0x8, io::kLocalEcho},
    {0x10, io::kLocalEchoErase},    {0x20, io::kLocalEchoKill},       {0x40, io::kLocalEchoNl},
    {0x200, io::kLocalEchoControl}, {0x800, io::kLocalEchoKillErase}, {0x80, io::kLocalNoFlush},
    {0x100, io::kLocalStopOutput},  {0x8000, io::kLocalExtended},
};

// By Linux's index of the control character.
constexpr io::TerminalKey kKeys[] = {
    io::TerminalKey::kInterrupt,  io::TerminalKey::kQuit,
    io::TerminalKey::kErase,      io::TerminalKey::kKill,
    io::TerminalKey::kEndOfFile,  io::TerminalKey::kTime,
    io::TerminalKey::kMinimum,    io::TerminalKey::kEndOfLine2 /* VSWTC: not used */,
    io::TerminalKey::kStart,      io::TerminalKey::kStop,
    io::TerminalKey::kSuspend,    io::TerminalKey::kEndOfLine,
    io::TerminalKey::kReprint,    io::TerminalKey::kEndOfLine2 /* VDISCARD: not used */,
    io::TerminalKey::kWordErase,  io::TerminalKey::kLiteralNext,
    io::TerminalKey::kEndOfLine2,
};
constexpr std::size_t kUnusedA = 7, kUnusedB = 13;

template <std::size_t N>
std::uint32_t ToLinux(const BitPair (&pairs)[N], std::uint32_t bits, std::uint32_t foreign) {
  std::uint32_t result = foreign;
  for (const BitPair& pair : pairs) {
    result |= bits & pair.bit ? pair.linux_bit : 0;
  }
  return result;
}
template <std::size_t N>
std::uint32_t FromLinux(const BitPair (&pairs)[N], std::uint32_t bits, std::uint32_t* foreign) {
  std::uint32_t result = 0;
  *foreign = bits;
  for (const BitPair& pair : pairs) {
    result |= bits & pair.linux_bit ? pair.bit : 0;
    *foreign &= ~pair.linux_bit;
  }
  return result;
}

constexpr std::uint32_t kTcGets = 0x5401, kTcSets = 0x5402, kTcSetsW = 0x5403, kTcSetsF = 0x5404,
                        kTcSbrk = 0x5409, kTcXonc = 0x540a, kTcFlsh = 0x540b, kTiocExcl = 0x540c,
                        kTiocNxcl = 0x540d, kTiocSctty = 0x540e, kTiocGpgrp = 0x540f,
                        kTiocSpgrp = 0x5410, kTiocSti = 0x5412, kTiocGwinsz = 0x5413,
                        kTiocSwinsz = 0x5414, kTiocPkt = 0x5420, kTiocNotty = 0x5422,
                        kTcSbrkP = 0x5425, kTiocGsid = 0x5429, kTiocGptn = 0x80045430,
                        kTiocSptlck = 0x40045431, kTiocGptlck = 0x80045439, kTiocGptpeer = 0x5441;

std::int64_t Ask(KernelFile& file, std::uint32_t operation, const void* in = nullptr,
                 std::size_t in_size = 0, void* out = nullptr, std::size_t out_size = 0) {
  const Result<std::uint64_t> answer =
      kernel::Control(file.handle(), operation, in, in_size, out, out_size);
  if (answer.status() == Status::kNotSupported || answer.status() == Status::kNoMethod ||
      answer.status() == Status::kNotTerminal) {
    return -kENOTTY;
  }
  if (answer.status() == Status::kPermissionDenied) {
    return -kEPERM;
  }
  return ToReply(answer);
}

// The answer as an int at `argument`.
std::int64_t StoreAnswer(std::int64_t answer, std::uint64_t argument) {
  if (answer < 0) {
    return answer;
  }
  return WriteUser(argument, static_cast<std::int32_t>(answer)) ? 0 : -kEFAULT;
}

// An operation with an int at `argument` as its input.
std::int64_t SetFromInt(KernelFile& file, std::uint32_t operation, std::uint64_t argument) {
  std::uint32_t value = 0;
  if (!ReadUser(&value, argument)) {
    return -kEFAULT;
  }
  return Ask(file, operation, &value, sizeof(value));
}

std::int64_t SetSettings(Thread& thread, KernelFile& file, std::uint32_t operation,
                         std::uint64_t argument) {
  if (const std::int64_t error = StopInBackground(thread, file, kSIGTTOU)) {
    return error;
  }
  LinuxTermios termios;
  if (!ReadUser(&termios, argument)) {
    return -kEFAULT;
  }
  const io::TerminalSettings settings = FromTermios(termios);
  return Ask(file, operation, &settings, sizeof(settings));
}

}  // namespace

LinuxTermios ToTermios(const io::TerminalSettings& settings) {
  LinuxTermios termios{};
  termios.input = ToLinux(kInputBits, settings.input, settings.foreign[0]);
  termios.output = ToLinux(kOutputBits, settings.output, settings.foreign[1]);
  termios.control = settings.control;
  termios.local = ToLinux(kLocalBits, settings.local, settings.foreign[2]);
  termios.line = static_cast<std::uint8_t>(settings.foreign[3]);
  for (std::size_t i = 0; i < sizeof(kKeys) / sizeof(kKeys[0]); ++i) {
    if (i != kUnusedA && i != kUnusedB) {
      termios.keys[i] = settings.keys[static_cast<std::size_t>(kKeys[i])];
    }
  }
  termios.keys[kUnusedB] = 15;  // VDISCARD, as Linux shows it
  return termios;
}

io::TerminalSettings FromTermios(const LinuxTermios& termios) {
  io::TerminalSettings settings{};
  settings.input = FromLinux(kInputBits, termios.input, &settings.foreign[0]);
  settings.output = FromLinux(kOutputBits, termios.output, &settings.foreign[1]);
  settings.control = termios.control;
  settings.local = FromLinux(kLocalBits, termios.local, &settings.foreign[2]);
  settings.foreign[3] = termios.line;
  for (std::size_t i = 0; i < sizeof(kKeys) / sizeof(kKeys[0]); ++i) {
    if (i != kUnusedA && i != kUnusedB) {
      settings.keys[static_cast<std::size_t>(kKeys[i])] = termios.keys[i];
    }
  }
  return settings;
}

std::int64_t StopInBackground(Thread& thread, KernelFile& file, int signal) {
  const std::int64_t background = Ask(file, io::kTerminalIsBackground);
  if (background <= 0) {
    return background;
  }
  if (thread.signals.mask.Has(signal) || thread.task->actions->For(signal).handler == kSigIgnore) {
    return signal == kSIGTTIN ? -kEIO : 0;
  }
  const auto number = static_cast<std::uint32_t>(signal);
  const std::int64_t sent = Ask(file, io::kTerminalSignalBackground, &number, sizeof(number));
  if (sent <= 0) {
    return sent;
  }
  Here().TakeEvents();
  return -kERESTARTSYS;
}

std::int64_t FirstByteTime(KernelFile& file) {
  constexpr std::int64_t kTenth = 100'000'000;
  const std::int64_t tenths = Ask(file, io::kTerminalGetReadTime);
  return tenths > 0 ? tenths * kTenth : tenths;
}

std::int64_t TerminalIoctl(Thread& thread, KernelFile& file, std::uint32_t request,
                           std::uint64_t argument) {
  switch (request) {
    case kTcGets: {
      io::TerminalSettings settings{};
      if (const std::int64_t error =
              Ask(file, io::kTerminalGetSettings, nullptr, 0, &settings, sizeof(settings));
          error < 0) {
        return error;
      }
      return WriteUser(argument, ToTermios(settings)) ? 0 : -kEFAULT;
    }
    case kTcSets:
      return SetSettings(thread, file, io::kTerminalSetSettings, argument);
    case kTcSetsW:
      return SetSettings(thread, file, io::kTerminalSetSettingsDrain, argument);
    case kTcSetsF:
      return SetSettings(thread, file, io::kTerminalSetSettingsFlush, argument);
    case kTcSbrk:
    case kTcSbrkP:
      if (const std::int64_t error = StopInBackground(thread, file, kSIGTTOU)) {
        return error;
      }
      return Ask(file, io::kTerminalSendBreak);
    case kTcXonc:
      if (const std::int64_t error = StopInBackground(thread, file, kSIGTTOU)) {
        return error;
      }
      return argument > 3    ? -kEINVAL
             : argument == 0 ? Ask(file, io::kTerminalHoldOutput)
             : argument == 1 ? Ask(file, io::kTerminalReleaseOutput)
                             : 0;
    case kTcFlsh:
      if (const std::int64_t error = StopInBackground(thread, file, kSIGTTOU)) {
        return error;
      }
      return argument == 0   ? Ask(file, io::kTerminalFlushInput)
             : argument == 1 ? Ask(file, io::kTerminalFlushOutput)
             : argument == 2 ? Ask(file, io::kTerminalFlushBoth)
                             : -kEINVAL;
    case kTiocExcl:
    case kTiocNxcl:
      return 0;
    case kTiocSctty: {
      const auto steal = static_cast<std::uint32_t>(argument);
      return Ask(file, io::kTerminalSetControlling, &steal, sizeof(steal));
    }
    case kTiocNotty:
      return Ask(file, io::kTerminalDropControlling);
    case kTiocGpgrp:
      return StoreAnswer(Ask(file, io::kTerminalGetForeground), argument);
    case kTiocSpgrp:
      if (const std::int64_t error = StopInBackground(thread, file, kSIGTTOU)) {
        return error == -kEIO ? -kENOTTY : error;
      }
      return SetFromInt(file, io::kTerminalSetForeground, argument);
    case kTiocGsid:
      return StoreAnswer(Ask(file, io::kTerminalGetSession), argument);
    case kTiocSti: {
      std::uint8_t byte = 0;
      if (!ReadUser(&byte, argument)) {
        return -kEFAULT;
      }
      return Ask(file, io::kTerminalSimulateInput, &byte, 1);
    }
    case kTiocGwinsz: {
      io::WindowSize size{};
      if (const std::int64_t error =
              Ask(file, io::kTerminalGetWindowSize, nullptr, 0, &size, sizeof(size));
          error < 0) {
        return error;
      }
      return WriteUser(argument, size) ? 0 : -kEFAULT;
    }
    case kTiocSwinsz: {
      io::WindowSize size{};
      if (!ReadUser(&size, argument)) {
        return -kEFAULT;
      }
      return Ask(file, io::kTerminalSetWindowSize, &size, sizeof(size));
    }
    case kTiocPkt:
      return SetFromInt(file, io::kTerminalSetPacketMode, argument);
    case kTiocGptn:
      return StoreAnswer(Ask(file, io::kTerminalGetPairNumber), argument);
    case kTiocSptlck:
      return SetFromInt(file, io::kTerminalSetPairLock, argument);
    case kTiocGptlck:
      return StoreAnswer(Ask(file, io::kTerminalGetPairLock), argument);
    case kTiocGptpeer: {
      const std::int64_t number = Ask(file, io::kTerminalGetPairNumber);
      if (number < 0) {
        return number;
      }
      char path[32] = "/dev/pts/";
      std::size_t size = 9;
      char digits[12];
      int count = 0;
      for (auto rest = static_cast<std::uint64_t>(number); count == 0 || rest != 0; rest /= 10) {
        digits[count++] = static_cast<char>('0' + rest % 10);
      }
      while (count > 0) {
        path[size++] = digits[--count];
      }
      const Result<kernel::Handle> slave =
          kernel::Open({kernel::kNoHandle, path, size},
                       fs::kOpenRead | fs::kOpenWrite | fs::kOpenNoControllingTerminal, 0);
      return slave.ok() ? AdoptHandle(thread, slave.value(), (argument & kO_CLOEXEC) != 0)
                        : ErrnoOf(slave.status());
    }
    default:
      return -kENOTTY;
  }
}

}  // namespace k42::personality
