// The tree of the memory file server: files in the memory of an Allocator, up to a limit. What
// names mean is the kernel's affair (permissions, paths, symbolic links): here are directories of
// names, contents and attributes. Errors are those of Linux, as the protocol carries them.
//
// A File lives while it has a name or somebody holds it (references). Contents are blocks in a tree
// by number; what has no block reads as zero. A directory keeps its names twice: by hash, to find
// them, and by cookie, in the order in which they came, so that a listing that goes on after
// changes tells each name that stayed exactly once.
//
// One thread; plain data. Files: tree.cc (files, names), tree_contents.cc.
#pragma once

#include <cstdint>
#include <new>
#include <span>
#include <string_view>

#include "base/allocator.h"
#include "base/intrusive_tree.h"

namespace k42::memory_files {

// Linux's numbers.
enum class Error : std::uint32_t {
  kNone = 0,
  kNotFound = 2,
  kIo = 5,
  kNoMemory = 12,
  kExists = 17,
  kNotDirectory = 20,
  kIsDirectory = 21,
  kInvalid = 22,
  kTooLarge = 27,
  kNoSpace = 28,
  kTooManyLinks = 31,
  kNameTooLong = 36,
  kNotEmpty = 39,
  kLoop = 40,
  kNotSupported = 95,
  kStale = 116,
};

inline constexpr std::uint32_t kKindMask = 0170000, kRegular = 0100000, kDirectory = 0040000,
                               kSymlink = 0120000, kFifo = 0010000;
inline constexpr std::size_t kBlock = 4096;
inline constexpr std::size_t kNameMost = 255;
inline constexpr std::uint64_t kSizeMost = std::uint64_t{1} << 62;

struct Block : TreeLink<Block> {
  std::uint64_t number;
  std::byte* bytes;
  std::uint64_t TreeKey() const { return number; }
};

struct File;

// One name. Those whose hashes are equal hang behind the one in the tree.
struct Name : TreeLink<Name> {
  std::uint64_t hash;
  std::uint64_t cookie;
  Name* same_hash;
  File* file;
  std::size_t size;  // of the text, which is behind it
  std::uint64_t TreeKey() const { return hash; }
  char* text() { return reinterpret_cast<char*>(this + 1); }
  std::string_view view() const { return {reinterpret_cast<const char*>(this + 1), size}; }
};
struct Cookie : TreeLink<Cookie> {
  std::uint64_t number;
  Name* name;
  std::uint64_t TreeKey() const { return number; }
};

struct File {
  std::uint64_t number = 0;
  std::uint32_t mode = 0;  // kind and permissions
  std::uint32_t user = 0;
  std::uint32_t group = 0;
  std::uint32_t links = 0;
  std::uint32_t references = 0;  // holders, without names
  std::uint64_t size = 0;        // of a directory: names
  std::uint64_t blocks = 0;      // of kBlock bytes
  std::uint64_t access_ns = 0, modify_ns = 0, change_ns = 0, birth_ns = 0;
  IntrusiveTree<Block> contents;
  IntrusiveTree<Name> names;
  IntrusiveTree<Cookie> listing;
  std::uint64_t next_cookie = 1;
  File* parent = nullptr;     // of a directory; null: it has no name any more
  char* link_text = nullptr;  // `size` of them

  bool Is(std::uint32_t kind) const { return (mode & kKindMask) == kind; }
};

class Tree {
 public:
  // `clock` gives the time, nanoseconds since 1970.
  Tree(Allocator& allocator, std::uint64_t limit, std::uint64_t (*clock)());
  ~Tree();
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;
  // False: no memory for as much as a root.
  bool ok() const { return root_ != nullptr; }

  File& root() { return *root_; }
  void Hold(File& file) { ++file.references; }
  void Drop(File& file);

  Error Lookup(File& directory, std::string_view name, File** found);
  // `text`: of a symbolic link.
  Error Make(File& directory, std::string_view name, std::uint32_t mode, std::uint32_t group,
             std::string_view text, File** made);
  Error Link(File& directory, std::string_view name, File& file);
  Error Unlink(File& directory, std::string_view name, bool is_directory);
  Error Rename(File& from, std::string_view old_name, File& to, std::string_view new_name);
  // The first name behind `cookie`; null at the end.
  const Name* Next(const File& directory, std::uint64_t cookie) const;

  Error Read(File& file, std::uint64_t offset, std::span<std::byte> to, std::size_t* count);
  Error Write(File& file, std::uint64_t offset, std::span<const std::byte> from,
              std::size_t* count);
  Error Resize(File& file, std::uint64_t size);
  // The caller has changed attributes.
  void Changed(File& file) { file.change_ns = now(); }
  std::uint64_t now() const { return clock_(); }

  std::uint64_t limit() const { return limit_; }
  std::uint64_t used() const { return used_; }
  std::uint64_t files() const { return files_; }

 private:
  void* Allocate(std::size_t size);
  void Free(void* block, std::size_t size);
  template <typename T>
  T* New() {
    void* space = Allocate(sizeof(T));
    return space == nullptr ? nullptr : ::new (space) T();
  }
  template <typename T>
  void Delete(T* object) {
    object->~T();
    Free(object, sizeof(T));
  }

  static std::uint64_t HashOf(std::string_view name);
  static Name* Find(const File& directory, std::string_view name);
  File* NewFile(std::uint32_t mode, std::uint32_t group);
  void FreeFile(File* file);
  void FreeIfUnused(File* file);
  Error AddName(File& directory, std::string_view name, File& file);
  // Takes it out of its directory and frees it; the file stays.
  void RemoveName(File& directory, Name* name);
  // The file has lost a name.
  void LoseName(File& file);
  Error CheckName(const File& directory, std::string_view name) const;
  Block* FindBlock(File& file, std::uint64_t number, bool make);
  void FreeBlocks(File& file, std::uint64_t first);
  void Touch(File& file);

  Allocator& allocator_;
  const std::uint64_t limit_;
  std::uint64_t (*const clock_)();
  std::uint64_t used_ = 0;
  std::uint64_t files_ = 0;
  std::uint64_t next_number_ = 1;
  File* root_ = nullptr;
};

}  // namespace k42::memory_files
