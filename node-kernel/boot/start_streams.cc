#include "boot/start_streams.h"

#include "base/assert.h"
#include "boot/start_files.h"
#include "boot/start_modules.h"
#include "machine/log.h"
#include "mem/heap.h"

namespace k42::boot {

namespace {
constinit io::FabricNetwork* network = nullptr;

// /sys/k42/streams: what each stream says of itself. Which version it is of tells how far an
// upgrade has come; version 1 does not count puts and credits.
void GenerateStreams(fs::TextWriter& text, std::uint64_t) {
  std::uint32_t index = 0;
  while (io::FabricConnection* connection = network->NextConnection(&index)) {
    io::StreamDescription stream;
    const Status status = connection->Describe(&stream);
    const global::LinkPeer peer = connection->peer();
    connection->DropReference();
    ++index;
    if (status != Status::kOk)
      continue;
    text.Print("version {} node {} port {} peer_port {} sent {} received {} puts {} credits {}\n",
               stream.class_version, peer.node, stream.local_port, stream.peer_port, stream.sent,
               stream.received, stream.puts, stream.credits);
  }
}

Status ShowStreams() {
  fs::SyntheticDirectory* folder = TRY(SystemFiles().AddDirectory("k42"));
  return folder->AddFile("streams", &GenerateStreams);
}

}  // namespace

global::LinkReceiver& StartStreams(global::Link& link, const global::ClusterView& view) {
  const auto made = mem::New<io::FabricNetwork>(link, view, Sockets());
  K42_ASSERT(made.ok() && made.value()->Start() == Status::kOk, "memory for streams");
  network = made.value();
  Sockets().SetFabric(*network);
  if (TheUpgrader().Register("FabricStream", network->factory()) != Status::kOk ||
      ShowStreams() != Status::kOk)
    machine::Log("streams: not shown in /sys, or not to be upgraded");
  return *network;
}

io::FabricNetwork& Streams() {
  return *network;
}

}  // namespace k42::boot
