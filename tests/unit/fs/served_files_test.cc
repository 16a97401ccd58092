// What a program that serves files may answer, and leave unanswered.
#include "fs/served_files.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "cobj/make.h"
#include "cobj/ticket.idl.h"
#include "machine/clock.h"
#include "support/node_fixture.h"

namespace k42::fs {
namespace {

using ninep::Request;
using ninep::Type;

class Sink final : public cobj::ITicketSink {
 public:
  using Interface = cobj::ITicketSink;
  explicit Sink(std::vector<Status>& fired) : fired_(fired) {}
  Result<std::uint32_t> Arm(std::uint32_t number) override { return number; }
  Status Fire(std::uint32_t, std::int64_t status, std::uint64_t) override {
    fired_.push_back(static_cast<Status>(status));
    return Status::kOk;
  }

 private:
  std::vector<Status>& fired_;
};

class ServedFilesTest : public test::ObjectFixture {
 protected:
  ServedFilesTest() { Begin(); }
  ~ServedFilesTest() override { Drop(); }

  void Begin() {
    session_ = files_.Begin([](void* ends) { ++*static_cast<int*>(ends); }, &ends_).value();
    EXPECT_EQ(session_->HandleAdded(), Status::kOk);
    held_ = true;
  }
  // The server's last handle goes.
  void Drop() {
    if (std::exchange(held_, false))
      (void)session_->HandleDropped();
  }
  // A clunk, which has a fid and nothing in its answer. Its place in ended_, where its status will
  // be.
  std::size_t Ask(std::uint32_t fid, std::size_t room = 64) {
    Request* request = Request::Make(client_, 64, room).value();
    request->Begin(Type::kClunk).U32(fid);
    const std::size_t place = ended_.size();
    ended_.push_back(Status::kPending);
    request->user = new Asked{*this, place};
    EXPECT_EQ(client_.Submit(request,
                             [](Request* done) {
                               auto* asked = static_cast<Asked*>(done->user);
                               asked->test.ended_[asked->place] = done->status();
                               delete asked;
                               done->Free();
                             }),
              Status::kOk);
    return place;
  }
  // The tag of what is taken.
  Result<std::uint64_t> Take(std::size_t room = kServedMessageMax) {
    std::vector<std::byte> message(room);
    const std::uint64_t size = TRY(session_->Take(BufferOut::Kernel(message.data(), room), {}));
    ninep::Reader reader(std::span<std::byte>(message).first(size));
    EXPECT_EQ(reader.U32(), size);
    reader.U8();
    return std::uint64_t{reader.U16()};
  }
  Status Answer(std::uint64_t tag, Type request = Type::kClunk, std::size_t more = 0,
                std::size_t lie = 0) {
    std::vector<std::byte> reply(ninep::kHeaderSize + more);
    ninep::Writer writer(reply);
    writer.Begin(static_cast<Type>(static_cast<int>(request) + 1), static_cast<std::uint16_t>(tag));
    (void)writer.End(more + lie);
    return session_->Answer(BufferIn::Kernel(reply.data(), reply.size()));
  }
  static constexpr std::uint64_t kWithin = ServedFiles::kAnswerWithin;

  struct Asked {
    ServedFilesTest& test;
    std::size_t place;
  };
  int ends_ = 0;
  std::vector<Status> ended_;
  ServedFiles files_;
  ninep::Client client_{files_};
  cobj::Ref<IFileServer> session_;
  bool held_ = false;
};

TEST_F(ServedFilesTest, AnswersInAnyOrder) {
  Ask(client_.NewFid());
  Ask(client_.NewFid());
  EXPECT_EQ(Take(8).status(), Status::kMessageTooLong);  // it stays
  const auto first = Take(), second = Take();
  EXPECT_EQ(Take().status(), Status::kWouldBlock);
  EXPECT_EQ(Answer(second.value()), Status::kOk);
  EXPECT_EQ(ended_[0], Status::kPending);
  EXPECT_EQ(ended_[1], Status::kOk);
  EXPECT_EQ(Answer(first.value()), Status::kOk);
  EXPECT_EQ(ended_[0], Status::kOk);
}

TEST_F(ServedFilesTest, NonsenseHarmsNobody) {
  Ask(client_.NewFid());
  EXPECT_EQ(Answer(0), Status::kNotFound);  // nobody has taken it
  const std::uint64_t tag = Take().value();
  EXPECT_EQ(Answer(tag + 1), Status::kNotFound);
  EXPECT_EQ(Answer(1000), Status::kNotFound);
  EXPECT_EQ(Answer(ninep::kNoTag), Status::kNotFound);
  std::byte bytes[6] = {};
  EXPECT_EQ(session_->Answer(BufferIn::Kernel(bytes, sizeof bytes)), Status::kInvalidArgument);
  EXPECT_EQ(session_->Answer(BufferIn()), Status::kInvalidArgument);
  EXPECT_EQ(Answer(tag, Type::kClunk, 0, 1), Status::kInvalidArgument);  // says more than it is
  EXPECT_EQ(ended_[0], Status::kPending);
  EXPECT_EQ(Answer(tag), Status::kOk);
  EXPECT_EQ(ended_[0], Status::kOk);
  EXPECT_EQ(Answer(tag), Status::kNotFound);  // twice
}

TEST_F(ServedFilesTest, AnswersThatFitNoRequestEndIt) {
  Ask(client_.NewFid());
  EXPECT_EQ(Answer(Take().value(), Type::kClunk, 2000), Status::kMessageTooLong);
  EXPECT_EQ(ended_[0], Status::kCorrupt);
  Ask(client_.NewFid());
  EXPECT_EQ(Answer(Take().value(), Type::kWalk), Status::kOk);
  EXPECT_EQ(ended_[1], Status::kCorrupt);
}

// More than have tags: each end lets the next one go, which is refused at once. Not within each
// other: a kernel stack has room for few.
TEST_F(ServedFilesTest, DeathEndsWhatIsUnderWayAndWhatComesLater) {
  constexpr std::size_t kMany = 5000;
  for (std::size_t i = 0; i < kMany; ++i) Ask(client_.NewFid());
  EXPECT_TRUE(Take().ok());
  EXPECT_EQ(ended_, std::vector<Status>(kMany, Status::kPending));
  Drop();
  EXPECT_EQ(ends_, 1);
  EXPECT_EQ(ended_, std::vector<Status>(kMany, Status::kIoError));
  Ask(client_.NewFid());
  EXPECT_EQ(ended_.back(), Status::kIoError);
}

TEST_F(ServedFilesTest, TheNextServerKnowsNothingOfTheLastOne) {
  const std::uint32_t old_fid = client_.NewFid();
  Ask(old_fid);
  const std::uint64_t tag = Take().value();
  const auto former = session_;
  EXPECT_EQ(former->HandleAdded(), Status::kOk);  // it lives on, without a session
  files_.End();
  EXPECT_EQ(ends_, 1);
  (void)former->HandleDropped();
  client_.ForgetFids();
  EXPECT_FALSE(client_.IsKnown(old_fid));
  Begin();
  Ask(client_.NewFid());
  EXPECT_EQ(Take().value(), tag);
  std::byte space[64] = {};
  EXPECT_EQ(former->Take(BufferOut::Kernel(space, sizeof space), {}).status(),
            Status::kEndpointDown);
  EXPECT_EQ(former->Answer(BufferIn::Kernel(space, sizeof space)), Status::kInvalidArgument);
  (void)former->HandleDropped();  // its last one: the session is not his any more
  EXPECT_EQ(ends_, 1);
  EXPECT_EQ(ended_.back(), Status::kPending);
  EXPECT_EQ(Answer(tag), Status::kOk);
  EXPECT_EQ(ended_.back(), Status::kOk);
  Ask(old_fid);
  EXPECT_EQ(ended_.back(), Status::kDeleted);
  EXPECT_EQ(Take().status(), Status::kWouldBlock);
}

TEST_F(ServedFilesTest, TheSilentAreNoticed) {
  const std::uint64_t now = machine::MonotonicNs();
  EXPECT_FALSE(files_.Overdue(now + 2 * kWithin));  // nobody waits
  Ask(client_.NewFid());
  EXPECT_FALSE(files_.Overdue(now + kWithin / 2));
  EXPECT_TRUE(files_.Overdue(now + 2 * kWithin));  // not taken
  const std::uint64_t tag = Take().value();
  EXPECT_FALSE(files_.Overdue(now + kWithin / 2));
  EXPECT_TRUE(files_.Overdue(now + 2 * kWithin));  // not answered
  // Others' answers are no excuse.
  Ask(client_.NewFid());
  EXPECT_EQ(Answer(Take().value()), Status::kOk);
  EXPECT_TRUE(files_.Overdue(now + 2 * kWithin));
  EXPECT_EQ(Answer(tag), Status::kOk);
  EXPECT_FALSE(files_.Overdue(now + 2 * kWithin));
}

TEST_F(ServedFilesTest, WhoWaitsForRequestsIsWoken) {
  std::vector<Status> fired;
  const auto sink = cobj::MakeShared<Sink>(fired).value();
  std::byte space[64] = {};
  const auto wait = [&] {
    return session_->Take(BufferOut::Kernel(space, sizeof space), {sink, 1}).status();
  };
  EXPECT_EQ(wait(), Status::kPending);
  EXPECT_EQ(wait(), Status::kPending);  // the second takes the first one's place
  EXPECT_EQ(fired, std::vector<Status>{Status::kCancelled});
  Ask(client_.NewFid());
  Ask(client_.NewFid());
  test::QuietPoint();
  EXPECT_TRUE(test::ObjectFixture::Eventually([&] { return fired.size() == 2; }));
  EXPECT_EQ(fired.back(), Status::kOk);
  EXPECT_EQ(Answer(Take().value()), Status::kOk);
  EXPECT_EQ(Answer(Take().value()), Status::kOk);
  EXPECT_EQ(wait(), Status::kPending);
  Drop();
  EXPECT_EQ(fired.size(), 3u);  // the end is told, too
  (void)cobj::Destroy(sink);
}

TEST_F(ServedFilesTest, AServerThatGivesNoMemoryLosesItsSession) {
  Ask(client_.NewFid());
  EXPECT_EQ(session_->Take(BufferOut::User(16, 4096), {}).status(), Status::kBadAddress);
  EXPECT_EQ(ended_[0], Status::kIoError);
  EXPECT_EQ(ends_, 1);
  EXPECT_EQ(Take().status(), Status::kEndpointDown);
}

}  // namespace
}  // namespace k42::fs
