#include "user/runtime/print.h"

#include "fs/open_file.stub.h"
#include "machine/log.h"
#include "user/runtime/runtime.h"

namespace k42::runtime {
namespace {

constexpr std::size_t kStandardOutput = 1;
constexpr std::uint32_t kPrintTicket = 63;

}  // namespace

void PrintText(std::string_view text) {
  const std::span<const abi::Handle> handles = InheritedHandles();
  if (handles.size() <= kStandardOutput)
    return machine::Log("{}", text);
  char line[257];
  std::size_t size = text.copy(line, sizeof line - 1);
  line[size++] = '\n';
  const fs::OpenFileStub out(handles[kStandardOutput]);
  for (std::size_t done = 0; done < size;) {
    const auto written = Finish(out.Write(line + done, size - done, kPrintTicket), kPrintTicket);
    if (!written.ok() || written.value() == 0)
      return;
    done += static_cast<std::size_t>(written.value());
  }
}

}  // namespace k42::runtime
