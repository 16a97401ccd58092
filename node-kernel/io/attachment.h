// Attachment: what travels beside the bytes of a local socket: handles, and who sent from where.
#pragma once

#include <cstdint>

#include "cobj/call_context.h"
#include "io/socket.types.h"

namespace k42::io {

// Who sent it, and from where.
struct Origin {
  SenderIdentity sender{};
  SocketAddress address{};
  bool has_address = false;
};

class Attachment : public Origin {
 public:
  static Result<Attachment*> Make();
  // Closes the handles nobody has taken.
  static void Free(Attachment* attachment);

  // Holds the objects behind the caller's `handles`; kBadHandle if one is none.
  Status Hold(const cobj::CallContext& caller, const abi::Handle* handles, std::uint32_t count);
  // Makes handles for the caller, at most `room`; the rest are closed. Returns how many it made.
  std::uint32_t Deliver(const cobj::CallContext& caller, abi::Handle* handles, std::uint32_t room,
                        bool* cut);
  bool has_handles() const { return count_ != 0; }

 private:
  void DropHandles(std::uint32_t first);

  cobj::ObjectRef objects_[kMaxPassedHandles];
  std::uint32_t count_ = 0;
};

}  // namespace k42::io
