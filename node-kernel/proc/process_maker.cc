#include "proc/process_maker.h"

#include "machine/vector_state.h"
#include "proc/map_at.h"
#include "proc/process.dispatch.h"
#include "sched/cpu_scheduler.h"
#include "sched/user_address.h"
#include "trace/trace.h"

namespace k42::proc {

namespace {

// An image is small, most of it is used by each process, and it is in memory: one page asked for
// brings its neighbours.
void ShowImage(mem::AddressSpace& space, const ImageSegment& segment) {
  constexpr std::uint64_t kNeighbours = mem::FcmFile::kPresent * abi::kPageSize;
  for (std::uint64_t at = segment.begin; at < segment.end;
       at = (at / kNeighbours + 1) * kNeighbours) {
    ShowAt(space, at, mem::Access::kRead);
  }
}

}  // namespace

ProcessMaker::~ProcessMaker() {
  if (process_ != nullptr)
    process_->Abandon();
}

Status ProcessMaker::Begin(mem::AddressSpace* copy, std::uint64_t cpus) {
  auto made = services_.allocator.Make<cobj::SharedRoot<Process>>(services_);
  if (!made.ok()) {
    if (copy != nullptr)
      copy->Destroy();
    return made.status();
  }
  Process* process = &made.value()->rep();
  process->space_ = copy;
  const auto published = cobj::PublishRoot(made.value());
  if (!published.ok()) {
    if (copy != nullptr)
      copy->Destroy();
    return published.status();
  }
  process_ = process;
  if (copy == nullptr)
    process->space_ = TRY(mem::AddressSpace::Create(services_.memory));
  process->cpus_ = cpus;
  (void)TRY(process->MakeDispatcher(0, sched::CpuScheduler::LeastLoaded(cpus)));
  if (copy == nullptr && services_.time_page != nullptr)
    TRY(MapAt(*process->space_, abi::kTimePageAddress, abi::kPageSize, mem::kProtectRead,
              services_.time_page, 0, true, mem::ForkPolicy::kCopy));
  ShowAt(*process->space_, abi::kTimePageAddress, mem::Access::kRead);
  return Status::kOk;
}

Status ProcessMaker::GrantFixed() {
  TRY(process_->handles_.GrantFixed(abi::kProcessHandle,
                                    {process_->self_.bits(), kAllRights, &kProcessInfo}));
  for (std::uint32_t index = 0; index < abi::kFirstFreeHandleIndex; ++index) {
    if (services_.fixed[index])
      TRY(process_->handles_.GrantFixed(index, services_.fixed[index]));
  }
  return Status::kOk;
}

Status ProcessMaker::MapImage(const Image& image, const StartBlock& block) {
  TRY(MapImageInto(*process_, image, block));
  PrepareStart(*process_, image);
  return Status::kOk;
}

Status ProcessMaker::MapImageInto(Process& process, const Image& image, const StartBlock& block) {
  mem::AddressSpace& space = *process.space_;
  for (std::uint32_t i = 0; i < image.layout.count; ++i) {
    const ImageSegment& segment = image.layout.segments[i];
    TRY(MapAt(space, segment.begin, segment.end - segment.begin, segment.protection, image.memory,
              segment.begin - image.layout.begin(), false, mem::ForkPolicy::kCopy));
    if ((segment.protection & mem::kProtectWrite) == 0)
      ShowImage(space, segment);
  }
  TRY(MapAt(space, abi::kStartStackTop - abi::kStartStackSize, abi::kStartStackSize,
            mem::kProtectRead | mem::kProtectWrite, nullptr, 0, false, mem::ForkPolicy::kCopy));
  ShowAt(space, abi::kStartStackTop - 1, mem::Access::kWrite);
  // Nobody writes it, so a private copy of it would be a page copied for nothing.
  TRY(MapAt(space, abi::kStartAddress, block.size(), mem::kProtectRead, block.memory(), 0, true,
            mem::ForkPolicy::kCopy));
  ShowAt(space, abi::kStartAddress, mem::Access::kRead);
  return Status::kOk;
}

void ProcessMaker::PrepareStart(Process& process, const Image& image) {
  process.image_ = &image;
  sched::Dispatcher& dispatcher = process.first()->scheduled();
  abi::UserState& state = dispatcher.user_state();
  state = {};
  state.rip = image.layout.entry;
  state.rdi = abi::kStartAddress;
  state.rsp = abi::kStartStackTop - 8;
  state.rflags = sched::kFixedFlags;
  machine::InitVectorState(dispatcher.vector_state());
}

void ProcessMaker::Run(bool stopped, std::uint32_t parent) {
  Process& process = *process_;
  process_ = nullptr;
  sched::Dispatcher& dispatcher = process.first()->scheduled();
  dispatcher.SetName(process.main_number_);
  trace::Log(trace::kProcessMake, process.main_number_, parent);
  if (stopped)
    process.StopRunning();
  dispatcher.Ask(sched::Dispatcher::kAdmit);
}

}  // namespace k42::proc
