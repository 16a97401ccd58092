// The positions of one direction of an offloaded connection, for whoever sends and whoever
// receives. No bytes are here: their owner keeps those between acked() and written(), because a new
// session may have to send them again.
//
//   sender     acked <= sent <= written;  sent <= limit;  the end, once known, lies at written
//   receiver   received <= limit;  limit never goes back
//
// Everything from the other side is checked: kCorrupt is a peer that breaks the rules, upon which a
// connection is reset.
#pragma once

#include <algorithm>
#include <cstdint>

#include "abi/offload.h"
#include "base/status.h"

namespace k42::abi {

class OffloadSender {
 public:
  std::uint64_t acked() const { return acked_; }
  std::uint64_t sent() const { return sent_; }
  std::uint64_t written() const { return written_; }
  bool ended() const { return ended_; }
  // The receiver has everything, the end included.
  bool over() const { return end_acked_; }

  // How many bytes the source may add: all are kept until they are acknowledged.
  std::uint64_t Room() const {
    return ended_ ? 0 : kOffloadWindow - std::min<std::uint64_t>(kOffloadWindow, written_ - acked_);
  }
  // How many bytes, from sent() on, may go now.
  std::uint64_t Sendable() const {
    return std::min<std::uint64_t>(std::min(written_, std::max(limit_, sent_)) - sent_,
                                   kOffloadPiece);
  }
  bool EndDue() const { return ended_ && !end_sent_ && sent_ == written_; }

  void OnWritten(std::uint64_t bytes) { written_ += bytes; }
  void OnSourceEnded() { ended_ = true; }
  void OnSent(std::uint64_t bytes) { sent_ += bytes; }
  void OnEndSent() { end_sent_ = true; }

  Status OnCredit(std::uint64_t received, std::uint64_t limit, bool end_received) {
    if (received > written_ || received < acked_ || limit < received ||
        limit - received > kOffloadWindow || (end_received && !(ended_ && received == written_)))
      return Status::kCorrupt;
    acked_ = received;
    sent_ = std::max(sent_, received);
    limit_ = std::max(limit_, limit);
    end_acked_ |= end_received;
    end_sent_ |= end_received;
    return Status::kOk;
  }
  // A new session: what was sent and not acknowledged may be lost.
  void GoBack() {
    sent_ = acked_;
    end_sent_ = end_acked_;
  }

 private:
  std::uint64_t acked_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t written_ = 0;
  std::uint64_t limit_ = 0;
  bool ended_ = false;
  bool end_sent_ = false;
  bool end_acked_ = false;
};

class OffloadReceiver {
 public:
  std::uint64_t received() const { return received_; }
  std::uint64_t limit() const { return limit_; }
  bool ended() const { return ended_; }

  // Bytes [position, position + size) have come. Those from *skip on are new; *take of them. A gap
  // takes nothing: it will be sent again.
  Status OnData(std::uint64_t position, std::uint64_t size, std::uint64_t* skip,
                std::uint64_t* take) {
    *skip = *take = 0;
    if (size == 0 || position > limit_ || size > limit_ - position)
      return Status::kCorrupt;
    if (position > received_ || position + size <= received_)
      return Status::kOk;
    if (ended_)
      return Status::kCorrupt;
    *skip = received_ - position;
    *take = size - *skip;
    received_ = position + size;
    return Status::kOk;
  }
  Status OnEnd(std::uint64_t position) {
    if (position > limit_ || position < received_)
      return Status::kCorrupt;
    if (position == received_)
      ended_ = true;
    return ended_ && position != received_ ? Status::kCorrupt : Status::kOk;
  }

  // The owner has room for bytes up to `limit`. True: the sender should be told now, because a good
  // part of the window is new to it.
  bool Grant(std::uint64_t limit) {
    limit = std::min(limit, received_ + kOffloadWindow);
    if (limit <= limit_)
      return false;
    const bool tell = limit - limit_ >= kOffloadWindow / 4 || limit_ == 0;
    if (tell)
      limit_ = limit;
    return tell;
  }

 private:
  std::uint64_t received_ = 0;
  std::uint64_t limit_ = 0;
  bool ended_ = false;
};

}  // namespace k42::abi
