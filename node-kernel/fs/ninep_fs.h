// A directory of the host, by 9P. Two ways of living with others who change it:
//
//   cached       read-only exports that nobody changes while the node runs (/usr, /lib ...): names,
//                also missing ones, attributes and pages are kept without asking again.
//   shared       /cluster: close-to-open. Each lookup asks; attributes are asked for at open and
//                stat; writes go to the server at once, reads of open files may come from the page
//                cache, which an open drops if the file's time or size has changed.
//
// One Node per file of the server (qid path), however it was found, so that all who read it share
// one page cache. nodes_ holds no reference: a node leaves it when its last user goes.
//
// A *served* tree (MakeServed) is shared, too, and its server, a program of this node, may end:
// then its nodes are of no use any more (kDeleted), but for the root, which is the next server's
// root.
#pragma once

#include "fs/ninep_client.h"
#include "fs/node.h"

namespace k42::mem {
class MemoryServices;
}

namespace k42::fs {

class NinePNode;

class NinePFileSystem final : public FileSystem {
 public:
  enum class Sharing : std::uint8_t { kCached, kShared };

  // Waits: attaches `path` of the export, "" for all of it.
  static Result<NinePFileSystem*> Make(ninep::Transport& transport, mem::MemoryServices& memory,
                                       std::string_view path, bool read_only, Sharing sharing,
                                       std::uint64_t device);

  // Without a server yet: until Attach the root is an empty directory that nobody can look into.
  static Result<NinePFileSystem*> MakeServed(ninep::Transport& transport,
                                             mem::MemoryServices& memory, std::uint64_t device);
  // Before the transport carries requests to a new server.
  void ForgetServer() { client_.ForgetFids(); }
  // Waits: the root is the new server's from now on.
  Status AttachServer();

  Node& Root() override;
  Status GetInfo(FileSystemInfo* info) override;
  std::string_view TypeName() const override { return "9p"; }

  ninep::Client& client() { return client_; }
  mem::MemoryServices& memory() { return memory_; }
  bool cached() const { return sharing_ == Sharing::kCached; }
  // All who use it are on this node: new files belong to whom we say (else to whom the server runs
  // as), and those who open a fifo meet.
  bool served() const { return served_; }

  // The node for what `fid` stands for; takes the fid over. One reference. Waits.
  Result<NinePNode*> NodeOf(std::uint32_t fid);

  NinePFileSystem(ninep::Transport& transport, mem::MemoryServices& memory, bool read_only,
                  Sharing sharing, std::uint64_t device);
  ~NinePFileSystem();

 private:
  friend class NinePNode;
  static constexpr std::size_t kBuckets = 512;
  struct Bucket {
    machine::SpinLock<LockRank::kNameTable> lock;
    IntrusiveList<NinePNode> chain K42_GUARDED_BY(lock);
  };
  Bucket& BucketOf(std::uint64_t path) { return nodes_[path * 0x9e3779b97f4a7c15 >> 55]; }
  Status Attach(std::string_view path);
  Result<std::uint32_t> AttachRoot();
  void Forget(NinePNode& node);

  ninep::Client client_;
  mem::MemoryServices& memory_;
  const Sharing sharing_;
  bool served_ = false;
  RefPtr<NinePNode> root_;
  Bucket nodes_[kBuckets];
};

}  // namespace k42::fs
