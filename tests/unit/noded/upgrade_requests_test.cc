// `upgrade` of the control socket: what makes no sense is refused, by a daemon that lives on.
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "cluster-services/noded/upgrade_service.h"
#include "unit/noded/played_store.h"

namespace k42::noded {
namespace {

using control::FrameType;
using nlohmann::json;

class UpgradeRequests : public ::testing::Test {
 protected:
  UpgradeRequests() {
    char name[] = "/tmp/k42-upgrade-test-XXXXXX";
    options_.folder = mkdtemp(name);
    daemon_ = std::make_unique<Daemon>(options_, loop_);
    daemon_->SetMembership(std::make_unique<StoreMembershipPlayed>());
    service_ = std::make_unique<UpgradeService>(server_, *daemon_);
  }
  ~UpgradeRequests() override {
    service_.reset();
    daemon_.reset();
    std::filesystem::remove_all(options_.folder);
  }

  // The status the request fails with; empty: it does not, or is not answered.
  std::string Ask(const json& request) {
    int ends[2] = {-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    interconnect::UniqueFd client(ends[0]);
    server_.Adopt(interconnect::UniqueFd(ends[1]), {});
    const std::string bytes = control::EncodeFrame(FrameType::kRequest, request.dump());
    EXPECT_EQ(write(ends[0], bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
    std::optional<control::Frame> answer;
    control::FrameReader reader;
    int rounds = 1000;
    loop_.Run(
        [&] {
          char buffer[4096];
          const ssize_t size = recv(ends[0], buffer, sizeof buffer, MSG_DONTWAIT);
          if (size > 0)
            reader.Append({buffer, static_cast<std::size_t>(size)});
          if (!answer)
            answer = reader.Next();
          return std::size_t{0};
        },
        [&] {
          if (answer || --rounds == 0)
            loop_.Stop();
          return 5;
        });
    if (!answer || answer->type != FrameType::kFailed)
      return "";
    return json::parse(answer->payload).value("status", "");
  }

  Options options_;
  EventLoop loop_;
  ControlServer server_{loop_};
  std::unique_ptr<Daemon> daemon_;
  std::unique_ptr<UpgradeService> service_;
};

TEST_F(UpgradeRequests, EveryFieldOfEveryWrongTypeIsRefused) {
  const json values =
      json::parse(R"([null, true, -1, 7, 2.5, 4294967296, "text", [1], {"key": 1}, [[1]]])");
  using Right = bool (*)(const json&);
  const auto text = [](const json& value) { return value.is_string(); };
  const std::vector<std::pair<std::string, Right>> fields{
      {"class", text},
      {"digest", text},
      {"back", [](const json& value) { return value.is_boolean(); }},
      {"soak_ms", [](const json& value) { return value == json(7); }},
      {"waves", [](const json& value) { return value == json::array({json::array({1})}); }}};
  const std::string refused(StatusName(Status::kInvalidArgument));
  const std::string not_now(StatusName(Status::kUnavailable));  // it was read; there is no lease
  for (const auto& [field, right] : fields) {
    for (const json& value : values) {
      const json request{{"request", "upgrade"}, {"action", "start"}, {field, value}};
      EXPECT_EQ(Ask(request), right(value) ? not_now : refused) << request;
    }
  }
  for (const json& value : values) {
    if (value.is_string())
      continue;
    EXPECT_EQ(Ask({{"request", "upgrade"}, {"action", value}}), refused) << value;
    EXPECT_EQ(Ask({{"request", "upgrade"}, {"action", "abort"}, {"reason", value}}), refused);
  }
}

// A negative node or one beyond 32 bits is none, however deep it lies.
TEST_F(UpgradeRequests, WavesAreOfNodes) {
  const std::string refused(StatusName(Status::kInvalidArgument));
  for (const json& node : {json(-1), json(true), json(1.5), json("n1"), json(nullptr),
                           json(std::uint64_t{1} << 32), json::array({1})}) {
    const json waves = json::array({json::array({1, node})});
    EXPECT_EQ(Ask({{"request", "upgrade"}, {"action", "start"}, {"waves", waves}}), refused)
        << waves;
  }
}

}  // namespace
}  // namespace k42::noded
