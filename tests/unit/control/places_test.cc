// Whose folders the tools believe.
#include "cluster-services/control/places.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace k42::control {
namespace {

class Places : public ::testing::Test {
 protected:
  Places() {
    char name[] = "/tmp/k42-places-test-XXXXXX";
    root_ = mkdtemp(name);
    std::filesystem::create_directories(root_ + "/mine/n2");
    std::ofstream(root_ + "/mine/n2/noded.sock") << "";
    setenv("K42_RUN", root_.c_str(), 1);
    unsetenv("K42_CONTROL");
  }
  ~Places() override {
    unsetenv("K42_RUN");
    std::filesystem::remove_all(root_);
  }
  std::string root_;
};

TEST_F(Places, AFolderOfOursIsBelieved) {
  const auto found = FindCluster("");
  ASSERT_TRUE(found.ok()) << found.detail();
  EXPECT_EQ(found->name, "mine");
  EXPECT_EQ(found->SocketFor(2).value(), "unix:" + root_ + "/mine/n2/noded.sock");
}

TEST_F(Places, AFolderThatOthersMayWriteToIsNot) {
  for (const mode_t mode : {0770, 0707, 0777}) {
    ASSERT_EQ(chmod(root_.c_str(), mode), 0);
    EXPECT_EQ(FindCluster("").status(), Status::kPermissionDenied);
    EXPECT_EQ(FindCluster("mine").status(), Status::kPermissionDenied);
    EXPECT_EQ(FindNodeFolder("mine", 2).status(), Status::kPermissionDenied);
  }
}

// A node whose daemon never came up, or has gone in order, has no noded.sock.
TEST_F(Places, ANodesFolderIsThatOfItsQemu) {
  EXPECT_EQ(FindNodeFolder("", 2).status(), Status::kNotFound);
  std::filesystem::create_directories(root_ + "/mine/n3");
  std::ofstream(root_ + "/mine/n3/qmp.sock") << "";
  EXPECT_EQ(FindNodeFolder("", 3).value(), root_ + "/mine/n3");
  EXPECT_EQ(FindNodeFolder("mine", 3).value(), root_ + "/mine/n3");
  EXPECT_EQ(FindNodeFolder("mine", 2).detail(), "cluster mine has no node n2 here");
  EXPECT_EQ(FindNodeFolder("yours", 3).detail(), "no cluster yours runs here");
  std::filesystem::create_directories(root_ + "/another/n3");
  std::ofstream(root_ + "/another/n3/qmp.sock") << "";
  EXPECT_EQ(FindNodeFolder("", 3).status(), Status::kInvalidArgument);
  EXPECT_EQ(FindNodeFolder("another", 3).value(), root_ + "/another/n3");
  setenv("K42_CONTROL", ("unix:" + root_ + "/mine/n3/noded.sock").c_str(), 1);
  EXPECT_EQ(FindNodeFolder("", 1).value(), root_ + "/mine/n3");
  unsetenv("K42_CONTROL");
}

TEST_F(Places, NorIsSomebodyElsesFolder) {
  if (getuid() != 0)
    GTEST_SKIP() << "only root can give a folder away";
  ASSERT_EQ(chown(root_.c_str(), 12345, 12345), 0);
  EXPECT_EQ(FindCluster("").status(), Status::kPermissionDenied);
}

TEST(NodeNumber, KnowsOnlyNodesThatCanBe) {
  EXPECT_EQ(NodeNumber("n3"), 3u);
  EXPECT_EQ(NodeNumber("10.42.0.160"), 160u);
  EXPECT_EQ(NodeNumber("n161"), 0u);
  EXPECT_EQ(NodeNumber("n"), 0u);
  EXPECT_EQ(NodeNumber("host3"), 0u);
}

}  // namespace
}  // namespace k42::control
