#include "proc/start_block.h"

#include <cstring>

#include "machine/cpu.h"
#include "machine/random.h"
#include "machine/vector_state.h"

namespace k42::proc {

namespace {

constexpr std::uint64_t kHandlesOffset = (sizeof(abi::ProcessStart) + 15) & ~std::uint64_t{15};

}  // namespace

StartBlock::~StartBlock() {
  if (memory_ != nullptr)
    memory_->DropReference();
  if (handles_ != nullptr)
    services_->allocator.Free(handles_, handle_count_ * sizeof(abi::Handle));
}

Status StartBlock::Build(ProcessServices& services, BufferIn blob, BufferIn handles) {
  services_ = &services;
  if (handles.size() % sizeof(abi::Handle) != 0)
    return Status::kInvalidArgument;
  if (const std::uint64_t count = handles.size() / sizeof(abi::Handle); count != 0) {
    handles_ = static_cast<abi::Handle*>(
        services.allocator.Allocate(handles.size(), alignof(abi::Handle)));
    if (handles_ == nullptr)
      return Status::kNoMemory;
    handle_count_ = count;
    TRY(handles.CopyTo(handles_, 0, handles.size()));
  }
  return Write(blob);
}

Status StartBlock::BuildFor(ProcessServices& services, BufferIn blob,
                            std::span<const abi::Handle> handles) {
  return Build(services, blob, BufferIn::Kernel(handles.data(), handles.size_bytes()));
}

Status StartBlock::Write(BufferIn blob) {
  if (blob.size() > abi::kStartBlobMax || handle_count_ > abi::kStartHandlesMax)
    return Status::kMessageTooLong;
  const std::uint64_t handles_size = handle_count_ * sizeof(abi::Handle);
  blob_offset_ = (kHandlesOffset + handles_size + 15) & ~std::uint64_t{15};
  blob_size_ = blob.size();
  size_ = (blob_offset_ + blob_size_ + abi::kPageSize - 1) & ~std::uint64_t{abi::kPageSize - 1};
  memory_ = TRY(mem::FcmFile::Create(services_->memory, nullptr, size_));
  // The header's page is there then: Finish needs no memory.
  const abi::ProcessStart nothing = {};
  if (handles_size == 0 && blob_size_ == 0)
    TRY(memory_->Write(0, BufferIn::Kernel(&nothing, sizeof(nothing)), mem::Waiting::kYes));
  if (handles_size != 0)
    TRY(memory_->Write(kHandlesOffset, BufferIn::Kernel(handles_, handles_size),
                       mem::Waiting::kYes));
  if (blob_size_ != 0) {
    const std::uint64_t written = TRY(memory_->Write(blob_offset_, blob, mem::Waiting::kYes));
    if (written != blob_size_)
      return Status::kBadAddress;
  }
  return Status::kOk;
}

Status StartBlock::Finish(abi::StartKind kind, const Image& image, std::uint32_t task,
                          std::uint32_t parent) {
  abi::ProcessStart start = {};
  start.magic = abi::kStartMagic;
  start.version = abi::kStartVersion;
  start.kind = kind;
  start.task = task;
  start.parent = parent;
  start.page_size = abi::kPageSize;
  start.blob = abi::kStartAddress + blob_offset_;
  start.blob_size = blob_size_;
  start.handles = abi::kStartAddress + kHandlesOffset;
  start.handle_count = handle_count_;
  start.image_begin = image.layout.begin();
  start.image_end = image.layout.end();
  start.dispatcher_page = abi::kDispatcherBase;
  start.heap_begin = image.layout.end();
  start.heap_end = abi::kStartStackTop - abi::kStartStackSize - abi::kPageSize;
  machine::FillRandom(start.random, sizeof(start.random));
  start.cpu_count = machine::CpuCount();
  start.vector_components = machine::VectorComponents();
  start.vector_size = machine::VectorSize();
  TRY(memory_->Write(0, BufferIn::Kernel(&start, sizeof(start)), mem::Waiting::kYes));
  return Status::kOk;
}

}  // namespace k42::proc
