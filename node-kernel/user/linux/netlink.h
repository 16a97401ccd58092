// NETLINK_ROUTE as far as getifaddrs and its like ask: dumps of links, addresses and routes. A
// request is answered at once into a buffer, which receive calls read message group by group.
#pragma once

#include <cstdint>

#include "user/linux/abi_sockets.h"
#include "user/linux/description.h"
#include "user/linux/io_vector.h"
#include "user/linux/thread.h"

namespace k42::personality {

class Netlink final : public LocalDescription {
 public:
  static Netlink* Create(std::uint32_t linux_flags, std::uint32_t port);

  std::int64_t Bind(std::uint64_t address, std::uint32_t size);
  std::int64_t StoreName(std::uint64_t address, std::uint64_t size);
  std::int64_t Send(std::uint64_t buffer, std::uint64_t size);
  std::int64_t Receive(std::uint64_t buffer, std::uint64_t size, std::uint32_t flags,
                       std::uint64_t address, std::uint64_t address_size);
  std::int64_t ReceiveMessage(const IoVector& pieces, LinuxMsgHdr& header, std::uint64_t address,
                              std::uint32_t flags);

  std::int64_t Read(std::uint64_t address, std::uint64_t size) override;
  std::int64_t Write(std::uint64_t address, std::uint64_t size) override;
  std::uint64_t Poll() override;

 private:
  Netlink(std::uint32_t linux_flags, std::uint32_t port)
      : LocalDescription(Kind::kNetlink, linux_flags), port_(port) {}
  void Destroy() override;
  // The next answer's size, 0: none. Answers are kept as u32 size and bytes.
  std::uint32_t NextSize() const;
  std::int64_t WaitForAnswer(std::uint32_t flags);
  void Consume();
  void Answer(const void* request);

  static constexpr std::uint32_t kAnswersMax = 4096;
  std::uint32_t port_;
  std::uint32_t used_ = 0;
  char answers_[kAnswersMax];
};

Netlink* AsNetlink(const DescriptionRef& description);
std::int64_t NewNetlink(Thread& thread, std::uint32_t type, std::uint32_t protocol);

}  // namespace k42::personality
