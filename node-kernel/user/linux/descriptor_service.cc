#include "user/linux/descriptor_service.h"

#include <cstring>

#include "user/linux/dispatcher.h"
#include "user/linux/file_slots.h"
#include "user/linux/task.h"

namespace k42::personality {
namespace {

constexpr std::uint64_t kPatienceNs = 2'000'000'000;

io::SocketAddress NameFor(const char* what, std::int32_t number) {
  io::SocketAddress address{};
  address.family = io::SocketFamily::kLocal;
  std::uint32_t size = 1;  // a leading zero byte: outside any directory
  while (*what) {
    address.name[size++] = static_cast<std::uint8_t>(*what++);
  }
  for (int shift = 28; shift >= 0; shift -= 4) {
    address.name[size++] = static_cast<std::uint8_t>(
        "0123456789abcdef"[static_cast<std::uint32_t>(number) >> shift & 15]);
  }
  address.name_size = size;
  return address;
}

// A datagram socket with that name; null: not to be had.
KernelFile* NamedSocket(const io::SocketAddress& name) {
  const Result<kernel::Handle> socket =
      kernel::MakeSocket(io::SocketFamily::kLocal, io::SocketType::kDatagram, 0);
  if (!socket.ok()) {
    return nullptr;
  }
  KernelFile* file = KernelFile::Create(socket.value(), 0);
  if (file && kernel::Bind(file->handle(), kernel::kNoHandle, name, 0700) != Status::kOk) {
    Description::Release(file);
    return nullptr;
  }
  return file;
}

class Service final : public Watch {
 public:
  // It is one: it may have what is kept for calls.
  constexpr Service() : Watch(true) {}
  void Start() {
    if (!socket_ && (socket_ = NamedSocket(NameFor("k42.fd.", Tasks().first()->pid)))) {
      (void)socket_->StartWatch(this, abi::kReadable, abi::kArmLevel);
    }
  }
  // Nothing is written where nothing was started: after a fork each page written is one copied.
  void ForgetSocket() {
    if (socket_) {
      Forget();
      Description::Release(socket_);
      socket_ = nullptr;
    }
  }

  void Ready() override {
    std::uint32_t fd = 0;
    io::SocketMessage request{};
    while (kernel::Receive(socket_->handle(), reinterpret_cast<std::uint64_t>(&fd), sizeof(fd), 0,
                           0, &request)
               .ok()) {
      Answer(fd, request);
    }
    (void)socket_->StartWatch(this, abi::kReadable, abi::kArmLevel);
  }

 private:
  void Answer(std::uint32_t fd, const io::SocketMessage& request) {
    proc::Credential own{};
    (void)kernel::GetCredential(&own);
    io::SocketMessage answer{};
    answer.has_address = 1;
    answer.address = request.address;
    const bool allowed =
        request.sender.valid != 0 && (request.sender.user == 0 || request.sender.user == own.user);
    Description* description = allowed ? Tasks().first()->files->Peek(fd) : nullptr;
    if (description && description->kind() == Description::Kind::kFile) {
      auto& file = *static_cast<KernelFile*>(description);
      NoteShared(file);
      answer.handle_count = 1;
      answer.handles[0] = file.handle();
    }
    (void)kernel::Send(socket_->handle(), kernel::kNoHandle, reinterpret_cast<std::uint64_t>(&fd),
                       sizeof(fd), answer, 0);
  }

  KernelFile* socket_ = nullptr;
};

Service service;

}  // namespace

void StartDescriptorService() {
  service.Start();
}
void ForgetDescriptorService() {
  service.ForgetSocket();
}

Result<kernel::Handle> AskForDescriptor(std::int32_t pid, std::uint32_t fd) {
  DescriptionRef socket(NamedSocket(NameFor("k42.fd.asks.", Self().tid)));
  if (!socket) {
    return Status::kNotFound;
  }
  io::SocketMessage message{};
  message.has_address = 1;
  message.address = NameFor("k42.fd.", pid);
  const kernel::Handle handle = socket.file()->handle();
  const auto buffer = reinterpret_cast<std::uint64_t>(&fd);
  if (!kernel::Send(handle, kernel::kNoHandle, buffer, sizeof(fd), message, 0).ok() ||
      WaitReady(socket.get(), abi::kReadable, kernel::MonotonicNs() + kPatienceNs) != 0) {
    return Status::kNotFound;
  }
  message = {};
  const Result<std::uint64_t> got = kernel::Receive(handle, buffer, sizeof(fd), 0, 1, &message);
  if (!got.ok() || message.handle_count != 1) {
    return Status::kNotFound;
  }
  return message.handles[0];
}

}  // namespace k42::personality
