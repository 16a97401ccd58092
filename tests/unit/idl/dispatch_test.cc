// From user stub through the native call to the object and back; hostile words are refused.
#include <gtest/gtest.h>

#include <cstring>

#include "cobj/make.h"
#include "cobj/ticket.idl.h"
#include "idl/sample.dispatch.h"
#include "idl/sample.stub.h"
#include "machine/native_call.h"
#include "support/node_fixture.h"

namespace k42::idl {
namespace {

class SampleObject final : public ISample {
 public:
  using Interface = ISample;
  void SetSelf(cobj::Ref<ISample> self) { self_ = self; }

  Result<std::uint32_t> State() override { return kSampleReady; }
  Status Watch(std::uint32_t, cobj::Ticket done) override { return done.Fire(Status::kOk, 5); }
  Result<std::int64_t> Add(std::uint8_t a, std::int32_t b, bool negate, std::uint64_t c) override {
    const std::int64_t sum = a + b + static_cast<std::int64_t>(c);
    return negate ? -sum : sum;
  }
  Result<Colour> Paint(Colour colour) override {
    return colour == Colour::kRed ? Colour::kGreen : Colour::kRed;
  }
  Result<std::uint64_t> Write(BufferIn data) override {
    TRY(data.CopyTo(bytes_, 0, data.size()));
    return data.size();
  }
  Result<std::uint64_t> Read(BufferOut data, std::uint64_t offset) override {
    TRY(data.CopyFrom(bytes_ + offset, 0, data.size()));
    return data.size();
  }
  Status Reshape(const Shape& shape, Shape& old) override {
    old = shape_;
    shape_ = shape;
    return Status::kOk;
  }
  Result<cobj::Granted<ISampleBase>> Other(const cobj::CallContext& caller,
                                           cobj::Ref<ISample> other) override {
    if (caller.process_id != 42)
      return Status::kPermissionDenied;
    return cobj::Granted<ISampleBase>(other ? other : self_, kRightRead);
  }
  Status Pair(cobj::Granted<ISample>& left, cobj::Granted<ISample>& right) override {
    left = self_;
    right = self_;
    return Status::kOk;
  }
  Status Pass(cobj::ObjectRef any, cobj::ObjectRef& back) override {
    back = any;
    return Status::kOk;
  }
  Result<std::uint64_t> Slow(const cobj::CallContext& caller, std::uint64_t amount) override {
    return amount + caller.ticket;
  }
  Result<std::uint64_t> Hidden(std::uint64_t word) override { return word; }

 private:
  cobj::Ref<ISample> self_;
  char bytes_[64] = {};
  Shape shape_{};
};

class Sink final : public cobj::ITicketSink {
 public:
  using Interface = cobj::ITicketSink;
  Result<std::uint32_t> Arm(std::uint32_t number) override { return number; }
  Status Fire(std::uint32_t ticket, std::int64_t, std::uint64_t value) override {
    fired_ticket = ticket;
    fired_value = value;
    return Status::kOk;
  }
  static inline std::uint64_t fired_ticket = 0, fired_value = 0;
};

class TestHandles final : public cobj::HandleSpace {
 public:
  Result<std::uint32_t> Grant(const cobj::ObjectRef& object) override {
    if (count_ == 16)
      return Status::kLimitExceeded;
    objects_[count_] = object;
    return count_++;
  }
  Status Resolve(std::uint32_t handle, cobj::ObjectRef* object) override {
    if (handle == 0 || handle >= count_ || !objects_[handle])
      return Status::kBadHandle;
    *object = objects_[handle];
    return Status::kOk;
  }
  Status Close(std::uint32_t handle) override {
    objects_[handle] = {};
    return Status::kOk;
  }
  std::uint32_t count() const { return count_; }

 private:
  cobj::ObjectRef objects_[16];
  std::uint32_t count_ = 1;
};

TestHandles* handles;
cobj::Ref<cobj::ITicketSink> sink;

abi::NativeResult Entry(std::uint64_t number, const std::uint64_t words[6]) {
  cobj::ObjectRef object;
  TRY(handles->Resolve(static_cast<std::uint32_t>(number >> 8 & 0xffffff), &object));
  cobj::CallContext caller;
  caller.handles = handles;
  caller.process = 1;
  caller.process_id = 42;
  caller.rights = object.rights;
  caller.tickets = sink;
  cobj::Words copy;
  std::memcpy(copy.word, words, sizeof(copy.word));
  return object.info->invoke(object.ref, number & 0xff, copy, caller);
}

class Dispatch : public test::ObjectFixture {
 protected:
  Dispatch() {
    handles = &table_;
    machine::SetNativeCallHandler(&Entry);
    const auto ref = cobj::MakeShared<SampleObject>().value();
    sink = cobj::MakeShared<Sink>().value();
    all_ = SampleStub(table_.Grant({ref.bits(), kAllRights, &kSampleInfo}).value());
    reader_ = SampleStub(table_.Grant({ref.bits(), kRightRead, &kSampleInfo}).value());
  }
  abi::NativeResult Raw(SampleMethod method, std::uint64_t a = 0, std::uint64_t b = 0,
                        std::uint64_t c = 0, std::uint64_t d = 0) {
    return machine::NativeCall(abi::NativeNumber(all_.handle(), static_cast<std::uint32_t>(method)),
                               a, b, c, d);
  }

  TestHandles table_;
  SampleStub all_, reader_;
};

TEST_F(Dispatch, ValuesTravelBothWays) {
  EXPECT_EQ(all_.Add(200, -500, false, 7).value(), -293);
  EXPECT_EQ(all_.Add(1, 2, true, 3).value(), -6);
  EXPECT_EQ(all_.Paint(Colour::kRed).value(), Colour::kGreen);
  EXPECT_EQ(all_.Write("hello", 5).value(), 5u);
  char back[5];
  EXPECT_EQ(all_.Read(back, 4, 1).value(), 4u);
  EXPECT_EQ(std::string_view(back, 4), "ello");
  Shape shape{}, old{};
  shape.area = 12;
  shape.colour = Colour::kGreen;
  EXPECT_EQ(all_.Reshape(shape, &old), Status::kOk);
  EXPECT_EQ(all_.Reshape(shape, &old), Status::kOk);
  EXPECT_EQ(old.area, 12u);
  EXPECT_EQ(all_.Slow(10, 3).value(), 13u);
  EXPECT_EQ(all_.State().value(), kSampleReady);  // inherited
}

TEST_F(Dispatch, ObjectsBecomeHandles) {
  const SampleBaseStub other = all_.Other(SampleStub()).value();
  EXPECT_EQ(other.State().value(), kSampleReady);
  // The handle is of the declared kind: the base's, with the rights that were granted.
  EXPECT_EQ(all_.Other(SampleStub(other.handle())).status(), Status::kBadHandle);
  SampleStub left, right;
  EXPECT_EQ(all_.Pair(&left, &right), Status::kOk);
  EXPECT_EQ(right.Add(1, 1, false, 1).value(), 3);
  abi::Handle back = 0;
  EXPECT_EQ(all_.Pass(reader_.handle(), &back), Status::kOk);
  EXPECT_EQ(SampleStub(back).Paint(Colour::kRed).status(), Status::kPermissionDenied);
}

TEST_F(Dispatch, RightsAreCheckedPerMethod) {
  EXPECT_EQ(reader_.Add(1, 1, false, 1).value(), 3);
  EXPECT_EQ(reader_.Write("x", 1).status(), Status::kPermissionDenied);
  EXPECT_EQ(reader_.Paint(Colour::kRed).status(), Status::kPermissionDenied);
}

TEST_F(Dispatch, TicketsReachTheCaller) {
  EXPECT_EQ(all_.Watch(1, 77), Status::kOk);
  EXPECT_EQ(Sink::fired_ticket, 77u);
  EXPECT_EQ(Sink::fired_value, 5u);
}

TEST_F(Dispatch, HostileWordsAreRefused) {
  EXPECT_EQ(Raw(SampleMethod::kAdd, 256, 0, 0, 0).status, Status::kInvalidArgument);
  EXPECT_EQ(Raw(SampleMethod::kAdd, 1, 0x80000000, 0, 0).status, Status::kInvalidArgument);
  EXPECT_EQ(Raw(SampleMethod::kAdd, 1, 1, 2, 0).status, Status::kInvalidArgument);
  EXPECT_EQ(Raw(SampleMethod::kPaint, 3).status, Status::kInvalidArgument);
  EXPECT_EQ(Raw(SampleMethod::kWrite, 0x1000, 65).status, Status::kMessageTooLong);
  EXPECT_EQ(Raw(SampleMethod::kWrite, 0x1000, ~0ull).status, Status::kMessageTooLong);
  EXPECT_EQ(Raw(SampleMethod::kWrite, 8, 8).status, Status::kBadAddress);
  EXPECT_EQ(Raw(SampleMethod::kHidden, 1).status, Status::kNoMethod);
  EXPECT_EQ(Raw(static_cast<SampleMethod>(200)).status, Status::kNoMethod);
  EXPECT_EQ(Raw(SampleMethod::kOther, 99).status, Status::kBadHandle);
  EXPECT_EQ(Raw(SampleMethod::kOther, 1ull << 40).status, Status::kInvalidArgument);
  Shape shape{}, old{};  // colour 0 is none
  EXPECT_EQ(all_.Reshape(shape, &old), Status::kInvalidArgument);
}

TEST_F(Dispatch, AHandleThatCannotBeToldIsTakenBack) {
  const std::uint32_t before = table_.count();
  EXPECT_EQ(Raw(SampleMethod::kPair, 8, 8).status, Status::kBadAddress);
  cobj::ObjectRef object;
  EXPECT_EQ(table_.Resolve(before, &object), Status::kBadHandle);
}

}  // namespace
}  // namespace k42::idl
