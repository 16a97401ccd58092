#include "cluster-services/control/frame.h"

#include <gtest/gtest.h>

#include <string>

namespace k42::control {
namespace {

TEST(Frame, SurvivesAnyCutOfTheStream) {
  const std::string bytes = EncodeFrame(FrameType::kOutput, "hello") +
                            EncodeFrame(FrameType::kInput, "") +
                            EncodeFrame(FrameType::kReply, std::string(100'000, 'x'));
  for (std::size_t step : {1u, 3u, 4096u, 1'000'000u}) {
    FrameReader reader;
    std::vector<Frame> frames;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      reader.Append(std::string_view(bytes).substr(at, step));
      while (auto frame = reader.Next()) frames.push_back(*frame);
    }
    ASSERT_EQ(frames.size(), 3u);
    EXPECT_EQ(frames[0].type, FrameType::kOutput);
    EXPECT_EQ(frames[0].payload, "hello");
    EXPECT_TRUE(frames[1].payload.empty());
    EXPECT_EQ(frames[2].payload.size(), 100'000u);
    EXPECT_FALSE(reader.broken());
  }
}

TEST(Frame, RefusesWhatNoPeerSends) {
  FrameReader too_long;
  too_long.Append(std::string("\xff\xff\xff\x7f\x01", 5));
  EXPECT_FALSE(too_long.Next().has_value());
  EXPECT_TRUE(too_long.broken());
  FrameReader unknown;
  unknown.Append(std::string("\x00\x00\x00\x00\x63", 5));
  EXPECT_FALSE(unknown.Next().has_value());
  EXPECT_TRUE(unknown.broken());
}

}  // namespace
}  // namespace k42::control
