// What the control server answers with.
#include "cluster-services/noded/control_server.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

namespace k42::noded {
namespace {

using control::FrameType;

TEST(Answers, BytesOfAKernelThatAreNoTextDoNoHarm) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  interconnect::UniqueFd client(ends[1]);
  EventLoop loop;
  const auto connection = Connection::Serve(loop, interconnect::UniqueFd(ends[0]));
  connection->Reply({{"classes", "a\xff\xfe"}});
  connection->Fail(Status::kNotFound, "no class '\xc3'");
  char bytes[1024];
  const ssize_t size = recv(client.get(), bytes, sizeof bytes, 0);
  ASSERT_GT(size, 0);
  control::FrameReader reader;
  reader.Append({bytes, static_cast<std::size_t>(size)});
  const auto reply = reader.Next();
  const auto failed = reader.Next();
  ASSERT_TRUE(reply && failed);
  EXPECT_EQ(nlohmann::json::parse(reply->payload).value("classes", ""), "a\ufffd\ufffd");
  EXPECT_EQ(nlohmann::json::parse(failed->payload).value("text", ""), "no class '\ufffd'");
}

}  // namespace
}  // namespace k42::noded
