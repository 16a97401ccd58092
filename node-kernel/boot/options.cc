#include "boot/options.h"

#include <algorithm>
#include <string_view>

#include "machine/boot_info.h"
#include "machine/log.h"
#include "platform/x86_64/shared/command_line.h"

namespace k42::boot {
namespace {

// Add yours here and to README.md.
constexpr std::string_view kKnown[] = {
    "init", "image", "exit",  "name",  "node",    "trace",
    "test", "root",  "typed", "arena", "members", "mount",
};

}  // namespace

void ReportUnknownOptions() {
  machine::CommandLine::Option option;
  auto words = machine::CommandLine(machine::GetBootInfo().command_line).words();
  while (words.Next(option) && option.key != "--") {
    if (std::find(std::begin(kKnown), std::end(kKnown), option.key) == std::end(kKnown)) {
      machine::Log("boot option \"{}\" is not known", option.key);
    }
  }
}

}  // namespace k42::boot
