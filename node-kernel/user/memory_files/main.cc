// The memory file server: memory_files. Serves an empty tree to the node that has started it for
// that (boot option serve=), in up to half of the node's memory, until its session ends.
#include "fs/file_server.stub.h"
#include "machine/log.h"
#include "user/memory_files/server.h"
#include "user/runtime/heap.h"
#include "user/runtime/runtime.h"

namespace k42::runtime {

namespace {

constexpr std::uint32_t kTicket = 1;
constexpr std::string_view kProgramName = "memory_files";
static_assert(memory_files::Server::kMessageMost == fs::kServedMessageMax);

std::uint64_t Now() {
  return static_cast<std::uint64_t>(kNode.RealTime().ValueOr(0));
}

int Fail(std::string_view what, Status why) {
  machine::Log("{}: {}: {}", kProgramName, what, why);
  return 1;
}

}  // namespace

int Main(std::span<const std::string_view>) {
  for (const auto text : {proc::TaskText::kName, proc::TaskText::kProgram})
    (void)kProcess.SetText(0, text, kProgramName.data(), kProgramName.size());
  if (InheritedHandles().empty()) {
    machine::Log("{}: is started by the node: boot option serve=", kProgramName);
    return 64;
  }
  const fs::FileServerStub session(InheritedHandles()[0]);
  proc::NodeInfo node;
  if (const Status status = kNode.GetInfo(&node); status != Status::kOk)
    return Fail("the node", status);
  Heap heap;
  memory_files::Tree tree(heap, node.memory / 2, Now);
  memory_files::Server server(tree, heap);
  auto* message = static_cast<std::byte*>(heap.Allocate(fs::kServedMessageMax, 1));
  auto* reply = static_cast<std::byte*>(heap.Allocate(fs::kServedMessageMax, 1));
  if (!tree.ok() || message == nullptr || reply == nullptr)
    return Fail("no memory", Status::kNoMemory);
  for (;;) {
    const auto size = session.Take(message, fs::kServedMessageMax, kTicket);
    if (size.status() == Status::kPending) {
      (void)WaitForTicket(kTicket);
      continue;
    }
    if (size.status() == Status::kEndpointDown)
      return 0;
    if (size.status() == Status::kNoMemory)
      continue;
    if (!size.ok())
      return Fail("take", size.status());
    const std::size_t answer = server.Answer({message, static_cast<std::size_t>(size.value())},
                                             {reply, fs::kServedMessageMax});
    if (const Status status = session.Answer(reply, answer); status != Status::kOk)
      return Fail("answer", status);
  }
}

}  // namespace k42::runtime
