// Process: how one comes to be: the first, by fork, by spawn; and how one starts again.
#include "machine/clock.h"
#include "machine/vector_state.h"
#include "proc/process_maker.h"
#include "sched/user_address.h"
#include "trace/trace.h"

namespace k42::proc {

Result<std::uint32_t> Process::StartFirst(ProcessServices& services, const Image& image,
                                          BufferIn blob, std::span<const cobj::ObjectRef> streams,
                                          bool stopped) {
  constexpr std::size_t kMaxStreams = 8;
  if (streams.size() > kMaxStreams)
    return Status::kInvalidArgument;
  ProcessMaker maker(services);
  TRY(maker.Begin(nullptr, ~std::uint64_t{0}));
  Process& process = maker.process();
  TRY(maker.GrantFixed());
  abi::Handle handles[kMaxStreams];
  for (std::size_t i = 0; i < streams.size(); ++i)
    handles[i] = TRY(process.handles_.Grant(streams[i]));
  StartBlock block;
  TRY(block.BuildFor(services, blob, {handles, streams.size()}));
  TRY(maker.MapImage(image, block));
  // From here on others find it, by its task; what is left cannot fail.
  process.main_number_ =
      TRY(services.tasks.Create(nullptr, 0, 0, &process, true, machine::MonotonicNs()));
  process.first()->ActFor(process.main_number_);
  (void)block.Finish(abi::kStartFirst, image, process.main_number_, 0);
  const std::uint32_t number = process.main_number_;
  maker.Run(stopped, 0);
  return number;
}

Result<std::uint32_t> Process::ForkCopy(const cobj::CallContext& caller,
                                        const ForkRequest& request) {
  TRY(services_.tasks.RequireRoom(Number(caller)));
  if (request.exit_signal > abi::kSignalMax || request.reserved != 0)
    return Status::kInvalidArgument;
  ProcessMaker maker(services_);
  mem::AddressSpace* copy = TRY(space_->ForkCopy());
  TRY(maker.Begin(copy, cpus_));
  Process& child = maker.process();
  child.image_ = image_;
  sched::Dispatcher& dispatcher = child.first()->scheduled();
  TRY(machine::CopyIn(&dispatcher.user_state(), request.state, sizeof(abi::UserState)));
  if (!sched::Validate(dispatcher.user_state()))
    return Status::kBadAddress;
  if (request.vector_state != 0) {
    TRY(machine::CopyIn(dispatcher.vector_state(), request.vector_state, machine::VectorSize()));
    TRY(machine::SanitizeVectorState(dispatcher.vector_state()));
  }
  TRY(maker.GrantFixed());
  TRY(child.handles_.CopyAll(handles_));
  child.main_number_ = TRY(services_.tasks.Create(this, Number(caller), request.exit_signal, &child,
                                                  true, machine::MonotonicNs()));
  child.first()->ActFor(child.main_number_);
  const sched::Dispatcher& calling = Calling().scheduled();
  dispatcher.InheritEntries(calling);
  dispatcher.InheritParameters(calling);
  const abi::DispatcherPage* from = calling.page();
  abi::DispatcherPage* page = dispatcher.page();
  page->thread = from->thread;
  page->stack = from->stack;
  for (std::size_t i = 0; i < std::size(page->scratch); ++i) page->scratch[i] = from->scratch[i];
  const std::uint32_t number = child.main_number_;
  maker.Run(false, Number(caller));
  return number;
}

Result<std::uint32_t> Process::Spawn(const cobj::CallContext& caller, const StartRequest& request,
                                     BufferIn blob, BufferIn handles) {
  const Image* image = request.image == 0 ? image_ : services_.images.Get(request.image);
  if (image == nullptr)
    return Status::kNotFound;
  if (request.exit_signal > abi::kSignalMax || request.reserved != 0)
    return Status::kInvalidArgument;
  TRY(services_.tasks.RequireRoom(Number(caller)));
  StartBlock block;
  TRY(block.Build(services_, blob, handles));
  ProcessMaker maker(services_);
  TRY(maker.Begin(nullptr, cpus_));
  Process& child = maker.process();
  child.space_->RefuseLargePages(space_->refuses_large_pages());
  TRY(maker.GrantFixed());
  TRY(child.handles_.CopyListed(handles_, block.handles()));
  TRY(maker.MapImage(*image, block));
  const std::uint32_t parent = Number(caller);
  if (request.task != 0) {
    // From here on the task is the child's; what is left cannot fail.
    TRY(services_.tasks.Adopt(parent, request.task, this, &child));
    NoLongerActsFor(request.task);
    child.main_number_ = request.task;
  } else {
    child.main_number_ = TRY(services_.tasks.Create(this, parent, request.exit_signal, &child, true,
                                                    machine::MonotonicNs()));
  }
  child.first()->ActFor(child.main_number_);
  child.first()->scheduled().InheritParameters(Calling().scheduled());
  (void)block.Finish(abi::kStartSpawn, *image, child.main_number_, parent);
  const std::uint32_t number = child.main_number_;
  maker.Run(false, Number(caller));
  return number;
}

Status Process::Replace(const cobj::CallContext& caller, const StartRequest& request, BufferIn blob,
                        BufferIn handles) {
  const Image* image = request.image == 0 ? image_ : services_.images.Get(request.image);
  if (image == nullptr)
    return Status::kNotFound;
  if (Number(caller) != main_number_)
    return Status::kNotSupported;  // a task that shares our memory becomes a process by Spawn
  if (&Calling() != first())
    return Status::kNotSupported;
  if (OthersRun())
    return Status::kBusy;
  StartBlock block;
  TRY(block.Build(services_, blob, handles));
  TaskInfo info;
  TRY(services_.tasks.GetInfo(main_number_, 0, &info));
  TRY(block.Finish(abi::kStartReplace, *image, main_number_, info.parent));
  // The point of no return.
  trace::Log(trace::kProcessReplace, main_number_);
  services_.tasks.EndGuests(this);
  handles_.KeepOnly(block.handles());
  Status status = space_->Unmap(mem::AddressSpace::kLowest,
                                abi::kPersonalityLimit - mem::AddressSpace::kLowest);
  if (status == Status::kOk)
    status = ProcessMaker::MapImageInto(*this, *image, block);
  if (status != Status::kOk) {
    EndRunning(ExitKind::kKilled, abi::kSignalKill);
    return status;
  }
  first()->Reset();
  ProcessMaker::PrepareStart(*this, *image);
  first()->restart = true;
  return Status::kOk;
}

// Only ever seen by its maker, for it has no task, but its object is published.
void Process::Abandon() {
  handles_.CloseAll();
  if (space_ != nullptr)
    space_->Destroy();
  (void)cobj::Destroy(self_);
}

}  // namespace k42::proc
