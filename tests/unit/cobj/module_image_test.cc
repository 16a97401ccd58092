#include "cobj/module_image.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>
#include <string_view>
#include <vector>

namespace k42::cobj {
namespace {

std::uint64_t service_calls = 0;
std::uint64_t KernelService(std::uint64_t value) {
  service_calls++;
  return value * 1000;
}
constexpr std::uint64_t kConstant = 1'000'000;

class Exports final : public SymbolResolver {
 public:
  Result<std::uint64_t> Find(std::span<const char> name) override {
    std::string_view text(name.data(), name.size());
    if (text == "kernel_service" && !without_service)
      return trampoline;
    if (text == "kernel_constant")
      return constant;
    return Status::kNotFound;
  }
  bool without_service = false;
  std::uint64_t trampoline = 0;
  std::uint64_t constant = 0;
};

// 8-byte aligned copy of the module that the build made.
std::vector<std::uint64_t> ReadModule() {
  std::ifstream file(K42_SAMPLE_MODULE, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  std::vector<std::uint64_t> words((bytes.size() + 7) / 8);
  std::memcpy(words.data(), bytes.data(), bytes.size());
  return words;
}

class ModuleImageTest : public testing::Test {
 protected:
  void SetUp() override {
    words_ = ReadModule();
    ASSERT_GT(words_.size(), 0u);
    memory_ = static_cast<std::byte*>(mmap(nullptr, kSize, PROT_READ | PROT_WRITE | PROT_EXEC,
                                           MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    ASSERT_NE(memory_, MAP_FAILED);
    // Service and constant lie out of a 32-bit reach here; copies beside the module bring them
    // near.
    std::byte* jump = memory_ + kSize - 16;
    const unsigned char code[] = {0xff, 0x25, 0, 0, 0, 0};  // jmp *0(%rip)
    auto target = reinterpret_cast<std::uint64_t>(&KernelService);
    std::memcpy(jump, code, 6);
    std::memcpy(jump + 6, &target, 8);
    exports_.trampoline = reinterpret_cast<std::uint64_t>(jump);
    std::memcpy(jump - 8, &kConstant, 8);
    exports_.constant = reinterpret_cast<std::uint64_t>(jump - 8);
  }
  void TearDown() override { munmap(memory_, kSize); }
  std::span<const std::byte> File() const { return std::as_bytes(std::span(words_)); }

  static constexpr std::size_t kSize = 1 << 20;
  std::vector<std::uint64_t> words_;
  std::byte* memory_ = nullptr;
  Exports exports_;
};

TEST_F(ModuleImageTest, LoadsAndRuns) {
  ModuleImage image(File());
  auto layout = image.Inspect();
  ASSERT_TRUE(layout.ok()) << StatusName(layout.status());
  EXPECT_STREQ(layout.value()->record.class_name, "Sample");
  EXPECT_EQ(layout.value()->record.to_version, 2u);
  EXPECT_GT(layout.value()->writable_size, 600u * 8);
  auto address = reinterpret_cast<std::uint64_t>(memory_);
  auto entry = image.Load({memory_, kSize - 24}, address, exports_);
  ASSERT_TRUE(entry.ok()) << StatusName(entry.status());
  auto run = reinterpret_cast<std::uint64_t (*)(std::uint64_t)>(entry.value());
  // table + service(zeroed += calls) + constant + weak static
  EXPECT_EQ(run(3), 9u + 8'000 + 1'000'000 + 6);
  EXPECT_EQ(run(3), 9u + 17'000 + 1'000'000 + 7);
  EXPECT_EQ(run(4), 8u + 10'000 + 1'000'000 + 8);
  EXPECT_EQ(service_calls, 3u);
}

TEST_F(ModuleImageTest, RefusesWhatIsNotExported) {
  exports_.without_service = true;
  ModuleImage image(File());
  ASSERT_TRUE(image.Inspect().ok());
  auto entry = image.Load({memory_, kSize}, reinterpret_cast<std::uint64_t>(memory_), exports_);
  EXPECT_EQ(entry.status(), Status::kNotFound);
  auto missing = image.missing_symbol();
  EXPECT_EQ(std::string_view(missing.data(), missing.size()), "kernel_service");
}

TEST_F(ModuleImageTest, RefusesARelocationOutOfReach) {
  exports_.trampoline = reinterpret_cast<std::uint64_t>(memory_) + (std::uint64_t{1} << 33);
  ModuleImage image(File());
  ASSERT_TRUE(image.Inspect().ok());
  auto entry = image.Load({memory_, kSize}, reinterpret_cast<std::uint64_t>(memory_), exports_);
  EXPECT_EQ(entry.status(), Status::kOutOfRange);
}

TEST_F(ModuleImageTest, RefusesOtherFiles) {
  EXPECT_EQ(ModuleImage({}).Inspect().status(), Status::kCorrupt);
  auto file = File();
  EXPECT_EQ(ModuleImage(file.first(100)).Inspect().status(), Status::kCorrupt);
  auto* header = reinterpret_cast<std::byte*>(words_.data());
  header[16] = std::byte{3};  // a shared object
  EXPECT_EQ(ModuleImage(file).Inspect().status(), Status::kNotSupported);
}

// Files broken at random: bytes changed, whole fields set to values that tend to be wrong, the end
// cut off. Refused, or loaded inside the memory given; never anything else (the sanitizers watch:
// each copy is exactly as large as the file; what is loaded is not run).
TEST_F(ModuleImageTest, BrokenFiles) {
  const bool thorough = std::getenv("K42_LONG") != nullptr;
  const std::size_t whole = File().size();
  unsigned loaded = 0;
  for (unsigned seed = 1; seed <= (thorough ? 300'000u : 3000u); seed++) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    const std::size_t size = random() % 8 == 0 ? random() % (whole + 1) : whole;
    // Aligned as the kernel's copy is, and with nothing behind it.
    std::unique_ptr<std::byte[]> copy(new std::byte[size]);
    std::memcpy(copy.get(), words_.data(), size);
    for (unsigned changes = 1 + random() % 8; changes > 0 && size > 8; changes--) {
      // The headers at both ends decide most; favour them.
      std::size_t at =
          random() % 2 ? random() % size : size - 1 - random() % std::min<std::size_t>(size, 4096);
      if (random() % 2) {
        copy[at] = static_cast<std::byte>(random());
        continue;
      }
      constexpr std::uint64_t kNasty[] = {0,          1,           ~0ull,   ~0ull >> 1, 1ull << 63,
                                          1ull << 32, 0xffff'ffff, 1 << 20, 4096,       64};
      const std::size_t width = 1u << random() % 4;
      at = std::min(at, size - 8) & ~(width - 1);
      const std::uint64_t value = kNasty[random() % std::size(kNasty)] + random() % 3 - 1;
      std::memcpy(&copy[at], &value, width);
    }
    ModuleImage image({copy.get(), size});
    auto layout = image.Inspect();
    if (!layout.ok() || layout.value()->TotalSize() > kSize)
      continue;
    std::vector<std::byte> target(layout.value()->TotalSize());
    loaded += image.Load(target, std::uint64_t{1} << 30, exports_).ok();
  }
  EXPECT_GT(loaded, 0u);  // else nothing but the first check was tried
}

}  // namespace
}  // namespace k42::cobj
