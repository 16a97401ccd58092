// What a forwarder leaves on the thread while a call lasts.
#include "cobj/forwarder.h"

#include <gtest/gtest.h>

#include "idl/counter.forward.h"

namespace k42::cobj {
namespace {

using idl::ICounter;

class Policy final : public ForwardPolicy {
 public:
  Policy(ICounter& object, bool counts) : object_(object), counts_(counts) {}
  Result<void*> Enter(ForwardRecord& record) override {
    record.counted = counts_;
    return static_cast<void*>(&object_);
  }
  void Leave(const ForwardRecord&) override { ++left; }
  int left = 0;

 private:
  ICounter& object_;
  const bool counts_;
};

// Says whether the thread that calls is inside a policy.
class Asking final : public ICounter {
 public:
  Result<std::uint64_t> Increment(std::uint64_t) override { return policy->ThreadIsInside(); }
  Result<std::uint64_t> Value() override { return 0; }
  const ForwardPolicy* policy = nullptr;
};

TEST(Forwarder, ACountedCallIsInside) {
  Asking object;
  Policy policy(object, true);
  object.policy = &policy;
  EXPECT_EQ(Forwarder<ICounter>(policy).Increment(0).value(), 1u);
  EXPECT_EQ(policy.left, 1);
  EXPECT_FALSE(policy.ThreadIsInside());
}

// Its policy may go before it ends; who takes its place must not take the call for one of his.
TEST(Forwarder, ACallThatIsNotCountedIsNot) {
  Asking object;
  Policy policy(object, false);
  object.policy = &policy;
  EXPECT_EQ(Forwarder<ICounter>(policy).Increment(0).value(), 0u);
  EXPECT_EQ(policy.left, 0);
}

}  // namespace
}  // namespace k42::cobj
