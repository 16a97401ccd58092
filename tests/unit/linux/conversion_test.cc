// Conversions between the system's words and Linux's.
#include <gtest/gtest.h>

#include "user/linux/errno.h"
#include "user/linux/file_types.h"
#include "user/linux/open_flags.h"
#include "user/linux/poll_bits.h"

namespace k42::personality {
namespace {

TEST(Conversions, OpenFlags) {
  EXPECT_EQ(OpenFlagsFromLinux(kO_RDONLY), fs::kOpenRead);
  EXPECT_EQ(OpenFlagsFromLinux(kO_WRONLY | kO_CREAT | kO_TRUNC),
            fs::kOpenWrite | fs::kOpenCreate | fs::kOpenTruncate);
  EXPECT_EQ(OpenFlagsFromLinux(kO_RDWR | kO_CLOEXEC), fs::kOpenRead | fs::kOpenWrite);
  EXPECT_EQ(OpenFlagsFromLinux(kO_PATH | kO_RDWR | kO_TRUNC), fs::kOpenPathOnly);
  EXPECT_EQ(ChangeableFromLinux(kO_RDWR | kO_NONBLOCK | kO_APPEND | kO_CREAT),
            fs::kOpenNonBlocking | fs::kOpenAppend);
}

TEST(Conversions, PollBitsBothWays) {
  for (std::uint32_t bits : {kPOLLIN, kPOLLOUT, kPOLLRDHUP, kPOLLPRI}) {
    EXPECT_NE(PollBits(ReadyMask(bits)) & bits, 0u);
  }
  EXPECT_EQ(PollBits(abi::kHangup | abi::kError), kPOLLHUP | kPOLLERR);
}

TEST(Conversions, StatTimesBeforeTheEpoch) {
  fs::FileAttributes attributes{};
  attributes.kind = fs::FileKind::kDirectory;
  attributes.mode = 01777;
  attributes.modify_ns = -1;
  attributes.access_ns = 1'500'000'000;
  attributes.allocated = 513;
  const LinuxStat stat = ToLinuxStat(attributes);
  EXPECT_EQ(stat.mode, kS_IFDIR | 01777);
  EXPECT_EQ(stat.mtime.seconds, -1);
  EXPECT_EQ(stat.mtime.nanoseconds, 999'999'999);
  EXPECT_EQ(stat.atime.seconds, 1);
  EXPECT_EQ(stat.atime.nanoseconds, 500'000'000);
  EXPECT_EQ(stat.blocks, 2);
}

TEST(Conversions, DeviceNumbers) {
  EXPECT_EQ(LinuxDevice(1, 3), 0x103u);
  EXPECT_EQ(LinuxDevice(136, 0x1234), 0x12u << 20 | 136u << 8 | 0x34u);
}

TEST(Conversions, Errors) {
  EXPECT_EQ(ErrnoOf(Status::kOk), 0);
  EXPECT_EQ(ErrnoOf(Status::kNotFound), -kENOENT);
  EXPECT_EQ(ErrnoOf(Status::kBadAddress), -kEFAULT);
  EXPECT_EQ(ToReply(Result<std::uint64_t>(std::uint64_t{5})), 5);
}

}  // namespace
}  // namespace k42::personality
