// Files of a server that others change: close-to-open.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "fs/ninep_fs.h"
#include "fs/ninep_node.h"
#include "support/node_fixture.h"
#include "unit/fs/ninep_server.h"
#include "unit/mem/test_space.h"

namespace k42::fs {
namespace {

using ninep::Type;

class NinePSharedTest : public test::ObjectFixture {
 protected:
  // A file system lives for ever once it is mounted: so do those of the tests, and their servers.
  NinePSharedTest() {
    static auto& servers = *new std::vector<test::NinePServer*>;
    servers.push_back(new test::NinePServer);
    server_ = servers.back();
    files_ = NinePFileSystem::Make(*server_, memory_.services, "", false,
                                   NinePFileSystem::Sharing::kShared, 7)
                 .value();
  }
  // As a program opens it: by its name, each time.
  RefPtr<Node> Open(const std::string& name, std::uint32_t flags) {
    auto node = RefPtr<Node>::Adopt(files_->Root().Lookup(name).value());
    EXPECT_EQ(node->Opened(flags), Status::kOk);
    return node;
  }
  static std::string Read(Node& node) {
    std::string text(64 << 10, 'x');
    text.resize(node.Read(0, BufferOut::Kernel(text.data(), text.size())).ValueOr(0));
    return text;
  }
  static Result<std::uint64_t> Write(Node& node, const std::string& text, bool append = false) {
    std::uint64_t end = 0;
    return node.Write(0, BufferIn::Kernel(text.data(), text.size()), append, &end);
  }

  mem::TestServices memory_;
  test::NinePServer* server_;
  NinePFileSystem* files_;
};

TEST_F(NinePSharedTest, AnOpenSeesWhatTheHostHasChanged) {
  server_->Put("file", "what was there");
  const auto held = Open("file", kOpenRead);
  EXPECT_EQ(Read(*held), "what was there");
  server_->Put("file", "what is there!");  // as many bytes
  EXPECT_EQ(Read(*Open("file", kOpenRead)), "what is there!");
  server_->Put("file", "more than there was");
  EXPECT_EQ(Read(*Open("file", kOpenRead)), "more than there was");
  server_->Put("file", "less");
  EXPECT_EQ(Read(*Open("file", kOpenRead)), "less");
}

// Who only looks at the name, as stat and unlink do, takes the news from nobody.
TEST_F(NinePSharedTest, ALookupKeepsOnlyWhoMayUseTheFile) {
  server_->Put("file", "what was there");
  const auto held = Open("file", kOpenRead);
  EXPECT_EQ(Read(*held), "what was there");
  server_->Put("file", "what is there!");
  server_->file("file").mode = 0600;
  const auto seen = RefPtr<Node>::Adopt(files_->Root().Lookup("file").value());
  EXPECT_EQ(seen.get(), held.get());
  EXPECT_EQ(held->ownership().mode, 0600u);
  EXPECT_EQ(held->Opened(kOpenRead), Status::kOk);
  EXPECT_EQ(Read(*held), "what is there!");
}

TEST_F(NinePSharedTest, WhatTheServerTookWasWritten) {
  server_->Put("file", "one ");
  const auto node = Open("file", kOpenRead | kOpenWrite);
  EXPECT_EQ(Read(*node), "one ");
  int asked = 0;
  server_->before =
      [&](Type type) {  // an append asks for the size first, and then what became of it
        server_->errors[Type::kGetAttributes] = type == Type::kGetAttributes && ++asked > 1 ? 5 : 0;
      };
  EXPECT_EQ(Write(*node, "two", true).ValueOr(0), 3u);
  server_->before = nullptr;
  server_->errors.clear();
  EXPECT_EQ(server_->file("file").bytes, "one two");
  EXPECT_EQ(Read(*node), "one two");
}

// A page cache of the node's, changed as programs change it that have it mapped.
class NinePMappedTest : public NinePSharedTest {
 protected:
  void Map(Node& node) {
    memory_object_ = node.Memory(kRightRead | kRightWrite).value().ref;
    EXPECT_EQ(memory_object_->HandleAdded(), Status::kOk);
    mapped_ = memory_object_->TakeFcm().value()->AsFile();
  }
  void Unmap() {
    mapped_->DropReference();
    EXPECT_EQ(memory_object_->HandleDropped(), Status::kOk);
  }
  void Change(std::uint64_t at, const std::string& text) {
    EXPECT_TRUE(
        mapped_->Write(at, BufferIn::Kernel(text.data(), text.size()), mem::Waiting::kYes).ok());
  }
  cobj::Ref<mem::IMemoryObject> memory_object_;
  mem::FcmFile* mapped_ = nullptr;
};

TEST_F(NinePMappedTest, SyncBringsWhatWasMappedToTheServer) {
  server_->Put("file", std::string(3 * mem::kPageSize, 'a'));
  const auto node = Open("file", kOpenRead | kOpenWrite);
  Map(*node);
  Change(5, "bbb");
  EXPECT_EQ(server_->file("file").bytes.find('b'), std::string::npos);
  EXPECT_EQ(node->Sync(true), Status::kOk);
  EXPECT_EQ(server_->file("file").bytes.substr(4, 5), "abbba");
  EXPECT_EQ(server_->file("file").bytes.size(), 3 * mem::kPageSize);
  Unmap();
}

// A server moves as many bytes at a time as it likes.
TEST_F(NinePMappedTest, ShortTransfersAreGoneOnWith) {
  std::string bytes(5 * mem::kPageSize + 100, ' ');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>('a' + i / 100 % 26);
  server_->Put("file", bytes);
  server_->most = 3000;
  const auto node = Open("file", kOpenRead | kOpenWrite);
  EXPECT_EQ(Read(*node), bytes);
  EXPECT_EQ(server_->requests[Type::kRead], 7);  // nobody asks beyond the end
  Map(*node);
  const std::string text(3 * mem::kPageSize, '+');
  Change(mem::kPageSize, text);
  EXPECT_EQ(node->Sync(true), Status::kOk);
  bytes.replace(mem::kPageSize, text.size(), text);
  EXPECT_EQ(server_->file("file").bytes, bytes);
  Unmap();
}

// What it does not take is not written, and whoever wants to know is told.
TEST_F(NinePMappedTest, AWriteOfNothingIsAnError) {
  server_->Put("file", std::string(2 * mem::kPageSize, 'a'));
  const auto node = Open("file", kOpenRead | kOpenWrite);
  Map(*node);
  Change(5, "bbb");
  server_->most = 0;
  EXPECT_EQ(node->Sync(true), Status::kIoError);
  server_->most = ~0u;
  EXPECT_EQ(node->Sync(true), Status::kOk);
  EXPECT_EQ(server_->file("file").bytes.substr(4, 5), "abbba");
  Unmap();
}

// Cut by others while a part of it was on its way: the rest is not theirs any more.
TEST_F(NinePMappedTest, AShortWriteGoesOnAsFarAsTheFileReachesThen) {
  server_->Put("file", std::string(3 * mem::kPageSize, 'a'));
  const auto node = Open("file", kOpenRead | kOpenWrite);
  Map(*node);
  Change(0, std::string(3 * mem::kPageSize, 'b'));
  server_->most = 5000;
  server_->before = [&](Type type) {
    if (type == Type::kWrite && server_->requests[type] == 2)
      server_->file("file").bytes.resize(10000);
  };
  EXPECT_EQ(node->Sync(true), Status::kOk);
  server_->before = nullptr;
  EXPECT_EQ(server_->file("file").bytes, std::string(10000, 'b'));
  Unmap();
}

// A page that was changed through a mapping shows what is written to it, and goes to the server
// with both.
TEST_F(NinePMappedTest, AWriteIsSeenThroughTheMapping) {
  server_->Put("file", std::string(2 * mem::kPageSize, 'a'));
  const auto node = Open("file", kOpenRead | kOpenWrite);
  Map(*node);
  Change(mem::kPageSize + 5, "bbb");
  const std::string text = "cccc";
  std::uint64_t end = 0;
  EXPECT_EQ(
      node->Write(mem::kPageSize - 2, BufferIn::Kernel(text.data(), 4), false, &end).ValueOr(0),
      4u);
  EXPECT_EQ(Read(*node).substr(mem::kPageSize - 3, 12), "accccaaabbba");
  EXPECT_EQ(node->Sync(true), Status::kOk);
  EXPECT_EQ(server_->file("file").bytes.substr(mem::kPageSize - 3, 12), "accccaaabbba");
  Unmap();
}

TEST_F(NinePMappedTest, WhatTheHostHasCutDoesNotGrowAgain) {
  for (const bool by_sync : {true, false}) {
    server_->Put("file", std::string(3 * mem::kPageSize, 'a'));
    auto node = Open("file", kOpenRead | kOpenWrite);
    Map(*node);
    Change(0, "bbb");
    Change(2 * mem::kPageSize, "ccc");
    server_->Put("file", "xy");
    if (by_sync) {
      EXPECT_EQ(node->Sync(true), Status::kOk);
    }
    Unmap();
    node = nullptr;  // with its last user the page cache goes, and what is dirty before it
    EXPECT_TRUE(Eventually([&] { return server_->file("file").bytes == "bb"; }))
        << server_->file("file").bytes;
  }
}

// A host that names files by their paths cannot say how large one is that has none any more.
TEST_F(NinePMappedTest, AFileThatCannotBeAskedIsWritten) {
  server_->Put("file", std::string(100, 'a'));
  const auto node = Open("file", kOpenRead | kOpenWrite);
  Map(*node);
  Change(0, "bbb");
  server_->errors[Type::kGetAttributes] = 2;
  EXPECT_EQ(node->Sync(true), Status::kOk);
  server_->errors.clear();
  EXPECT_EQ(server_->file("file").bytes.substr(0, 4), "bbba");
  Unmap();
}

}  // namespace
}  // namespace k42::fs
