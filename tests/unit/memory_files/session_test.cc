// The kernel's 9P client over the memory file server: one program's life after the other.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <string>
#include <vector>

#include "fs/directory_writer.h"
#include "fs/ninep_fs.h"
#include "fs/ninep_node.h"
#include "fs/served_files.h"
#include "machine/thread.h"
#include "support/node_fixture.h"
#include "unit/mem/test_space.h"
#include "user/memory_files/server.h"

namespace k42::memory_files {
namespace {

using fs::Node;

class PlainHeap final : public Allocator {
 public:
  void* Allocate(std::size_t size, std::size_t) override { return std::malloc(size); }
  void Free(void* block, std::size_t) override { std::free(block); }
};

// A server as a thread of another CPU.
class Life {
 public:
  explicit Life(fs::ServedFiles& files) : session_(files.Begin(nullptr, nullptr).value()) {
    (void)session_->HandleAdded();
    EXPECT_TRUE(machine::Thread::Create("server", Run, this, 1).ok());
  }
  void End() {
    ends_ = true;
    while (!ended_) machine::Thread::Yield();
    (void)session_->HandleDropped();
  }

 private:
  static std::uint64_t Now() { return 1; }
  static void Run(void* life) {
    auto& self = *static_cast<Life*>(life);
    {
      PlainHeap heap;
      Tree tree(heap, 16 << 20, Now);
      Server server(tree, heap);
      std::vector<std::byte> message(Server::kMessageMost), reply(Server::kMessageMost);
      while (!self.ends_) {
        const auto size =
            self.session_->Take(BufferOut::Kernel(message.data(), message.size()), {});
        if (size.ok()) {
          const std::size_t answer = server.Answer(std::span(message).first(size.value()), reply);
          EXPECT_EQ(self.session_->Answer(BufferIn::Kernel(reply.data(), answer)), Status::kOk);
        }
        machine::Thread::Yield();
      }
    }
    self.ended_ = true;
    machine::Thread::Exit();
  }

  cobj::Ref<fs::IFileServer> session_;
  std::atomic<bool> ends_{false}, ended_{false};
};

class SessionTest : public test::ObjectFixture {
 protected:
  SessionTest() : test::ObjectFixture(2) {
    // Both live for ever once there was a session, as a mount does.
    files_ = new fs::ServedFiles;
    tree_ = fs::NinePFileSystem::MakeServed(*files_, memory_.services, 7).value();
  }
  Status Attach() { return tree_->AttachServer(); }
  RefPtr<Node> Make(const std::string& name, fs::FileKind kind, std::uint32_t user = 0) {
    return RefPtr<Node>::Adopt(
        tree_->Root().MakeNode(name, {kind, 0644, user, user, "target"}).value());
  }
  Result<Node*> Find(const std::string& name) { return tree_->Root().Lookup(name); }
  static Result<std::uint64_t> Write(Node& node, std::uint64_t offset, const std::string& text) {
    std::uint64_t end = 0;
    return node.Write(offset, BufferIn::Kernel(text.data(), text.size()), false, &end);
  }
  static std::string Read(Node& node) {
    std::string text(1 << 20, 'x');
    const auto size = node.Read(0, BufferOut::Kernel(text.data(), text.size()));
    EXPECT_EQ(size.status(), Status::kOk);
    text.resize(size.ValueOr(0));
    return text;
  }

  mem::TestServices memory_;
  fs::ServedFiles* files_;
  fs::NinePFileSystem* tree_;
};

TEST_F(SessionTest, ContentsGoToTheServerAndBack) {
  Life life(*files_);
  ASSERT_EQ(Attach(), Status::kOk);
  auto node = Make("file", fs::FileKind::kRegular, 1234);
  EXPECT_EQ(node->ownership().user, 1234u);
  EXPECT_EQ(node->Opened(fs::kOpenRead | fs::kOpenWrite), Status::kOk);
  std::string text;
  for (int i = 0; i < 50000; ++i) text += std::to_string(i);
  EXPECT_EQ(Write(*node, 0, text).ValueOr(0), text.size());
  EXPECT_EQ(Read(*node), text);
  auto again = RefPtr<Node>::Adopt(Find("file").value());
  EXPECT_EQ(again.get(), node.get());
  auto link = Make("link", fs::FileKind::kSymbolicLink);
  char target[16];
  EXPECT_EQ(link->ReadLink(fs::Identity::Kernel(), target).ValueOr(0), 6u);
  EXPECT_EQ(tree_->Root().RemoveName("file", *node), Status::kOk);
  EXPECT_EQ(Find("file").status(), Status::kNotFound);
  EXPECT_EQ(Read(*node), text);  // who has it open has it
  node = again = link = nullptr;
  life.End();
}

TEST_F(SessionTest, TheTreeOfTheNextServerIsEmptyAndTheOldOnesFilesAreGone) {
  EXPECT_EQ(Find("file").status(), Status::kDeleted);  // nobody serves yet
  Life life(*files_);
  ASSERT_EQ(Attach(), Status::kOk);
  auto old = Make("file", fs::FileKind::kRegular);
  EXPECT_EQ(old->Opened(fs::kOpenRead | fs::kOpenWrite), Status::kOk);
  EXPECT_EQ(Write(*old, 0, "old").ValueOr(0), 3u);
  auto folder = Make("folder", fs::FileKind::kDirectory);
  life.End();
  EXPECT_EQ(Find("file").status(), Status::kIoError);
  EXPECT_EQ(Write(*old, 0, "new").status(), Status::kIoError);

  tree_->ForgetServer();
  Life next(*files_);
  ASSERT_EQ(Attach(), Status::kOk);
  EXPECT_EQ(Find("file").status(), Status::kNotFound);
  auto made = Make("file", fs::FileKind::kRegular);  // its number is the old one's
  EXPECT_EQ(made->number(), old->number());
  EXPECT_NE(made.get(), old.get());
  EXPECT_EQ(Write(*old, 0, "new").status(), Status::kDeleted);
  EXPECT_EQ(folder->Lookup("x").status(), Status::kDeleted);
  EXPECT_EQ(tree_->Root().AddLink("link", *old), Status::kNotFound);
  EXPECT_EQ(old->Sync(false), Status::kDeleted);
  EXPECT_EQ(made->Opened(fs::kOpenRead), Status::kOk);
  EXPECT_EQ(Read(*made), "");
  old = folder = made = nullptr;
  next.End();
}

// Changed in a mapping when the server ends: lost, and so is the memory, not.
TEST_F(SessionTest, DirtyPagesGoWithTheirSession) {
  mem::AddressSpace* space = mem::AddressSpace::Create(memory_.services).value();
  Life life(*files_);
  ASSERT_EQ(Attach(), Status::kOk);
  auto node = Make("file", fs::FileKind::kRegular);
  EXPECT_EQ(node->Opened(fs::kOpenRead | fs::kOpenWrite), Status::kOk);
  EXPECT_EQ(Write(*node, 0, std::string(20000, 'f')).ValueOr(0), 20000u);
  EXPECT_EQ(Read(*node).size(), 20000u);
  life.End();
  tree_->ForgetServer();
  EXPECT_EQ(node->Sync(false), Status::kDeleted);
  node = nullptr;
  space->Destroy();
}

}  // namespace
}  // namespace k42::memory_files
