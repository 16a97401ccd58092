// IoFactory: the interface of io/io_factory.idl: makes pipes, event counters and sockets.
#pragma once

#include "cobj/make.h"
#include "io/io_factory.idl.h"

namespace k42::io {

class SocketServices;

class IoFactory final : public IIoFactory {
 public:
  using Interface = IIoFactory;
  using Caller = const cobj::CallContext&;
  explicit IoFactory(SocketServices& sockets) : sockets_(sockets) {}

  Result<cobj::Granted<fs::IOpenFile>> MakePipe(Caller caller, std::uint32_t flags,
                                                cobj::Granted<fs::IOpenFile>& writer) override;
  Result<cobj::Granted<fs::IOpenFile>> MakeEventCounter(Caller caller, std::uint64_t initial,
                                                        bool semaphore,
                                                        std::uint32_t flags) override;
  Result<cobj::Granted<fs::IOpenFile>> OpenTask(Caller caller, std::uint32_t task,
                                                std::uint32_t flags) override;
  Result<cobj::Granted<ISocket>> MakeSocket(Caller caller, SocketFamily family, SocketType type,
                                            std::uint32_t protocol, std::uint32_t flags) override;
  Result<cobj::Granted<ISocket>> MakeSocketPair(Caller caller, SocketType type, std::uint32_t flags,
                                                cobj::Granted<ISocket>& other) override;

 private:
  SocketServices& sockets_;
};

}  // namespace k42::io
