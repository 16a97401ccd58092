// Exporter: what programs need to serve objects (exporter.idl), one object for the node. The
// objects and calls themselves are ipc's (ipc/README.md, "Protected calls").
//
// Published names stay; an object takes the place of one whose server has ended. So names are
// looked for without a lock, among those that count_ says are there.
//
// Locking: lock_ guards the objects behind the names, and new names. A published object is held, as
// by a handle.
#pragma once

#include <array>
#include <atomic>

#include "ipc/export_target.h"
#include "machine/spin_lock.h"
#include "proc/exporter.idl.h"
#include "proc/services.h"

namespace k42::proc {

class Exporter final : public IExporter {
 public:
  using Interface = IExporter;

  explicit Exporter(ProcessServices& services) : services_(services) {}

  Result<std::uint64_t> OpenCalls(std::uint32_t slots, std::uint32_t bulk) override;
  Result<abi::Handle> Export(const cobj::CallContext& caller, const ExportRequest& request,
                             BufferIn methods) override;
  Result<std::uint64_t> TakeReleased() override;
  Status GetCaller(std::uint64_t call, Credential& credential) override;
  Status Send(const cobj::CallContext& caller, abi::Handle object, const MessageWords& message,
              cobj::Ticket retry) override;
  Status TakeMessage(ReceivedMessage& message) override;
  Status Publish(const cobj::CallContext& caller, BufferIn name, abi::Handle what) override;
  Result<abi::Handle> Find(const cobj::CallContext& caller, BufferIn name) override;

 private:
  static constexpr std::size_t kNames = 64;
  static constexpr std::size_t kNameSize = 32;

  using Name = std::array<char, kNameSize>;
  struct Published {
    Name name = {};
    cobj::ObjectRef object;  // under lock_
  };
  static Result<Name> NameFrom(BufferIn name);
  // Among those from `begin` on; null: none of them.
  Published* Search(const Name& name, std::uint32_t begin, std::uint32_t end);
  cobj::ObjectRef ObjectOf(const Published& published);
  // kOk: `object` is the first behind that name. kAlreadyExists: `place` has it.
  Status Add(const Name& name, const cobj::ObjectRef& object, Published** place);

  ProcessServices& services_;
  machine::SpinLock<LockRank::kWaitQueue> lock_;  // of objects behind names, and of new names
  std::atomic<std::uint32_t> count_{0};
  Published names_[kNames];
};

}  // namespace k42::proc
