// File systems that are made, not stored: /proc, /sys, parts of /etc and /dev.
//
// A SyntheticFileSystem is a tree of directories that boot fills (Add...) and of files whose text
// is generated at each read. The tree does not change once programs run; directories whose contents
// do change (processes) derive from SyntheticDirectory and answer for themselves first.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/format.h"
#include "base/intrusive_list.h"
#include "fs/node.h"
#include "machine/spin_lock.h"
#include "mem/heap.h"

namespace k42::fs {

// Where a generated file's text goes. Text beyond the space is counted, not kept.
class TextWriter {
 public:
  explicit TextWriter(std::span<char> space) : space_(space) {}

  template <typename... Args>
  void Print(FormatFor<Args...> format, const Args&... args) {
    const std::size_t at = size_ < space_.size() ? size_ : space_.size();
    size_ += Format(space_.subspan(at), format, args...);
  }
  void Text(std::string_view text);
  // Lower-case hexadecimal, at least `digits` of them, without 0x.
  void Hex(std::uint64_t value, std::uint32_t digits = 1) {
    Hex(value, digits, "0123456789abcdef");
  }
  void UpperHex(std::uint64_t value, std::uint32_t digits = 1) {
    Hex(value, digits, "0123456789ABCDEF");
  }
  // Hundredths with two digits behind the point.
  void Hundredths(std::uint64_t value);
  std::size_t size() const { return size_; }

 private:
  void Hex(std::uint64_t value, std::uint32_t digits, std::string_view signs);

  std::span<char> space_;
  std::size_t size_ = 0;
};

// Writes the text of a file; `argument` is what it was added with.
using Generate = void (*)(TextWriter& text, std::uint64_t argument);
// Takes what was written to it.
using Accept = Status (*)(std::string_view text, std::uint64_t argument);
// Whether there still is what the file speaks of.
using Exists = bool (*)(std::uint64_t argument);

class SyntheticDirectory;

class SyntheticFileSystem final : public FileSystem {
 public:
  static Result<SyntheticFileSystem*> Make(std::string_view type, FileSystemKind kind,
                                           std::uint64_t device, Caching caching);
  Node& Root() override;
  // Instead of the empty directory it is made with, before it is mounted. Takes the reference.
  void SetRoot(Node& root);
  Status GetInfo(FileSystemInfo* info) override;
  std::string_view TypeName() const override { return type_; }
  std::uint64_t NewNumber() { return next_number_.fetch_add(1, std::memory_order_relaxed); }
  std::int64_t birth_ns() const { return birth_ns_; }

  SyntheticFileSystem(std::string_view type, FileSystemKind kind, std::uint64_t device,
                      Caching caching);

 private:
  const std::string_view type_;
  const FileSystemKind info_kind_;
  const std::int64_t birth_ns_;
  std::atomic<std::uint64_t> next_number_{1};
  RefPtr<Node> root_;  // for ever
};

class SyntheticNode : public Node {
 public:
  Status GetAttributes(FileAttributes* attributes) override;

 protected:
  SyntheticNode(SyntheticFileSystem& file_system, FileKind kind, std::uint32_t mode,
                std::uint64_t number = 0)
      : Node(file_system, kind, number != 0 ? number : file_system.NewNumber(), {mode, 0, 0}) {}
  ~SyntheticNode() = default;
  SyntheticFileSystem& synthetic() const {
    return static_cast<SyntheticFileSystem&>(file_system());
  }
};

class SyntheticDirectory : public SyntheticNode {
 public:
  explicit SyntheticDirectory(SyntheticFileSystem& file_system, std::uint64_t number = 0)
      : SyntheticNode(file_system, FileKind::kDirectory, 0555, number) {}
  // Building. `name` must live for ever (a literal). Each step may fail for lack of memory.
  Result<SyntheticDirectory*> AddDirectory(std::string_view name);
  Status AddFile(std::string_view name, Generate generate, std::uint64_t argument = 0,
                 std::uint32_t mode = 0444, Accept accept = nullptr);
  Status AddSymlink(std::string_view name, std::string_view target);
  Status Add(std::string_view name, RefPtr<Node> node);

  Result<Node*> Lookup(std::string_view name) override;
  Status ReadDirectory(std::uint64_t cookie, DirectoryWriter& writer) override;

 protected:
  ~SyntheticDirectory();

 private:
  struct Child : ListLink<> {
    std::string_view name;
    std::uint64_t cookie = 0;
    RefPtr<Node> node;
  };
  // Null: the first. None ever leaves, and none changes.
  Child* After(const Child* child);

  machine::SpinLock<LockRank::kNode> lock_;  // additions after boot (pty slaves, CPUs)
  IntrusiveList<Child> children_ K42_GUARDED_BY(lock_);
  std::uint64_t next_cookie_ K42_GUARDED_BY(lock_) = 3;
};

class PlainDirectory final : public SyntheticDirectory {
 public:
  using SyntheticDirectory::SyntheticDirectory;

 private:
  void Dispose() override { mem::Delete(this); }
};

class SyntheticFile final : public SyntheticNode {
 public:
  SyntheticFile(SyntheticFileSystem& file_system, Generate generate, std::uint64_t argument,
                std::uint32_t mode, Accept accept, std::uint64_t number = 0,
                Exists exists = nullptr)
      : SyntheticNode(file_system, FileKind::kRegular, mode, number),
        generate_(generate),
        argument_(argument),
        accept_(accept),
        exists_(exists) {}

  // kNoProcess: what a reader would read about has gone.
  Result<std::uint64_t> Read(std::uint64_t offset, BufferOut data) override;
  Result<std::uint64_t> Write(std::uint64_t offset, BufferIn data, bool append,
                              std::uint64_t* end) override;
  Status SetAttributes(const AttributeChange& change) override;

 private:
  void Dispose() override { mem::Delete(this); }
  const Generate generate_;
  const std::uint64_t argument_;
  const Accept accept_;
  const Exists exists_;  // null: always
};

class SyntheticLink final : public SyntheticNode {
 public:
  SyntheticLink(SyntheticFileSystem& file_system, std::string_view target)
      : SyntheticNode(file_system, FileKind::kSymbolicLink, 0777), target_(target) {}
  Result<std::size_t> ReadLink(const Identity& who, std::span<char> text) override;

 private:
  void Dispose() override { mem::Delete(this); }
  const std::string_view target_;
};

// A file whose text never changes.
struct ConstantFile {
  std::string_view name;
  std::string_view text;
};
// `files` must live for ever.
Status AddConstants(SyntheticDirectory& directory, std::span<const ConstantFile> files);

}  // namespace k42::fs
