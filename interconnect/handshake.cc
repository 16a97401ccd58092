#include "interconnect/handshake.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <cstdlib>
#include <cstring>
#include <string_view>

namespace k42::interconnect {
namespace {

Nonce RandomNonce() {
  Nonce nonce;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(nonce.data()), nonce.size()) != 1)
    std::abort();  // a guessable nonce would make the handshake worthless
  return nonce;
}

template <typename T>
void Append(std::vector<std::byte>& to, const T& value) {
  auto bytes = std::as_bytes(std::span(&value, 1));
  to.insert(to.end(), bytes.begin(), bytes.end());
}

// All that has been said before the MACs: Hello, then the acceptor's generation and nonce.
std::vector<std::byte> Transcript(const Hello& hello, const Welcome& welcome) {
  std::vector<std::byte> transcript;
  Append(transcript, hello);
  Append(transcript, welcome.generation);
  Append(transcript, welcome.nonce);
  return transcript;
}

Mac MakeMac(const Secret& initiator, const Secret& acceptor, std::string_view label,
            std::span<const std::byte> transcript) {
  std::vector<std::byte> key;
  Append(key, initiator);
  Append(key, acceptor);
  std::vector<std::byte> text;
  for (char c : label) text.push_back(static_cast<std::byte>(c));
  text.insert(text.end(), transcript.begin(), transcript.end());
  Mac mac;
  unsigned size = mac.size();
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(),
           reinterpret_cast<unsigned char*>(mac.data()), &size) == nullptr)
    std::abort();
  return mac;
}

bool Same(const Mac& a, const Mac& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace

Status ParseHello(std::span<const std::byte> bytes, Hello* out) {
  if (bytes.size() != sizeof(Hello))
    return Status::kCorrupt;
  std::memcpy(out, bytes.data(), sizeof(Hello));
  if (out->magic != kHelloMagic)
    return Status::kCorrupt;
  return out->version == kHandshakeVersion ? Status::kOk : Status::kVersionMismatch;
}

Hello Initiator::Start() {
  hello_ = Hello{.magic = kHelloMagic,
                 .version = kHandshakeVersion,
                 .cluster_id = self_.cluster_id,
                 .sender_node = self_.self.node,
                 .receiver_node = peer_.id.node,
                 .sender_incarnation = self_.self.incarnation,
                 .receiver_incarnation = peer_.id.incarnation,
                 .generation = self_.daemon_generation,
                 .reserved = 0,
                 .nonce = RandomNonce()};
  return hello_;
}

Status Initiator::OnWelcome(std::span<const std::byte> bytes, Confirm* confirm) {
  Welcome welcome;
  if (bytes.size() != sizeof welcome)
    return Status::kCorrupt;
  std::memcpy(&welcome, bytes.data(), sizeof welcome);
  std::vector<std::byte> transcript = Transcript(hello_, welcome);
  if (!Same(welcome.mac, MakeMac(self_.secret, peer_.secret, "welcome", transcript)))
    return Status::kPermissionDenied;
  confirm->mac = MakeMac(self_.secret, peer_.secret, "confirm", transcript);
  return Status::kOk;
}

Status Acceptor::OnHello(const Hello& hello, const PeerInfo& peer, Welcome* welcome) {
  if (hello.cluster_id != self_.cluster_id || hello.receiver_node != self_.self.node)
    return Status::kPermissionDenied;
  if (hello.receiver_incarnation != self_.self.incarnation || hello.Sender() != peer.id)
    return Status::kStaleIncarnation;
  welcome->generation = self_.daemon_generation;
  welcome->reserved = 0;
  welcome->nonce = RandomNonce();
  transcript_ = Transcript(hello, *welcome);
  peer_secret_ = peer.secret;
  welcome->mac = MakeMac(peer_secret_, self_.secret, "welcome", transcript_);
  return Status::kOk;
}

Status Acceptor::OnConfirm(std::span<const std::byte> bytes) {
  Confirm confirm;
  if (transcript_.empty() || bytes.size() != sizeof confirm)
    return Status::kCorrupt;
  std::memcpy(&confirm, bytes.data(), sizeof confirm);
  Mac expected = MakeMac(peer_secret_, self_.secret, "confirm", transcript_);
  transcript_.clear();  // one answer only
  return Same(confirm.mac, expected) ? Status::kOk : Status::kPermissionDenied;
}

}  // namespace k42::interconnect
