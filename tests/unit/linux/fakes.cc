// What the pure parts of the personality need from the rest, for hosted tests.
#include <cstdlib>

#include "user/linux/description.h"
#include "user/linux/heap.h"

namespace k42::personality {

void* Allocate(std::size_t size) {
  return std::aligned_alloc(64, (size + 63) & ~std::size_t{63});
}
void Free(void* block, std::size_t) {
  std::free(block);
}

Description::Description(Kind kind, std::uint32_t linux_flags)
    : kind_(kind), linux_flags_(linux_flags) {}
Description::~Description() = default;
void Description::Release(Description* description) {
  if (--description->references_ == 0) {
    description->Destroy();
  }
}
bool Description::nonblocking() {
  return false;
}

}  // namespace k42::personality
