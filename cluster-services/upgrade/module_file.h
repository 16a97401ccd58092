// A module as the cluster handles it: bytes, their SHA-256 (its name), and an Ed25519 signature by
// a key that the deployment installed. The daemon verifies before the kernel ever sees the bytes;
// the kernel checks digest, build id, versions and symbols again.
#pragma once

#include <string>
#include <vector>

#include "cluster-services/support/outcome.h"

namespace k42::upgrade {

struct SignedModule {
  std::string bytes;
  std::string signature;  // 64 bytes, over `bytes`
};

// SHA-256, lower-case hex.
std::string DigestOf(const std::string& bytes);

// kOk when one of the public keys (PEM) made the signature; kPermissionDenied else,
// kInvalidArgument for a key that cannot be read.
Outcome<Done> Verify(const SignedModule& module, const std::vector<std::string>& public_keys);

// For the one who makes modules. `private_key` is PEM.
Outcome<SignedModule> Sign(std::string bytes, const std::string& private_key);

// For tests and first installations: a new key pair, PEM.
struct KeyPair {
  std::string private_key;
  std::string public_key;
};
Outcome<KeyPair> MakeKeyPair();

// As it lies in the store under its digest: signature, then bytes. Decode checks that the digest is
// the key's (kCorrupt).
std::string Encode(const SignedModule& module);
Outcome<SignedModule> DecodeModule(const std::string& text, const std::string& digest);

}  // namespace k42::upgrade
