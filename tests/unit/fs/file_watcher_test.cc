// Watches of files: who reads them may go while a call of another thread is still inside.
#include "fs/file_watcher.h"

#include <gtest/gtest.h>

#include <optional>

#include "fs/file_watch.h"
#include "fs/memory_fs.h"
#include "fs/name_tree.h"
#include "mem/heap.h"
#include "support/node_fixture.h"
#include "unit/fs/heap_file_data.h"

namespace k42::fs {
namespace {

class FileWatcherTest : public test::ObjectFixture {
 protected:
  FileWatcherTest() {
    files_ = MemoryFileSystem::Make(source_, 1, 0755).value();
    tree_.emplace();
    EXPECT_EQ(tree_->MountAt("/", *files_), Status::kOk);
    file_ = RefPtr<Entry>::Adopt(
        tree_->Make(nullptr, "/file", FileKind::kRegular, 0644, {}, Identity::Kernel()).value());
  }
  ~FileWatcherTest() override {
    file_ = {};
    tree_.reset();  // its entries hold files
    files_->Clear();
    mem::Delete(files_);
  }

  test::HeapFileDataSource source_;
  MemoryFileSystem* files_ = nullptr;
  std::optional<NameTree> tree_;
  RefPtr<Entry> file_;
  const io::StreamIdentity identity_{FileKind::kFileWatcher, 1, 0, 0, 0};
};

TEST_F(FileWatcherTest, OneThatIsBeingClosedTakesNoWatch) {
  FileWatcher open(*tree_, identity_, 0), closing(*tree_, identity_, 0);
  EXPECT_EQ(SetWatch(*tree_, open, *file_->node(), abi::kFileWritten).ValueOr(0), 1u);
  EXPECT_EQ(SetWatch(*tree_, closing, *file_->node(), abi::kFileWritten).ValueOr(0), 1u);
  EndWatchesBy(closing);
  EXPECT_EQ(SetWatch(*tree_, closing, *file_->node(), abi::kFileWritten).status(),
            Status::kDeleted);
  EXPECT_TRUE(AnyWatches());
  EndWatchesBy(open);
  EXPECT_FALSE(AnyWatches());
}

}  // namespace
}  // namespace k42::fs
