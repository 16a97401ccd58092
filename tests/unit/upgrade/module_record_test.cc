#include "cluster-services/upgrade/module_record.h"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <random>

namespace k42::upgrade {
namespace {

std::string Sample() {
  std::ifstream file(K42_SAMPLE_MODULE, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(ModuleRecord, IsReadFromTheFile) {
  const auto info = ReadModuleInfo(Sample());
  ASSERT_TRUE(info.ok()) << info.Describe();
  EXPECT_EQ(info->class_name, "Sample");
  EXPECT_EQ(info->from_version, 1u);
  EXPECT_EQ(info->to_version, 2u);
  EXPECT_EQ(info->build_id, std::string(40, '0'));
}

TEST(ModuleRecord, AnythingElseIsRefused) {
  for (const std::string& file :
       {std::string(), std::string("text"), std::string(64, '\x7f'), Sample().substr(0, 300)})
    EXPECT_EQ(ReadModuleInfo(file).status(), Status::kCorrupt);
}

// Nothing outside the file is read, whatever is in it: the sanitizers watch.
TEST(ModuleRecord, BrokenFiles) {
  const std::string sample = Sample();
  for (unsigned seed = 1; seed <= 20000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    std::string copy = sample;
    for (unsigned flips = 1 + random() % 8; flips > 0; --flips) {
      const std::size_t end = random() % 3 == 0 ? 64 : copy.size();  // the header decides most
      copy[random() % end] = static_cast<char>(random());
    }
    if (random() % 4 == 0)
      copy.resize(random() % copy.size());
    (void)ReadModuleInfo(copy).ok();
  }
}

}  // namespace
}  // namespace k42::upgrade
