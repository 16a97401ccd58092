// The memory file server's side of 9P2000.L: one message in, its reply out. The client is the
// node's kernel, which is believed about permissions; lengths, names and fids are looked at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "abi/ninep_message.h"
#include "base/allocator.h"
#include "base/intrusive_tree.h"
#include "user/memory_files/tree.h"

namespace k42::memory_files {

class Server {
 public:
  static constexpr std::size_t kMessageMost = 69632;

  Server(Tree& tree, Allocator& allocator) : tree_(tree), allocator_(allocator) {}
  ~Server() { ForgetFids(); }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Writes the reply to `message` into `reply`, which has room for kMessageMost bytes; its size.
  // 0: that is no message, there is nobody to answer.
  std::size_t Answer(std::span<const std::byte> message, std::span<std::byte> reply);
  std::uint64_t fids() const { return fids_.size(); }

 private:
  using Reader = abi::ninep::Reader;
  using Writer = abi::ninep::Writer;
  using Type = abi::ninep::Type;
  struct Fid : TreeLink<Fid> {
    std::uint32_t number;
    File* file;
    std::uint64_t TreeKey() const { return number; }
  };
  // A message's parts, and what of the reply is data behind the fields.
  struct Work {
    Type type;
    Reader in;
    std::span<const std::byte> message;
    Writer out;
    std::span<std::byte> reply;
    std::size_t data = 0;
  };

  Error Serve(Work& work);
  Error ServeFile(Work& work, File& file, Fid& fid);
  Error Version(Work& work);
  Error Attach(Work& work);
  Error Walk(Work& work, File& from);
  Error Create(Work& work, File& directory, Fid& fid);
  Error MakeOne(Work& work, File& directory);
  Error GetInfo(Work& work);
  Error GetAttributes(Work& work, const File& file);
  Error SetAttributes(Work& work, File& file);
  Error Read(Work& work, File& file);
  Error Write(Work& work, File& file);
  Error ReadDirectory(Work& work, const File& file);
  Error Link(Work& work, File& directory);
  Error Rename(Work& work, File& from);

  Fid* Find(std::uint32_t number) const;
  Error AddFid(std::uint32_t number, File& file);
  void RemoveFid(Fid* fid);
  void ForgetFids();
  static void PutQid(const File& file, Writer& out);

  Tree& tree_;
  Allocator& allocator_;
  IntrusiveTree<Fid> fids_;
};

}  // namespace k42::memory_files
