#include "cluster-services/upgrade/module_file.h"

#include <gtest/gtest.h>

namespace k42::upgrade {
namespace {

TEST(ModuleFile, DigestIsSha256) {
  // FIPS 180-2, appendix B.1.
  EXPECT_EQ(DigestOf("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(ModuleFile, OnlyAnInstalledKeyVouches) {
  KeyPair ours = MakeKeyPair().value(), other = MakeKeyPair().value();
  SignedModule module = Sign("a module's bytes", ours.private_key).value();
  EXPECT_TRUE(Verify(module, {other.public_key, ours.public_key}).ok());
  EXPECT_EQ(Verify(module, {other.public_key}).status(), Status::kPermissionDenied);
  EXPECT_EQ(Verify(module, {}).status(), Status::kPermissionDenied);
  EXPECT_EQ(Verify(module, {"no key"}).status(), Status::kInvalidArgument);
  SignedModule changed = module;
  changed.bytes[3] ^= 1;
  EXPECT_EQ(Verify(changed, {ours.public_key}).status(), Status::kPermissionDenied);
  changed = module;
  changed.signature.resize(10);
  EXPECT_EQ(Verify(changed, {ours.public_key}).status(), Status::kPermissionDenied);
  EXPECT_EQ(Sign("x", "no key").status(), Status::kInvalidArgument);
}

TEST(ModuleFile, IsStoredUnderItsDigest) {
  KeyPair keys = MakeKeyPair().value();
  SignedModule module = Sign("bytes", keys.private_key).value();
  std::string stored = Encode(module);
  auto read = DecodeModule(stored, DigestOf("bytes"));
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->bytes, "bytes");
  EXPECT_TRUE(Verify(read.value(), {keys.public_key}).ok());
  EXPECT_EQ(DecodeModule(stored, DigestOf("other")).status(), Status::kCorrupt);
  EXPECT_EQ(DecodeModule("short", DigestOf("bytes")).status(), Status::kCorrupt);
}

}  // namespace
}  // namespace k42::upgrade
