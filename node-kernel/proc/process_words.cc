// Process: waiting for words in shared memory.
#include "machine/user_copy.h"
#include "proc/process.h"

namespace k42::proc {

Status Process::WaitWord(const cobj::CallContext&, std::uint64_t address, std::uint32_t expected,
                         std::uint32_t mask, cobj::Ticket ticket) {
  if (!ticket || mask == 0 || address % 4 != 0)
    return Status::kInvalidArgument;
  const mem::WordKey key = TRY(space_->KeyOf(address));
  waited_for_words_.store(true, std::memory_order_relaxed);
  // First in the list, then the look: a wake that came after the word was changed finds us.
  TRY(services_.words.Add(key, mask, ticket));
  const auto word = machine::LoadUser32(address);
  if (word.ok() && word.value() == expected)
    return Status::kPending;
  if (!services_.words.Remove(key, ticket))
    return Status::kPending;  // woken meanwhile: the ticket has fired
  return word.ok() ? Status::kWouldBlock : word.status();
}

Result<std::uint32_t> Process::WakeWord(std::uint64_t address, std::uint32_t count,
                                        std::uint32_t mask) {
  const mem::WordKey key = TRY(space_->KeyOf(address));
  return services_.words.Wake(key, count, mask);
}

}  // namespace k42::proc
