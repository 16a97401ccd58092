// Calls between nodes: what a sending rep writes, the serving side reads; other bytes are refused.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "cobj/make.h"
#include "idl/remote.wire.h"
#include "support/node_fixture.h"

namespace k42::idl {
namespace {

class Home final : public IRemoteSample {
 public:
  using Interface = IRemoteSample;
  Result<std::int64_t> Add(std::uint8_t a, std::int32_t b, bool negate) override {
    ++calls;
    return negate ? -(a + b) : a + b;
  }
  Result<Colour> Mix(Colour colour, Colour& next) override {
    ++calls;
    next = colour;
    return Colour::kGreen;
  }
  Result<std::uint64_t> Store(std::uint64_t key, BufferIn bytes) override {
    ++calls;
    size_ = bytes.size();
    TRY(bytes.CopyTo(bytes_, 0, size_));
    return key;
  }
  Result<std::uint64_t> Fetch(std::uint64_t key, BufferOut bytes) override {
    ++calls;
    if (key != 1)
      return Status::kNotFound;
    const std::uint64_t size = std::min(bytes.size(), size_);
    TRY(bytes.CopyFrom(bytes_, 0, size));
    return size;
  }
  Status Reshape(const Shape& shape, Shape& old) override {
    ++calls;
    old = shape;
    old.area *= 2;
    return Status::kOk;
  }
  Status Nothing() override {
    ++calls;
    return Status::kOk;
  }
  static inline int calls = 0;

 private:
  char bytes_[100] = {};
  std::size_t size_ = 0;
};

// The other node is next door: the request is served at once.
class NextDoor final : public cobj::RemoteTarget {
 public:
  explicit NextDoor(cobj::Ref<IRemoteSample> home) : home_(home) {}
  Result<std::size_t> Call(std::uint32_t method, std::span<const std::byte> request,
                           std::span<std::byte> reply) override {
    last.assign(request.begin(), request.end());
    cobj::WireReader reader(request);
    cobj::ReplyWriter writer(reply);
    ServeRemoteSample(home_, method, cobj::CallContext::Kernel(), reader, writer);
    return writer.written().size();
  }
  std::vector<std::byte> last;

 private:
  cobj::Ref<IRemoteSample> home_;
};

class Wire : public test::ObjectFixture {
 protected:
  cobj::Ref<IRemoteSample> home_ = cobj::MakeShared<Home>().value();
  NextDoor door_{home_};
  RemoteRemoteSample remote_{door_};
};

TEST_F(Wire, EveryKindOfArgumentTravels) {
  EXPECT_EQ(remote_.Add(3, -10, false).value(), -7);
  Colour next = Colour::kGreen;
  EXPECT_EQ(remote_.Mix(Colour::kRed, next).value(), Colour::kGreen);
  EXPECT_EQ(next, Colour::kRed);
  EXPECT_EQ(remote_.Store(9, BufferIn::Kernel("fabric", 6)).value(), 9u);
  char back[50];
  EXPECT_EQ(remote_.Fetch(1, BufferOut::Kernel(back, sizeof(back))).value(), 6u);
  EXPECT_EQ(std::string_view(back, 6), "fabric");
  EXPECT_EQ(remote_.Fetch(1, BufferOut::Kernel(back, 3)).value(), 3u);
  EXPECT_EQ(remote_.Fetch(2, BufferOut::Kernel(back, 3)).status(), Status::kNotFound);
  Shape shape{}, old{};
  shape.colour = Colour::kRed;
  shape.area = 21;
  EXPECT_EQ(remote_.Reshape(shape, old), Status::kOk);
  EXPECT_EQ(old.area, 42u);
  EXPECT_EQ(remote_.Nothing(), Status::kOk);
  char large[101] = {};
  EXPECT_EQ(remote_.Store(1, BufferIn::Kernel(large, 101)).status(), Status::kMessageTooLong);
}

// Random bytes, cut and changed requests: a well-formed reply each time, and no call of the object
// unless the bytes are a request.
TEST_F(Wire, HostileBytesNeverReachTheObject) {
  std::mt19937_64 random(1);
  (void)remote_.Store(9, BufferIn::Kernel("fabric", 6));
  const std::vector<std::byte> good = door_.last;
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> bytes = good;
    std::uint32_t method = random() % 8;
    if (round % 3 == 0) {
      bytes.resize(random() % 200);
      for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    } else if (round % 3 == 1) {
      method = static_cast<std::uint32_t>(RemoteSampleMethod::kStore);
      bytes.resize(random() % good.size());
    } else {
      bytes[random() % bytes.size()] ^= static_cast<std::byte>(1 + random() % 255);
    }
    // Exactly sized, so that ASan sees a read past the end.
    const std::unique_ptr<std::byte[]> exact(new std::byte[bytes.size() + 1]);
    std::memcpy(exact.get(), bytes.data(), bytes.size());
    std::byte reply[kRemoteSampleReplyMax];
    cobj::WireReader reader(std::span<const std::byte>(exact.get(), bytes.size()));
    cobj::ReplyWriter writer(reply);
    const int before = Home::calls;
    ServeRemoteSample(home_, method, cobj::CallContext::Kernel(), reader, writer);
    ASSERT_GE(writer.written().size(), 16u);
    std::int64_t status;
    std::memcpy(&status, reply, 8);
    if (round % 3 == 1) {
      ASSERT_EQ(status, static_cast<std::int64_t>(Status::kCorrupt));
      ASSERT_EQ(Home::calls, before);
    }
  }
}

TEST_F(Wire, HostileRepliesAreRefused) {
  struct Liar final : cobj::RemoteTarget {
    Result<std::size_t> Call(std::uint32_t, std::span<const std::byte>,
                             std::span<std::byte> reply) override {
      for (std::byte& byte : reply) byte = static_cast<std::byte>(random());
      if (size % 2 == 0)
        std::memset(reply.data(), 0, 8);  // claims success
      return std::min(size++ % 200, reply.size());
    }
    std::mt19937_64 random{2};
    std::size_t size = 0;
  } liar;
  RemoteRemoteSample remote(liar);
  char back[40];
  for (int round = 0; round < 5000; ++round) {
    if (const auto fetched = remote.Fetch(1, BufferOut::Kernel(back, sizeof(back))); fetched.ok()) {
      EXPECT_NE(fetched.status(), Status::kCorrupt);
    }
    Shape shape{}, old{};
    shape.colour = Colour::kRed;
    if (remote.Reshape(shape, old) == Status::kOk) {
      EXPECT_TRUE(IsValidShape(old));
    }
    Colour next = Colour::kRed;
    const auto mixed = remote.Mix(Colour::kRed, next);
    if (mixed.ok()) {
      EXPECT_TRUE(IsValidColour(static_cast<std::uint64_t>(next)));
    }
  }
}

}  // namespace
}  // namespace k42::idl
