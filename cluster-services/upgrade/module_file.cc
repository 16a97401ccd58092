#include "cluster-services/upgrade/module_file.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>

#include <array>
#include <memory>

namespace k42::upgrade {

namespace {

constexpr std::size_t kSignatureSize = 64;  // RFC 8032

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

Owned<BIO> Reader(const std::string& text) {
  return Owned<BIO>(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

const unsigned char* Bytes(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string Contents(BIO* bio) {
  char* data = nullptr;
  long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(size));
}

bool IsEd25519(EVP_PKEY* key) {
  return key != nullptr && EVP_PKEY_id(key) == EVP_PKEY_ED25519;
}

}  // namespace

std::string DigestOf(const std::string& bytes) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(Bytes(bytes), bytes.size(), digest.data());
  std::string hex;
  for (unsigned char byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

Outcome<Done> Verify(const SignedModule& module, const std::vector<std::string>& public_keys) {
  if (public_keys.empty())
    return {Status::kPermissionDenied, "no key is installed that could vouch for a module"};
  for (const std::string& text : public_keys) {
    Owned<EVP_PKEY> key(PEM_read_bio_PUBKEY(Reader(text).get(), nullptr, nullptr, nullptr));
    if (!IsEd25519(key.get()))
      return {Status::kInvalidArgument, "an installed public key is no Ed25519 key in PEM"};
    Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
    bool valid = module.signature.size() == kSignatureSize &&
                 EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
                 EVP_DigestVerify(context.get(), Bytes(module.signature), module.signature.size(),
                                  Bytes(module.bytes), module.bytes.size()) == 1;
    if (valid)
      return Done{};
  }
  return {Status::kPermissionDenied, "the module's signature is by none of the installed keys"};
}

Outcome<SignedModule> Sign(std::string bytes, const std::string& private_key) {
  Owned<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(Reader(private_key).get(), nullptr, nullptr, nullptr));
  if (!IsEd25519(key.get()))
    return {Status::kInvalidArgument, "not an Ed25519 private key in PEM"};
  SignedModule module{std::move(bytes), std::string(kSignatureSize, '\0')};
  std::size_t size = kSignatureSize;
  Owned<EVP_MD_CTX> context(EVP_MD_CTX_new());
  bool made =
      EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, key.get()) == 1 &&
      EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(module.signature.data()),
                     &size, Bytes(module.bytes), module.bytes.size()) == 1;
  if (!made || size != kSignatureSize)
    return {Status::kIoError, "signing failed"};
  return module;
}

Outcome<KeyPair> MakeKeyPair() {
  EVP_PKEY* made = nullptr;
  Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nullptr));
  if (EVP_PKEY_keygen_init(context.get()) != 1 || EVP_PKEY_keygen(context.get(), &made) != 1)
    return {Status::kIoError, "no key pair could be made"};
  Owned<EVP_PKEY> key(made);
  Owned<BIO> secret(BIO_new(BIO_s_mem())), open(BIO_new(BIO_s_mem()));
  PEM_write_bio_PrivateKey(secret.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  PEM_write_bio_PUBKEY(open.get(), key.get());
  return KeyPair{Contents(secret.get()), Contents(open.get())};
}

std::string Encode(const SignedModule& module) {
  return module.signature + module.bytes;
}

Outcome<SignedModule> DecodeModule(const std::string& text, const std::string& digest) {
  if (text.size() < kSignatureSize)
    return {Status::kCorrupt, "module record is too short"};
  SignedModule module{text.substr(kSignatureSize), text.substr(0, kSignatureSize)};
  if (DigestOf(module.bytes) != digest)
    return {Status::kCorrupt, "module's digest is not the one it is stored under"};
  return module;
}

}  // namespace k42::upgrade
