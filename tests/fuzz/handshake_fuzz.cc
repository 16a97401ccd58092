// libFuzzer: what a stranger may say in place of each word of the handshake. Nobody who does not
// know the secrets gets through it.
#include <cstdlib>

#include "fuzz/fuzz_input.h"
#include "interconnect/handshake.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k42;
  using namespace k42::interconnect;
  FuzzInput input(data, size);
  const LocalIdentity self{{1, 101}, 42, 1, {}};
  PeerInfo peer{{2, 102}, {}, "nowhere"};
  peer.secret.fill(std::byte{7});

  Hello hello{};
  const auto said = input.TakeBytes(sizeof hello);
  if (ParseHello(said, &hello) == Status::kOk && hello.magic != kHelloMagic)
    std::abort();
  // A Hello as it should be, with what the input puts into some of its fields.
  Hello close{.magic = kHelloMagic, .version = kHandshakeVersion, .cluster_id = 42};
  close.sender_node = 2;
  close.receiver_node = 1 + input.Take<std::uint8_t>() % 2;
  close.sender_incarnation = 102;
  close.receiver_incarnation = 101 + input.Take<std::uint8_t>() % 2;
  for (const Hello& one : {hello, close}) {
    Acceptor acceptor(self);
    Welcome welcome{};
    const Status met = acceptor.OnHello(one, peer, &welcome);
    if (met == Status::kOk && (one.receiver_node != 1 || one.receiver_incarnation != 101))
      std::abort();
    if (acceptor.OnConfirm(input.rest()) == Status::kOk)
      std::abort();
  }
  Initiator initiator(self, peer);
  (void)initiator.Start();
  Confirm confirm{};
  if (initiator.OnWelcome(input.rest(), &confirm) == Status::kOk)
    std::abort();
  return 0;
}
