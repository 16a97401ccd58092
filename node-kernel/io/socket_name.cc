#include "io/socket_name.h"

#include "mem/heap.h"

namespace k42::io {

Result<SocketName*> SocketName::Make() {
  return mem::New<SocketName>();
}

void SocketName::Dispose() {
  mem::Delete(this);
}

}  // namespace k42::io
