// StreamObject<Core>: a version of the stream class as a clustered object: the steps of Core under
// one lock, and its state handed over in a swap.
//
// Core is FabricStream or a later version of it, with kVersion, kExportForms and kImportForms,
// Export(form) -> where the state lies (inside the core: nothing is allocated, and the old object
// can go on), Import(form, that), Note(action) for its own books, and Describe.
//
// Locking: lock_ guards the core; a leaf. No step waits.
#pragma once

#include "cobj/transfer.h"
#include "io/fabric_stream.idl.h"
#include "io/stream_batch.h"
#include "machine/spin_lock.h"

namespace k42::io {

template <typename Core>
class StreamObject final : public IFabricStream {
 public:
  using Interface = IFabricStream;
  static constexpr cobj::TransferForms kExportForms = Core::kExportForms;
  static constexpr cobj::TransferForms kImportForms = Core::kImportForms;

  Status Export(const cobj::TransferStep& step) {
    const machine::SpinGuard guard(lock_);
    step.part() = core_.Export(step.form);
    return Status::kOk;
  }
  Status Import(const cobj::TransferStep& step) {
    if (step.part() == 0)
      return Status::kOk;
    const machine::SpinGuard guard(lock_);
    return core_.Import(step.form, step.part());
  }

  Status Start(const StreamShape& shape) override {
    return Step([&] { core_.Start(shape); });
  }
  Status Connect(std::uint16_t local_port, std::uint16_t peer_port, std::uint64_t now) override {
    return Ask([&] { return core_.Connect(local_port, peer_port, now); });
  }
  Status Accept(const StreamMessage& open, std::uint16_t local_port) override {
    return Ask([&] { return core_.Accept(open, local_port); });
  }
  Status WriteRoom(StreamSpan& room) override {
    return Ask([&] { return core_.WriteRoom(&room); });
  }
  Status Written(std::uint64_t count) override {
    return Step([&] { core_.Written(count); });
  }
  Status Readable(StreamSpan& bytes) override {
    return Ask([&] { return core_.Readable(&bytes); });
  }
  Status Consumed(std::uint64_t count) override {
    return Step([&] { core_.Consumed(count); });
  }
  Status Shutdown(bool read, bool write) override {
    return Ask([&] {
      const Status status = read ? core_.ShutdownRead() : Status::kOk;
      return status == Status::kOk && write ? core_.ShutdownWrite() : status;
    });
  }
  Status Close(std::uint64_t now, bool reset) override {
    return Step([&] { core_.Close(now, reset); });
  }
  Status TakeError(std::int64_t& error) override {
    return Step([&] { error = static_cast<std::int64_t>(core_.TakeError()); });
  }
  Status OnMessage(const StreamMessage& message, std::uint64_t now) override {
    return Step([&] { core_.OnMessage(message, now); });
  }
  Status OnData(std::uint64_t word) override {
    return Step([&] { core_.OnData(word); });
  }
  Status OnPutDone(std::uint64_t put_end, std::int64_t status, std::uint64_t now) override {
    return Step([&] { core_.OnPutDone(put_end, static_cast<Status>(status), now); });
  }
  Status OnSendDone(std::int64_t status, std::uint64_t now) override {
    return Step([&] { core_.OnSendDone(static_cast<Status>(status), now); });
  }
  Status OnBreak() override {
    return Step([&] { core_.OnBreak(); });
  }
  Status OnPeerGone() override {
    return Step([&] { core_.OnPeerGone(); });
  }
  Status OnTimer(std::uint64_t now) override {
    return Step([&] { core_.OnTimer(now); });
  }
  Status Next(std::uint32_t limit, StreamBatch& batch) override {
    return Step([&] {
      batch.count = 0;
      while (batch.count < limit && batch.count < StreamBatch::kMost &&
             core_.NextAction(&batch.actions[batch.count])) {
        core_.Note(batch.actions[batch.count++]);
      }
      core_.Look(&batch.look);
    });
  }
  Status Look(StreamLook& look) override {
    const machine::SpinGuard guard(lock_);
    core_.Look(&look);
    return Status::kOk;
  }
  Status Describe(StreamDescription& description) override {
    return Step([&] { core_.Describe(&description); });
  }

 private:
  template <typename F>
  Status Step(F step) {
    const machine::SpinGuard guard(lock_);
    core_.Changed();
    step();
    return Status::kOk;
  }
  template <typename F>
  Status Ask(F step) {
    const machine::SpinGuard guard(lock_);
    core_.Changed();
    return step();
  }

  machine::SpinLock<LockRank::kWaitQueue> lock_;  // of core_
  Core core_;  // guarded by lock_; Clang's analysis does not see into the steps above
};

}  // namespace k42::io
