#include "boot/options.h"

#include <optional>
#include <string_view>

#include "abi/link_control.h"
#include "base/assert.h"
#include "boot/start_processes.h"
#include "machine/boot_info.h"
#include "machine/log.h"
#include "machine/power.h"
#include "platform/x86_64/shared/command_line.h"
#include "trace/trace.h"

namespace k42::boot {
namespace {

// What is wrong with a value; nothing: it will do.
using Complaint = std::optional<std::string_view>;
using Check = Complaint (*)(std::string_view value);

Complaint IsNumber(std::string_view value, std::uint32_t least, std::uint32_t most,
                   std::string_view complaint) {
  std::uint32_t number = 0;
  for (const char c : value) {
    if (c < '0' || c > '9' || number > most) {
      return complaint;
    }
    number = number * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return value.empty() || number < least || number > most ? Complaint(complaint) : std::nullopt;
}

static_assert(abi::kMaxNode == 160, "the sentences below say it");
Complaint IsNode(std::string_view value) {
  return IsNumber(value, 1, abi::kMaxNode, "is no node: 1 to 160");
}
Complaint IsCount(std::string_view value) {
  return IsNumber(value, 1, abi::kMaxNode, "is no number of nodes: 1 to 160");
}
Complaint IsRounds(std::string_view value) {
  return IsNumber(value, 0, 100'000'000, "is no number of rounds: 0 to 100000000");
}
// What only a debug kernel does must not look as if it were done.
Complaint IsSeed(std::string_view value) {
  if (!kDebugChecks) {
    return "is for debug kernels only";
  }
  return IsNumber(value, 1, 1'000'000'000, "is no seed: 1 to 1000000000");
}
Complaint IsStepCount(std::string_view value) {
  if (!kDebugChecks) {
    return "is for debug kernels only";
  }
  return IsNumber(value, 1, 10'000, "is no number of instructions: 1 to 10000");
}
Complaint IsWord(std::string_view value) {
  return value.empty() ? Complaint("is empty") : std::nullopt;
}
Complaint IsHostName(std::string_view value) {
  constexpr std::size_t kLongest = 64;
  bool good = !value.empty() && value.size() <= kLongest && value.front() != '-';
  for (const char c : value) {
    good = good && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '.');
  }
  return good ? std::nullopt : Complaint("is no name of a host");
}
Complaint IsPath(std::string_view value) {
  return value.starts_with('/') ? std::nullopt : Complaint("is no absolute path");
}
Complaint IsSwitch(std::string_view value) {
  return value.empty() || value == "yes" || value == "no" ? std::nullopt
                                                          : Complaint("is neither yes nor no");
}
Complaint IsMount(std::string_view value) {
  const std::size_t colon = value.find(":/");
  return colon == value.npos || colon == 0 ? Complaint("is not TAG:/path or TAG:/path:ro")
                                           : std::nullopt;
}
Complaint IsServed(std::string_view value) {
  const std::size_t colon = value.find(":/");
  if (colon == value.npos || colon == 0) {
    return "is not PROGRAM:/path";
  }
  return CarriesImage(value.substr(0, colon)) ? std::nullopt
                                              : Complaint("names no program of this kernel");
}
Complaint IsTraceClasses(std::string_view value) {
  return trace::ParseMask(value).has_value()
             ? std::nullopt
             : Complaint("names no class of events, or several of which one is unknown");
}
Complaint IsFileService(std::string_view value) {
  return value == "shared" || value == "small" || value == "exclusive" || value == "all"
             ? std::nullopt
             : Complaint("is no way to serve files: shared, small, exclusive or all");
}
Complaint IsLargePolicy(std::string_view value) {
  return value == "never" || value == "madvise" || value == "always"
             ? std::nullopt
             : Complaint("is no policy of large pages: never, madvise or always");
}
Complaint IsAnything(std::string_view) {
  return std::nullopt;
}

struct Option {
  std::string_view key;
  Check check;
};
// Add yours here and to README.md.
constexpr Option kKnown[] = {
    {"init", IsPath},
    {"image", IsWord},
    {"exit", IsSwitch},
    {"name", IsHostName},
    {"node", IsNode},
    {"mount", IsMount},
    {"serve", IsServed},
    {"files", IsFileService},
    {"trace", IsTraceClasses},
    {"large_pages", IsLargePolicy},
    // Debug kernels'.
    {"reuse", IsSeed},
    {"inject", IsStepCount},
    // The test kernel's.
    {"test", IsAnything},
    {"typed", IsAnything},
    {"arena", IsAnything},
    {"members", IsCount},
    {"races", IsRounds},
    {"lock_rounds", IsRounds},
    {"load_patience", IsRounds},
    {"load_seconds", IsRounds},
    {"holds", IsRounds},
};

// Says what is wrong with one word.
bool IsRefused(const machine::CommandLine::Option& word) {
  for (const Option& known : kKnown) {
    if (known.key != word.key) {
      continue;
    }
    const Complaint complaint = known.check(word.value);
    if (complaint.has_value()) {
      machine::Log("boot option {}: \"{}\" {}", word.key, word.value, *complaint);
    }
    return complaint.has_value();
  }
  machine::Log("boot option \"{}\" is not known", word.key);
  return true;
}

}  // namespace

void RefuseBadOptions() {
  machine::CommandLine::Option option;
  auto words = machine::CommandLine(machine::GetBootInfo().command_line).words();
  bool refused = false;
  while (words.Next(option) && option.key != "--") {
    refused = IsRefused(option) || refused;
  }
  if (refused) {
    machine::Log("k42: refuses to start: correct the options (node-kernel/boot/README.md)");
    machine::PowerOff(machine::ExitCode::kBadOption);
  }
}

}  // namespace k42::boot
