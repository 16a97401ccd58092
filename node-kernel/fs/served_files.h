// ServedFiles: carries 9P messages to and from a program of this node (fs/file_server.idl).
//
// A *session* is one program's life as the server: Begin -> requests -> End, and then the next.
// Between sessions, and when one ends, requests fail with kIoError; nothing waits for a next one.
//
// A request's place, by its tag:
//   free -> queued -> (being copied out) taken -> (being copied in) free
// Copies go through a kernel buffer: the server's memory may be missing for as long as it likes (it
// may even be a file that it serves), and while it is, no request depends on it. End completes what
// is queued or taken; what is being copied belongs to whoever copies, who ends it himself.
//
// Locking: lock_ guards everything; requests are completed and tickets fired without it. Submit may
// be called with blocking locks held, across which no object is called: so the ticket is fired by a
// message to the CPU itself.
#pragma once

#include <atomic>
#include <cstdint>

#include "cobj/ticket.h"
#include "fs/file_server.idl.h"
#include "fs/ninep_client.h"
#include "machine/cpu_message.h"
#include "machine/spin_lock.h"

namespace k42::fs {

class ServedFiles final : public ninep::Transport {
 public:
  // How long a request may wait to be taken, and then for its answer. Longer than any server that
  // goes on needs, short enough for a person who waits.
  static constexpr std::uint64_t kAnswerWithin = 10'000'000'000;

  ServedFiles();
  // Lives for ever once it has had a session.
  ServedFiles(const ServedFiles&) = delete;
  ServedFiles& operator=(const ServedFiles&) = delete;

  // A new session, what its server gets. Precondition: the one before has ended. `ended` runs at
  // its end, on any CPU, no lock held.
  Result<cobj::Ref<IFileServer>> Begin(void (*ended)(void*), void* argument);
  // Ends the session if it is still that of the last Begin.
  void End();
  bool open();
  // Has a request waited too long at that time?
  bool Overdue(std::uint64_t now_ns);

  // ninep::Transport
  Status Submit(ninep::Request* request) override;
  std::size_t MaxMessage() const override { return kServedMessageMax; }
  void SetReceiver(ninep::Client*) override {}  // requests know their client

 private:
  class Session;  // the object behind the server's handle
  static constexpr std::uint32_t kPlaces = ninep::Client::kTags + 1;  // and one without a tag
  enum class State : std::uint8_t { kFree, kQueued, kCopied, kTaken };
  struct Place {
    ninep::Request* request = nullptr;
    State state = State::kFree;
    std::uint64_t since_ns = 0;  // in that state
  };
  struct Wake : machine::CpuMessage {
    ServedFiles* owner = nullptr;
    std::atomic<bool> sent{false};
  };

  Result<std::uint64_t> Take(std::uint64_t session, BufferOut message, const cobj::Ticket& ready);
  Status Answer(std::uint64_t session, BufferIn reply);
  void EndSession(std::uint64_t session);
  bool IsOver(std::uint64_t session) K42_REQUIRES(lock_) { return !open_ || session != session_; }
  static std::uint32_t PlaceOf(std::uint16_t tag) {
    return tag == ninep::kNoTag ? kPlaces - 1 : tag;
  }
  static void OnWake(machine::CpuMessage* message);
  void FireReady();

  machine::SpinLock<LockRank::kDeviceQueue> lock_;
  bool open_ K42_GUARDED_BY(lock_) = false;
  std::uint64_t session_ K42_GUARDED_BY(lock_) = 0;
  void (*ended_)(void*) K42_GUARDED_BY(lock_) = nullptr;
  void* argument_ K42_GUARDED_BY(lock_) = nullptr;
  Place places_[kPlaces] K42_GUARDED_BY(lock_);
  // Queued ones by place, oldest first: a ring.
  std::uint8_t queue_[kPlaces] K42_GUARDED_BY(lock_) = {};
  std::uint32_t queue_begin_ K42_GUARDED_BY(lock_) = 0;
  std::uint32_t queue_size_ K42_GUARDED_BY(lock_) = 0;
  cobj::Ticket ready_ K42_GUARDED_BY(lock_);
  Wake wake_;
};

}  // namespace k42::fs
