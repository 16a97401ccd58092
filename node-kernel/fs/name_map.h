// NameMap: the names in one directory: found by name in O(1), listed in the order they came.
//
// Each name has a cookie, never used again, so that a listing goes on rightly after names have been
// added or removed. No locking: the directory's.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/intrusive_list.h"
#include "fs/memory_node.h"

namespace k42::fs {

class NameMap {
 public:
  struct Name : ListLink<> {
    Name* chain = nullptr;
    std::uint64_t cookie = 0;
    RefPtr<MemoryNode> node;
    std::uint32_t hash = 0;
    std::uint32_t size = 0;
    char text[1];  // `size` bytes

    std::string_view view() const { return {text, size}; }
  };

  NameMap() = default;
  NameMap(const NameMap&) = delete;
  NameMap& operator=(const NameMap&) = delete;
  ~NameMap();

  std::size_t size() const { return size_; }
  Name* Find(std::string_view name) const;
  // Precondition: not there.
  Status Insert(std::string_view name, RefPtr<MemoryNode> node);
  void Remove(Name* name);
  // The first name with a cookie above `cookie`, or null; and the one after.
  Name* After(std::uint64_t cookie) const;
  Name* Next(const Name* name) const { return order_.Next(name); }

 private:
  static std::uint32_t Hash(std::string_view name);
  static std::size_t Bytes(std::size_t size) { return sizeof(Name) + size; }
  void Grow();

  Name** buckets_ = nullptr;
  std::size_t bucket_count_ = 0;
  std::size_t size_ = 0;
  std::uint64_t next_cookie_ = 3;  // 1 and 2 stand for "." and ".."
  IntrusiveList<Name> order_;      // ascending cookies
};

}  // namespace k42::fs
