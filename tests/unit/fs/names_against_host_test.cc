// The name tree over a memory file system, against the host's own: the same random operations on
// both must end the same way, error for error, and leave the same tree.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <random>
#include <string>

#include "fs/memory_fs.h"
#include "fs/name_tree.h"
#include "fs/ninep_message.h"
#include "fs/synthetic.h"
#include "mem/heap.h"
#include "support/node_fixture.h"
#include "unit/fs/heap_file_data.h"

namespace k42::fs {
namespace {

constexpr const char* kPaths[] = {"a",     "b",     "c",      "a/a",       "a/b", "b/a",
                                  "b/c",   "a/b/c", "a/a/a",  "b/c/b",     "a/",  "b/",
                                  "./a",   "a//b",  "a/../b", "l",         "l/a", "a/l",
                                  "a/l/b", "l/",    "a/.",    "missing/x", "c/x"};

class NamesAgainstHost : public test::ObjectFixture {
 protected:
  NamesAgainstHost() {
    char pattern[] = "/tmp/k42-names-XXXXXX";
    host_ = ::mkdtemp(pattern);
    files_ = MemoryFileSystem::Make(source_, 1, 0755).value();
    EXPECT_EQ(tree_.MountAt("/", *files_), Status::kOk);
  }
  ~NamesAgainstHost() override {
    std::filesystem::remove_all(host_);
    mounted_.reset();  // its entries hold files
    files_->Clear();
    mem::Delete(files_);
  }

  static Status Of(int result) {
    return result == 0 ? Status::kOk : ninep::StatusOfError(static_cast<std::uint32_t>(errno));
  }
  Status Make(const std::string& path, FileKind kind, std::string_view text = {}) {
    const auto made = tree_.Make(nullptr, path, kind, 0755, text, Identity::Kernel());
    if (made.ok()) {
      made.value()->DropReference();
    }
    return made.status();
  }
  std::string Host(const std::string& path) const { return host_ + "/" + path; }

  void Same(const char* what, const std::string& a, const std::string& b, Status ours,
            Status theirs) {
    ASSERT_EQ(StatusName(ours), std::string(StatusName(theirs))) << what << " " << a << " " << b;
  }

  void Step() {
    const std::string a = kPaths[random_() % std::size(kPaths)];
    const std::string b = kPaths[random_() % std::size(kPaths)];
    const Identity& who = Identity::Kernel();
    switch (random_() % 9) {
      case 0:
        return Same("mkdir", a, "", Make(a, FileKind::kDirectory),
                    Of(::mkdir(Host(a).c_str(), 0755)));
      case 1:
        return Same("mknod", a, "", Make(a, FileKind::kRegular),
                    Of(::mknod(Host(a).c_str(), S_IFREG | 0755, 0)));
      case 2:
        return Same("symlink", a, "", Make(a, FileKind::kSymbolicLink, "a"),
                    Of(::symlink("a", Host(a).c_str())));
      case 3:
        return Same("unlink", a, "", tree_.Remove(nullptr, a, false, who),
                    Of(::unlink(Host(a).c_str())));
      case 4:
        return Same("rmdir", a, "", tree_.Remove(nullptr, a, true, who),
                    Of(::rmdir(Host(a).c_str())));
      case 5:
        return Same("link", a, b, tree_.Link(nullptr, a, kWalkNoFollow, nullptr, b, who),
                    Of(::link(Host(a).c_str(), Host(b).c_str())));
      case 6:
        return Same("rename", a, b, tree_.Rename(nullptr, a, nullptr, b, 0, who),
                    Of(::rename(Host(a).c_str(), Host(b).c_str())));
      case 7:
        return Same(
            "exchange", a, b, tree_.Rename(nullptr, a, nullptr, b, kRenameExchange, who),
            Of(::renameat2(AT_FDCWD, Host(a).c_str(), AT_FDCWD, Host(b).c_str(), RENAME_EXCHANGE)));
      default:
        return Look(a);
    }
  }

  void Look(const std::string& path) {
    struct stat theirs;
    const Status status = Of(::lstat(Host(path).c_str(), &theirs));
    const auto found = tree_.Find(nullptr, path, kWalkNoFollow, Identity::Kernel());
    Same("lstat", path, "", found.status(), status);
    if (!found.ok()) {
      return;
    }
    const auto entry = RefPtr<Entry>::Adopt(found.value());
    FileAttributes ours;
    ASSERT_EQ(tree_.GetAttributes(*entry, &ours), Status::kOk);
    EXPECT_EQ(ours.kind, ninep::KindOfMode(theirs.st_mode)) << path;
    if (ours.kind != FileKind::kDirectory) {
      EXPECT_EQ(ours.links, theirs.st_nlink) << path;
    }
  }

  test::HeapFileDataSource source_;
  MemoryFileSystem* files_ = nullptr;
  std::optional<NameTree> mounted_{std::in_place};
  NameTree& tree_ = *mounted_;
  std::string host_;
  std::mt19937 random_{42};
};

TEST_F(NamesAgainstHost, TenThousandSteps) {
  for (int i = 0; i < 10'000 && !HasFatalFailure(); ++i) {
    Step();
  }
}

TEST_F(NamesAgainstHost, RenamedOpenDirectoryHasItsNewPath) {
  ASSERT_EQ(Make("one", FileKind::kDirectory), Status::kOk);
  ASSERT_EQ(Make("one/two", FileKind::kDirectory), Status::kOk);
  const auto inner =
      RefPtr<Entry>::Adopt(tree_.Find(nullptr, "one/two", 0, Identity::Kernel()).value());
  ASSERT_EQ(tree_.Rename(nullptr, "one", nullptr, "three", 0, Identity::Kernel()), Status::kOk);
  char text[64];
  const auto size = tree_.entries().Path(*inner, text);
  ASSERT_TRUE(size.ok());
  EXPECT_EQ(std::string(text, size.value()), "/three/two");
  ASSERT_EQ(tree_.Remove(nullptr, "three/two", true, Identity::Kernel()), Status::kOk);
  EXPECT_EQ(tree_.entries().Path(*inner, text).status(), Status::kNotFound);
}

TEST_F(NamesAgainstHost, ExchangedDirectoriesHaveEachOthersPath) {
  const char* long_name = "a name that is longer than what an entry keeps in itself";
  for (const std::string& name : {std::string("short"), std::string(long_name)}) {
    ASSERT_EQ(Make("one", FileKind::kDirectory), Status::kOk);
    ASSERT_EQ(Make(name, FileKind::kDirectory), Status::kOk);
    const auto one =
        RefPtr<Entry>::Adopt(tree_.Find(nullptr, "one", 0, Identity::Kernel()).value());
    const auto other =
        RefPtr<Entry>::Adopt(tree_.Find(nullptr, name, 0, Identity::Kernel()).value());
    ASSERT_EQ(tree_.Rename(nullptr, "one", nullptr, name, kRenameExchange, Identity::Kernel()),
              Status::kOk);
    char text[128];
    auto size = tree_.entries().Path(*one, text);
    EXPECT_EQ(std::string(text, size.ValueOr(0)), "/" + name);
    size = tree_.entries().Path(*other, text);
    EXPECT_EQ(std::string(text, size.ValueOr(0)), "/one");
    EXPECT_EQ(
        RefPtr<Entry>::Adopt(tree_.Find(nullptr, name, 0, Identity::Kernel()).value())->node(),
        one->node());
    EXPECT_EQ(tree_.Remove(nullptr, "one", true, Identity::Kernel()), Status::kOk);
    EXPECT_EQ(tree_.Remove(nullptr, name, true, Identity::Kernel()), Status::kOk);
  }
}

// Entries of names that exist are kept; a file whose name has gone must not be kept by them.
TEST_F(NamesAgainstHost, WhatIsRemovedOrReplacedIsNotKept) {
  const int before = test::HeapFileData::alive();
  ASSERT_EQ(Make("x", FileKind::kRegular), Status::kOk);
  ASSERT_EQ(Make("y", FileKind::kRegular), Status::kOk);
  EXPECT_EQ(test::HeapFileData::alive(), before + 2);
  ASSERT_EQ(tree_.Rename(nullptr, "x", nullptr, "y", 0, Identity::Kernel()), Status::kOk);
  EXPECT_EQ(test::HeapFileData::alive(), before + 1);
  ASSERT_EQ(tree_.Remove(nullptr, "y", false, Identity::Kernel()), Status::kOk);
  EXPECT_EQ(test::HeapFileData::alive(), before);
}

TEST_F(NamesAgainstHost, PermissionsAreAsked) {
  Identity other;
  other.user = other.group = 1000;
  ASSERT_EQ(Make("closed", FileKind::kDirectory), Status::kOk);
  const auto closed =
      RefPtr<Entry>::Adopt(tree_.Find(nullptr, "closed", 0, Identity::Kernel()).value());
  EXPECT_EQ(tree_.Make(nullptr, "closed/x", FileKind::kRegular, 0644, {}, other).status(),
            Status::kPermissionDenied);
  AttributeChange change{};
  change.mask = kSetMode;
  change.mode = 01777;
  EXPECT_EQ(tree_.SetAttributes(*closed, change, other), Status::kNotOwner);
  ASSERT_EQ(tree_.SetAttributes(*closed, change, Identity::Kernel()), Status::kOk);
  ASSERT_EQ(Make("closed/mine", FileKind::kRegular), Status::kOk);
  EXPECT_EQ(tree_.Remove(nullptr, "closed/mine", false, other), Status::kNotOwner);  // sticky
  EXPECT_EQ(tree_.Remove(nullptr, "closed/mine", false, Identity::Kernel()), Status::kOk);
}

// What boot does for /etc/hosts: a generated file over a folder's own, or where the folder has
// none.
TEST_F(NamesAgainstHost, AFileIsMountedWhereThereIsNone) {
  const auto over =
      SyntheticFileSystem::Make("overlay", FileSystemKind::kMemory, 2, FileSystem::Caching::kInUse)
          .value();
  const Generate generate = [](TextWriter& text, std::uint64_t) { text.Text("made\n"); };
  over->SetRoot(*mem::New<SyntheticFile>(*over, generate, 0u, 0444u, nullptr).value());
  ASSERT_EQ(Make("etc", FileKind::kDirectory), Status::kOk);
  EXPECT_EQ(tree_.MountAt("/missing/hosts", *over), Status::kNotFound);
  ASSERT_EQ(tree_.MountAt("/etc/hosts", *over), Status::kOk);
  const auto found = tree_.Find(nullptr, "/etc/hosts", 0, Identity::Kernel());
  ASSERT_TRUE(found.ok());
  FileAttributes attributes;
  EXPECT_EQ(tree_.GetAttributes(*found.value(), &attributes), Status::kOk);
  EXPECT_EQ(attributes.kind, FileKind::kRegular);
  EXPECT_EQ(attributes.mode & 0777, 0444u);
  found.value()->DropReference();
  EXPECT_EQ(Make("etc/hosts", FileKind::kRegular), Status::kAlreadyExists);
  char path[32];
  const auto size = tree_.MountPath(1, path);
  EXPECT_EQ(std::string(path, size.ValueOr(0)), "/etc/hosts");
  EXPECT_EQ(Make("etc/other", FileKind::kRegular), Status::kOk);
  // A directory is not conjured up.
  const auto directory = MemoryFileSystem::Make(source_, 3, 0755).value();
  EXPECT_EQ(tree_.MountAt("/etc/none", *directory), Status::kNotFound);
  mem::Delete(directory);
}

}  // namespace
}  // namespace k42::fs
