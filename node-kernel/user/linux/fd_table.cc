#include "user/linux/fd_table.h"

#include <cstring>

#include "user/linux/abi_errno.h"
#include "user/linux/heap.h"

namespace k42::personality {
namespace {
constexpr std::uint32_t kSmallest = 32;
constexpr std::uint32_t kMost = 1u << 20;
}  // namespace

void FdTable::Release(FdTable* table) {
  if (--table->references_ != 0) {
    return;
  }
  table->CloseRange(0, ~0u);
  Free(table->slots_, table->capacity_ * sizeof(Slot));
  Delete(table);
}

FdTable* FdTable::Copy() {
  auto* copy = New<FdTable>();
  if (!copy || !copy->Reserve(size_)) {
    Delete(copy);
    return nullptr;
  }
  copy->limit = limit;
  copy->size_ = size_;
  copy->first_free_ = first_free_;
  for (std::uint32_t fd = 0; fd < size_; ++fd) {
    copy->slots_[fd] = slots_[fd];
    if (slots_[fd].description) {
      slots_[fd].description->Retain();
    }
  }
  return copy;
}

bool FdTable::Reserve(std::uint32_t count) {
  if (count <= capacity_) {
    return true;
  }
  if (count > kMost) {
    return false;
  }
  std::uint32_t capacity = capacity_ ? capacity_ : kSmallest;
  while (capacity < count) {
    capacity *= 2;
  }
  auto* slots = static_cast<Slot*>(Allocate(capacity * sizeof(Slot)));
  if (!slots) {
    return false;
  }
  std::memset(slots, 0, capacity * sizeof(Slot));
  if (slots_) {
    std::memcpy(slots, slots_, size_ * sizeof(Slot));
    Free(slots_, capacity_ * sizeof(Slot));
  }
  slots_ = slots;
  capacity_ = capacity;
  return true;
}

std::int64_t FdTable::Add(Description* description, bool close_on_exec, std::uint32_t minimum) {
  std::uint32_t fd = minimum > first_free_ ? minimum : first_free_;
  while (fd < size_ && slots_[fd].description) {
    ++fd;
  }
  if (fd >= limit || !Reserve(fd + 1)) {
    Description::Release(description);
    return fd >= limit ? -kEMFILE : -kENOMEM;
  }
  if (minimum <= first_free_) {
    first_free_ = fd + 1;
  }
  slots_[fd] = {description, close_on_exec};
  if (fd >= size_) {
    size_ = fd + 1;
  }
  return fd;
}

bool FdTable::has_room() const {
  std::uint32_t fd = first_free_;
  while (fd < size_ && slots_[fd].description) {
    ++fd;
  }
  return fd < limit;
}

std::int64_t FdTable::Put(std::uint32_t fd, Description* description, bool close_on_exec) {
  if (fd >= limit || !Reserve(fd + 1)) {
    Description::Release(description);
    return fd >= limit ? -kEBADF : -kENOMEM;
  }
  Description* old = fd < size_ ? slots_[fd].description : nullptr;
  slots_[fd] = {description, close_on_exec};
  if (fd >= size_) {
    size_ = fd + 1;
  }
  if (old) {
    Description::Release(old);
  }
  return fd;
}

std::int64_t FdTable::Close(std::uint32_t fd) {
  Description* description = Peek(fd);
  if (!description) {
    return -kEBADF;
  }
  slots_[fd] = {};
  if (fd < first_free_) {
    first_free_ = fd;
  }
  Description::Release(description);
  return 0;
}

void FdTable::CloseRange(std::uint32_t first, std::uint32_t last) {
  for (std::uint32_t fd = first; fd < size_ && fd <= last; ++fd) {
    (void)Close(fd);
  }
}

void FdTable::SetCloseOnExecRange(std::uint32_t first, std::uint32_t last) {
  for (std::uint32_t fd = first; fd < size_ && fd <= last; ++fd) {
    slots_[fd].close_on_exec = true;
  }
}

void FdTable::CloseForExec() {
  for (std::uint32_t fd = 0; fd < size_; ++fd) {
    if (slots_[fd].description && slots_[fd].close_on_exec) {
      (void)Close(fd);
    }
  }
}

Description* FdTable::Peek(std::uint32_t fd) const {
  return fd < size_ ? slots_[fd].description : nullptr;
}

DescriptionRef FdTable::Get(std::uint32_t fd) const {
  Description* description = Peek(fd);
  if (description) {
    description->Retain();
  }
  return DescriptionRef(description);
}

}  // namespace k42::personality
