// Clustered objects: what calls, creation and destruction write that other CPUs write too.
#include <cstdio>

#include "cobj/make.h"
#include "lines/counting_node.h"
#include "support/counters.h"

namespace k42::test {
namespace {

class ObjectLines : public ::testing::Test {
 protected:
  CountingNode& node_ = CountingNode::Get();
};

TEST_F(ObjectLines, ASharedCounterIsOneLine) {
  const auto counter = cobj::MakeShared<SharedCounter>().value();
  const LineReport report = CountLines(
      4, 2000, [&](machine::CpuId, std::uint32_t) { (void)counter->Increment(1); }, 10);
  EXPECT_EQ(report.shared_per_operation, 1) << report.Text();
  EXPECT_EQ(cobj::Destroy(counter), Status::kOk);
}

TEST_F(ObjectLines, AReplicatedCounterIsNone) {
  const auto counter = cobj::MakeReplicated<ReplicatedCounter>(1).value();
  const LineReport report = CountLines(
      4, 2000, [&](machine::CpuId, std::uint32_t) { (void)counter->Increment(1); }, 10);
  EXPECT_EQ(report.shared_per_operation, 0) << report.Text();
  EXPECT_GE(report.written_per_operation, 1);
  EXPECT_EQ(cobj::Destroy(counter), Status::kOk);
}

// An object without a word that all instances share.
class Plain final : public idl::ICounter {
 public:
  using Interface = idl::ICounter;
  Result<std::uint64_t> Increment(std::uint64_t amount) override { return value_ += amount; }
  Result<std::uint64_t> Value() override { return value_; }

 private:
  std::uint64_t value_ = 0;
};

// Made, called and destroyed on one CPU. The bound keeps it from getting worse.
constexpr double kMostPerObject = 8;
TEST_F(ObjectLines, ObjectsOfOneCpu) {
  const LineReport report = CountLines(
      4, 500,
      [&](machine::CpuId, std::uint32_t) {
        const auto object = cobj::MakeShared<Plain>().value();
        (void)object->Increment(1);
        (void)cobj::Destroy(object);
        cobj::QuietPoint();
      },
      2000);
  std::printf("objects of one CPU: %s", report.Text().c_str());
  EXPECT_LE(report.shared_per_operation, kMostPerObject) << report.Text();
}

}  // namespace
}  // namespace k42::test
