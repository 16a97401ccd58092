// File descriptors of a task: small numbers to open file descriptions.
//
// Shared by the threads of a task, and by tasks made with CLONE_FILES; else copied. `limit` is the
// resource limit at the time of the call: it stops new numbers, never existing ones.
#pragma once

#include <cstdint>

#include "user/linux/description.h"

namespace k42::personality {

class FdTable {
 public:
  FdTable() = default;
  FdTable(const FdTable&) = delete;
  FdTable& operator=(const FdTable&) = delete;

  void Retain() { ++references_; }
  static void Release(FdTable* table);  // the last one closes all
  FdTable* Copy();                      // null: no memory

  // Takes over one reference to the description in any case. The lowest free number from `minimum`,
  // or -EMFILE, -ENOMEM.
  std::int64_t Add(Description* description, bool close_on_exec, std::uint32_t minimum = 0);
  // Puts it at exactly `fd`, closing what was there. -EBADF beyond the limit.
  std::int64_t Put(std::uint32_t fd, Description* description, bool close_on_exec);
  // 0 or -EBADF.
  std::int64_t Close(std::uint32_t fd);
  void CloseRange(std::uint32_t first, std::uint32_t last);
  void SetCloseOnExecRange(std::uint32_t first, std::uint32_t last);
  void CloseForExec();

  // Null if not open. Add a reference (Get) to use it across anything that may block.
  Description* Peek(std::uint32_t fd) const;
  DescriptionRef Get(std::uint32_t fd) const;

  bool close_on_exec(std::uint32_t fd) const { return slots_[fd].close_on_exec; }
  // Whether Add finds a number.
  bool has_room() const;
  void set_close_on_exec(std::uint32_t fd, bool on) { slots_[fd].close_on_exec = on; }
  std::uint32_t size() const { return size_; }  // one more than the highest number ever open

  std::uint32_t limit = 1024;

 private:
  struct Slot {
    Description* description;
    bool close_on_exec;
  };
  ~FdTable() = default;
  template <typename T>
  friend void Delete(T*);
  bool Reserve(std::uint32_t count);

  Slot* slots_ = nullptr;
  std::uint32_t capacity_ = 0;
  std::uint32_t size_ = 0;
  std::uint32_t first_free_ = 0;  // no free number below
  std::uint32_t references_ = 1;
};

}  // namespace k42::personality
