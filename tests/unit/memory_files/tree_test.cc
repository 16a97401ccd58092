// The memory file server's tree: names, contents, attributes, and that everything is given back.
#include "user/memory_files/tree.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace k42::memory_files {
namespace {

class CountingHeap final : public Allocator {
 public:
  ~CountingHeap() { EXPECT_EQ(bytes, 0u); }
  void* Allocate(std::size_t size, std::size_t) override {
    bytes += size;
    return std::memset(std::malloc(size), 0xa5, size);
  }
  void Free(void* block, std::size_t size) override {
    bytes -= size;
    std::free(block);
  }
  std::size_t bytes = 0;
};

std::uint64_t clock_ns = 1;
std::uint64_t Tick() {
  return ++clock_ns;
}

class TreeTest : public testing::Test {
 protected:
  static constexpr std::uint64_t kLimit = 64 << 20;

  File& Make(File& directory, const std::string& name, std::uint32_t kind = kRegular,
             const std::string& text = "") {
    File* made = nullptr;
    EXPECT_EQ(tree_.Make(directory, name, kind | 0755, 0, text, &made), Error::kNone) << name;
    return *made;
  }
  void Write(File& file, std::uint64_t offset, const std::string& text) {
    std::size_t count = 0;
    EXPECT_EQ(tree_.Write(file, offset, std::as_bytes(std::span(text)), &count), Error::kNone);
    EXPECT_EQ(count, text.size());
  }
  std::string Read(File& file, std::uint64_t offset = 0, std::size_t size = 1 << 20) {
    std::string text(size, 'x');
    std::size_t count = 0;
    EXPECT_EQ(tree_.Read(file, offset, std::as_writable_bytes(std::span(text)), &count),
              Error::kNone);
    text.resize(count);
    return text;
  }
  std::vector<std::string> List(const File& directory) {
    std::vector<std::string> names;
    for (const Name* at = tree_.Next(directory, 0); at != nullptr;
         at = tree_.Next(directory, at->cookie))
      names.emplace_back(at->view());
    return names;
  }

  CountingHeap heap_;
  Tree tree_{heap_, kLimit, Tick};
};

TEST_F(TreeTest, NamesAreFoundListedAndRemoved) {
  File& root = tree_.root();
  for (int i = 0; i < 1000; ++i) Make(root, "file " + std::to_string(i));
  File* found = nullptr;
  EXPECT_EQ(tree_.Lookup(root, "file 77", &found), Error::kNone);
  EXPECT_EQ(tree_.Lookup(root, "file", &found), Error::kNotFound);
  EXPECT_EQ(List(root).size(), 1000u);
  for (int i = 0; i < 1000; i += 2)
    EXPECT_EQ(tree_.Unlink(root, "file " + std::to_string(i), false), Error::kNone);
  EXPECT_EQ(List(root).size(), 500u);
  EXPECT_EQ(tree_.Lookup(root, "file 77", &found), Error::kNone);
  EXPECT_EQ(tree_.Lookup(root, "file 78", &found), Error::kNotFound);
}

TEST_F(TreeTest, AListingGoesOnOverChanges) {
  File& root = tree_.root();
  for (const char* name : {"a", "b", "c", "d"}) Make(root, name);
  const Name* second = tree_.Next(root, tree_.Next(root, 0)->cookie);
  const std::uint64_t cookie = second->cookie;
  EXPECT_EQ(tree_.Unlink(root, "b", false), Error::kNone);
  EXPECT_EQ(tree_.Unlink(root, "c", false), Error::kNone);
  Make(root, "e");
  const Name* next = tree_.Next(root, cookie);
  EXPECT_EQ(next->view(), "d");
  EXPECT_EQ(tree_.Next(root, next->cookie)->view(), "e");
  EXPECT_EQ(tree_.Next(root, ~std::uint64_t{0}), nullptr);
}

TEST_F(TreeTest, NamesThatCannotBe) {
  File& root = tree_.root();
  File* made = nullptr;
  const auto make = [&](std::string_view name) {
    return tree_.Make(root, name, kRegular | 0644, 0, {}, &made);
  };
  for (const std::string_view name : {"", ".", "..", "a/b"}) EXPECT_EQ(make(name), Error::kInvalid);
  EXPECT_EQ(make(std::string(256, 'n')), Error::kNameTooLong);
  EXPECT_EQ(make(std::string(255, 'n')), Error::kNone);
  EXPECT_EQ(make(std::string(255, 'n')), Error::kExists);
  EXPECT_EQ(tree_.Make(*made, "x", kRegular, 0, {}, &made), Error::kNotDirectory);
  EXPECT_EQ(tree_.Make(root, "device", 0020644, 0, {}, &made), Error::kNotSupported);
}

TEST_F(TreeTest, LinksAndHolders) {
  File& root = tree_.root();
  File& file = Make(root, "one");
  Write(file, 0, "kept");
  EXPECT_EQ(tree_.Link(root, "two", file), Error::kNone);
  EXPECT_EQ(file.links, 2u);
  tree_.Hold(file);
  EXPECT_EQ(tree_.Unlink(root, "one", false), Error::kNone);
  EXPECT_EQ(tree_.Unlink(root, "two", false), Error::kNone);
  EXPECT_EQ(file.links, 0u);
  EXPECT_EQ(Read(file), "kept");
  EXPECT_EQ(tree_.Link(root, "again", file), Error::kNotFound);
  const std::uint64_t before = tree_.used();
  tree_.Drop(file);
  EXPECT_LT(tree_.used(), before);
  EXPECT_EQ(tree_.Link(root, "root", root), Error::kInvalid);
}

TEST_F(TreeTest, Directories) {
  File& root = tree_.root();
  File& outer = Make(root, "outer", kDirectory);
  File& inner = Make(outer, "inner", kDirectory);
  EXPECT_EQ(root.links, 3u);
  EXPECT_EQ(outer.links, 3u);
  EXPECT_EQ(tree_.Unlink(root, "outer", true), Error::kNotEmpty);
  EXPECT_EQ(tree_.Unlink(root, "outer", false), Error::kIsDirectory);
  EXPECT_EQ(tree_.Rename(root, "outer", inner, "below"), Error::kInvalid);
  tree_.Hold(inner);
  EXPECT_EQ(tree_.Unlink(outer, "inner", true), Error::kNone);
  File* made = nullptr;
  EXPECT_EQ(tree_.Make(inner, "late", kRegular, 0, {}, &made), Error::kNotFound);
  EXPECT_EQ(inner.links, 0u);
  tree_.Drop(inner);
  EXPECT_EQ(tree_.Unlink(root, "outer", true), Error::kNone);
  EXPECT_EQ(root.links, 2u);
}

TEST_F(TreeTest, Renames) {
  File& root = tree_.root();
  File& file = Make(root, "file");
  File& other = Make(root, "other");
  File& folder = Make(root, "folder", kDirectory);
  Make(folder, "within");
  EXPECT_EQ(tree_.Rename(root, "missing", root, "x"), Error::kNotFound);
  EXPECT_EQ(tree_.Rename(root, "file", root, "folder"), Error::kIsDirectory);
  EXPECT_EQ(tree_.Rename(root, "folder", root, "file"), Error::kNotDirectory);
  EXPECT_EQ(tree_.Link(root, "same", file), Error::kNone);
  EXPECT_EQ(tree_.Rename(root, "same", root, "file"), Error::kNone);  // both stay
  EXPECT_EQ(file.links, 2u);
  tree_.Hold(other);
  EXPECT_EQ(tree_.Rename(root, "file", root, "other"), Error::kNone);
  EXPECT_EQ(other.links, 0u);
  tree_.Drop(other);
  File& empty = Make(root, "empty", kDirectory);
  (void)empty;
  EXPECT_EQ(tree_.Rename(root, "folder", root, "empty"), Error::kNone);
  EXPECT_EQ(root.links, 3u);
  EXPECT_EQ(List(root), (std::vector<std::string>{"other", "same", "empty"}));
  EXPECT_EQ(List(folder), std::vector<std::string>{"within"});
  Make(root, "second", kDirectory);
  EXPECT_EQ(tree_.Rename(root, "second", root, "empty"), Error::kNotEmpty);
  File& deep = Make(folder, "deep", kDirectory);
  EXPECT_EQ(tree_.Rename(folder, "deep", root, "shallow"), Error::kNone);
  EXPECT_EQ(deep.parent, &root);
  EXPECT_EQ(folder.links, 2u);
}

TEST_F(TreeTest, ContentsAgainstAPlainString) {
  File& file = Make(tree_.root(), "file");
  std::string model;
  std::mt19937 random(7);
  for (int step = 0; step < 2000; ++step) {
    const std::uint64_t offset = random() % 40000;
    if (random() % 8 == 0) {
      const std::size_t size = random() % 50000;
      ASSERT_EQ(tree_.Resize(file, size), Error::kNone);
      model.resize(size);
    } else {
      const std::string text(random() % 9000, static_cast<char>('a' + random() % 26));
      Write(file, offset, text);
      if (!text.empty()) {
        model.resize(std::max<std::size_t>(model.size(), offset + text.size()));
        model.replace(offset, text.size(), text);
      }
    }
    ASSERT_EQ(file.size, model.size());
    ASSERT_EQ(Read(file), model) << step;
  }
  ASSERT_EQ(tree_.Resize(file, 0), Error::kNone);
  EXPECT_EQ(file.blocks, 0u);
}

TEST_F(TreeTest, HolesCostNothing) {
  File& file = Make(tree_.root(), "file");
  Write(file, std::uint64_t{1} << 40, "far");
  EXPECT_EQ(file.blocks, 1u);
  EXPECT_EQ(Read(file, 12345, 3), std::string(3, '\0'));
  EXPECT_EQ(Read(file, (std::uint64_t{1} << 40) - 1, 10), std::string(1, '\0') + "far");
  std::size_t count = 0;
  EXPECT_EQ(tree_.Write(file, kSizeMost, std::as_bytes(std::span("x")), &count), Error::kTooLarge);
  EXPECT_EQ(tree_.Resize(file, kSizeMost + 1), Error::kTooLarge);
}

TEST_F(TreeTest, TheLimitHolds) {
  File& file = Make(tree_.root(), "file");
  const std::string piece(1 << 20, 'p');
  std::size_t count = 0;
  Error error = Error::kNone;
  std::uint64_t written = 0;
  while (error == Error::kNone) {
    error = tree_.Write(file, written, std::as_bytes(std::span(piece)), &count);
    written += count;
  }
  EXPECT_EQ(error, Error::kNoSpace);
  EXPECT_LE(tree_.used(), kLimit);
  EXPECT_GT(written, kLimit / 2);
  EXPECT_EQ(file.size, written);
  ASSERT_EQ(tree_.Resize(file, 0), Error::kNone);
  Write(file, 0, "room again");
}

// Names against a map, with removals; few enough names that they come again and again.
TEST_F(TreeTest, RandomNames) {
  File& root = tree_.root();
  std::map<std::string, File*> model;
  std::mt19937 random(3);
  const auto any = [&] { return "n" + std::to_string(random() % 60); };
  for (int step = 0; step < 20000; ++step) {
    const std::string one = any(), other = any();
    switch (random() % 3) {
      case 0: {
        File* made = nullptr;
        const Error error = tree_.Make(root, one, kRegular | 0644, 0, {}, &made);
        ASSERT_EQ(error, model.contains(one) ? Error::kExists : Error::kNone);
        if (error == Error::kNone)
          model[one] = made;
        break;
      }
      case 1:
        ASSERT_EQ(tree_.Unlink(root, one, false),
                  model.erase(one) != 0 ? Error::kNone : Error::kNotFound);
        break;
      default: {
        const Error error = tree_.Rename(root, one, root, other);
        ASSERT_EQ(error, model.contains(one) ? Error::kNone : Error::kNotFound);
        if (error == Error::kNone && one != other) {
          model[other] = model[one];
          model.erase(one);
        }
      }
    }
    ASSERT_EQ(root.size, model.size());
  }
  for (const auto& [name, file] : model) {
    File* found = nullptr;
    ASSERT_EQ(tree_.Lookup(root, name, &found), Error::kNone);
    ASSERT_EQ(found, file);
  }
}

}  // namespace
}  // namespace k42::memory_files
