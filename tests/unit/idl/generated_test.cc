// The generated headers: numbers, layouts, digests; and that every one of them compiles.
#include <gtest/gtest.h>

#include "idl/sample.dispatch.h"
#include "idl/sample.stub.h"

namespace k42::idl {
namespace {

TEST(Generated, MethodNumbersContinueTheBase) {
  EXPECT_EQ(static_cast<int>(SampleMethod::kState), 0);
  EXPECT_EQ(static_cast<int>(SampleMethod::kWatch), 1);
  EXPECT_EQ(static_cast<int>(SampleMethod::kAdd), 2);
  EXPECT_EQ(ISample::kMethodCount, 12u);
  EXPECT_EQ(kSampleFlags, 10u);
}

TEST(Generated, InfoKnowsMethodsAndBase) {
  EXPECT_STREQ(kSampleInfo.name, "idl.Sample");
  EXPECT_TRUE(kSampleInfo.IsA(kSampleBaseInfo));
  EXPECT_FALSE(kSampleBaseInfo.IsA(kSampleInfo));
  EXPECT_STREQ(kSampleInfo.methods[4].name, "Write");
  EXPECT_EQ(kSampleInfo.methods[4].rights, std::uint32_t{kRightWrite});
  EXPECT_TRUE(kSampleInfo.Blocks(10));
  EXPECT_FALSE(*kSampleInfo.digest == *kSampleBaseInfo.digest);
}

}  // namespace
}  // namespace k42::idl
