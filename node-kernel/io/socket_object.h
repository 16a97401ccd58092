// SocketObject: what a handle to a socket refers to: the interface of io/socket.idl over an
// Endpoint. It translates addresses to endpoints and handles to attachments.
#pragma once

#include "fs/open_file_base.h"
#include "io/endpoint.h"
#include "io/socket.idl.h"
#include "io/socket_list.h"
#include "io/stream_attributes.h"

namespace k42::io {

class SocketObject final : public fs::OpenFileBase<ISocket> {
 public:
  using Caller = const cobj::CallContext&;
  using Directory = cobj::Ref<fs::IOpenFile>;

  static Result<cobj::Granted<ISocket>> Make(RefPtr<Endpoint> endpoint, std::uint32_t flags);
  SocketObject(RefPtr<Endpoint> endpoint, const StreamIdentity& identity, std::uint32_t flags);
  ~SocketObject();

  Result<std::uint64_t> PollState() override {
    endpoint_->LookForRoom();
    return endpoint_->list().Word();
  }
  Status Arm(std::uint32_t mask, std::uint64_t since, cobj::Ticket ready) override {
    if ((mask & abi::kWritable) != 0) {
      endpoint_->LookForRoom();
    }
    return endpoint_->list().Arm(mask, since, ready);
  }
  Status Disarm(Caller caller, std::uint32_t number) override;
  Result<std::uint64_t> Read(Caller caller, BufferOut data) override;
  Result<std::uint64_t> Write(Caller caller, BufferIn data) override;
  Status GetAttributes(fs::FileAttributes& attributes) override;
  Status GetFileSystem(fs::FileSystemInfo& info) override;
  Result<fs::FileKind> Kind() override { return fs::FileKind::kSocket; }
  Result<std::uint64_t> Control(Caller caller, std::uint32_t operation, BufferIn input,
                                BufferOut output) override;

  Status Bind(Caller caller, Directory directory, const SocketAddress& address,
              std::uint32_t mode) override;
  Status Listen(Caller caller, std::uint32_t backlog) override;
  Result<cobj::Granted<ISocket>> Accept(Caller caller) override;
  Status Connect(Caller caller, Directory directory, const SocketAddress& address) override;
  Result<std::uint64_t> Send(Caller caller, Directory directory, BufferIn data,
                             const SocketMessage& message, std::uint32_t flags) override;
  Result<std::uint64_t> Receive(Caller caller, BufferOut data, std::uint32_t flags,
                                std::uint32_t room, SocketMessage& message) override;
  Status Shutdown(ShutdownSide side) override { return endpoint_->Shutdown(side); }
  Status GetName(bool peer, SocketAddress& address) override;
  Result<std::int64_t> GetOption(SocketOption option) override;
  Status SetOption(SocketOption option, std::int64_t value) override;
  Status GetPeerIdentity(SenderIdentity& identity) override;

 private:
  void Closed() override;
  // Binds to a port or name of the system's choice where others must be able to answer.
  Status BindAnywhere(Caller caller);
  Result<std::uint64_t> SendWith(Transfer& transfer, Attachment* attachment);

  const RefPtr<Endpoint> endpoint_;
  const StreamIdentity identity_;
  SocketList::Entry listed_;
};

// The sender as the kernel knows it.
Status IdentityOfSender(const cobj::CallContext& caller, SenderIdentity* sender);

}  // namespace k42::io
