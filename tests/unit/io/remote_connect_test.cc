// Sockets whose connection leaves the node: whose it is when several connect at once, when one has
// failed, and what becomes of what cannot travel along.
#include <gtest/gtest.h>

#include <functional>
#include <vector>

#include "io/attachment.h"
#include "io/socket_services.h"
#include "io/stream_endpoint.h"
#include "ipc/handle_table.h"
#include "mem/heap.h"
#include "support/counted_object.h"
#include "support/node_fixture.h"
#include "unit/io/no_names.h"

namespace k42::io {
namespace {

class Line final : public RemoteConnection {
 public:
  Result<std::uint64_t> Write(BufferIn data) override { return std::uint64_t{data.size()}; }
  Result<std::uint64_t> Read(BufferOut, bool) override { return Status::kWouldBlock; }
  Status Shutdown(ShutdownSide) override { return Status::kOk; }
  Status TakeError() override { return Status::kOk; }
  Status ConnectState() override { return state; }
  bool connected() override { return state == Status::kAlreadyConnected; }
  std::uint64_t readable_bytes() override { return 0; }
  std::uint64_t unsent_bytes() override { return 0; }
  void Close(bool) override { ++closed; }
  void Watch(ReadyList* list) override { watched = list; }

  Status state = Status::kInProgress;
  int closed = 0;
  ReadyList* watched = nullptr;

 private:
  void Dispose() override { mem::Delete(this); }
};

class Carrier final : public RemoteStreams {
 public:
  ~Carrier() {
    for (Line* line : lines) line->DropReference();
  }
  Result<RemoteConnection*> Connect(const SocketAddress&, const SocketAddress&,
                                    ReadyList& list) override {
    if (const auto first = std::exchange(meanwhile, nullptr))
      first();
    if (refuse)
      return Status::kUnreachable;
    Line* line = TRY(mem::New<Line>());
    line->AddReference();  // the test's
    line->watched = &list;
    lines.push_back(line);
    return static_cast<RemoteConnection*>(line);
  }
  std::vector<Line*> lines;
  std::function<void()> meanwhile;
  bool refuse = false;
};

class RemoteConnectTest : public test::ObjectFixture {
 protected:
  RemoteConnectTest() {
    services.SetFabric(carrier);
    target.family = SocketFamily::kInternet;
    target.internet = SocketServices::kNodePrefix << 16 | 2;
    target.port = 80;
  }
  Result<std::uint64_t> Send(Attachment* attachment) {
    Transfer transfer;
    transfer.in = BufferIn::Kernel("text", 4);
    transfer.attachment = attachment;
    return socket->Send(transfer);
  }
  NoNames names;
  SocketServices services{SocketServices::kNodePrefix << 16 | 1, names};
  Carrier carrier;
  SocketAddress target{};
  RefPtr<StreamEndpoint> socket = RefPtr<StreamEndpoint>::Adopt(
      StreamEndpoint::Make(services, SocketFamily::kInternet, SocketType::kStream, {}).value());
};

TEST_F(RemoteConnectTest, OfTwoAtOnceOneHasTheSocket) {
  Status inner = Status::kOk;
  carrier.meanwhile = [&] { inner = socket->ConnectRemote(target); };
  EXPECT_EQ(socket->ConnectRemote(target), Status::kAlreadyConnected);
  EXPECT_EQ(inner, Status::kInProgress);
  ASSERT_EQ(carrier.lines.size(), 2u);
  EXPECT_EQ(carrier.lines[0]->closed, 0);
  EXPECT_EQ(carrier.lines[0]->watched, &socket->list());
  EXPECT_EQ(carrier.lines[1]->closed, 1);  // the one that came too late
  EXPECT_EQ(carrier.lines[1]->watched, nullptr);
  socket->Close();
  EXPECT_EQ(carrier.lines[0]->closed, 1);
  EXPECT_EQ(carrier.lines[0]->watched, nullptr);
}

TEST_F(RemoteConnectTest, AFailedConnectionIsLetGo) {
  EXPECT_EQ(socket->ConnectRemote(target), Status::kInProgress);
  Line& line = *carrier.lines[0];
  line.state = Status::kConnectionRefused;
  EXPECT_EQ(socket->ConnectRemote(target), Status::kConnectionRefused);
  line.state = Status::kInvalidArgument;  // has been told
  carrier.refuse = true;
  EXPECT_EQ(socket->ConnectRemote(target), Status::kUnreachable);
  EXPECT_EQ(line.closed, 1);
  EXPECT_FALSE(socket->connected());
  EXPECT_EQ(Send(nullptr).status(), Status::kBrokenPipe);
  EXPECT_EQ(abi::PollWord::Unpack(socket->list().Word()).ready,
            std::uint32_t{abi::kWritable | abi::kHangup});
  carrier.refuse = false;
  EXPECT_EQ(socket->ConnectRemote(target), Status::kInProgress);
  socket->Close();
  EXPECT_EQ(line.closed, 1);  // not again
  EXPECT_EQ(carrier.lines[1]->closed, 1);
}

TEST_F(RemoteConnectTest, AnAttachmentEndsHere) {
  EXPECT_EQ(socket->ConnectRemote(target), Status::kInProgress);
  int ends = 0;
  ipc::HandleTable table(mem::TheHeap());
  const abi::Handle handle = table.Grant(test::CountedObject::Make(&ends)).value();
  cobj::CallContext caller;
  caller.handles = &table;
  Attachment* attachment = Attachment::Make().value();
  EXPECT_EQ(attachment->Hold(caller, &handle, 1), Status::kOk);
  EXPECT_EQ(table.Close(handle), Status::kOk);
  EXPECT_EQ(ends, 0);
  EXPECT_EQ(Send(attachment).ValueOr(0), 4u);
  EXPECT_EQ(ends, 1);
  socket->Close();
}

}  // namespace
}  // namespace k42::io
