#include "user/linux/call_support.h"

#include "user/linux/descriptor_folder.h"

namespace k42::personality {

std::int64_t AddPair(Thread& thread, Description* first, Description* second, bool close_on_exec,
                     std::uint64_t fds) {
  DescriptionRef one(first), other(second);
  if (!one || !other) {
    return -kENOMEM;
  }
  FdTable& files = *thread.task->files;
  const std::int64_t a = files.Add(one.Take(), close_on_exec);
  if (a < 0) {
    return a;
  }
  const std::int64_t b = files.Add(other.Take(), close_on_exec);
  if (b < 0) {
    (void)files.Close(static_cast<std::uint32_t>(a));
    return b;
  }
  const std::int32_t pair[2] = {static_cast<std::int32_t>(a), static_cast<std::int32_t>(b)};
  if (!CopyOut(fds, pair, sizeof(pair))) {
    (void)files.Close(static_cast<std::uint32_t>(a));
    (void)files.Close(static_cast<std::uint32_t>(b));
    return -kEFAULT;
  }
  return 0;
}

std::int64_t AdoptHandle(Thread& thread, kernel::Handle handle, bool close_on_exec) {
  const std::uint32_t flags = kernel::GetFlags(handle).ValueOr(fs::kOpenRead | fs::kOpenWrite);
  const bool write = (flags & fs::kOpenWrite) != 0;
  std::uint32_t linux_flags = !write ? kO_RDONLY : (flags & fs::kOpenRead) ? kO_RDWR : kO_WRONLY;
  linux_flags |= flags & fs::kOpenNonBlocking ? kO_NONBLOCK : 0;
  linux_flags |= flags & fs::kOpenAppend ? kO_APPEND : 0;
  const fs::FileKind kind = kernel::Kind(handle).ValueOr(fs::FileKind::kUnknown);
  KernelFile* file = KernelFile::Create(handle, linux_flags);
  if (!file) {
    return -kENOMEM;
  }
  file->SetKind(kind);
  return thread.task->files->Add(file, close_on_exec);
}

void StartDirectory::Set(Thread& thread, std::int32_t directory, const char* path) {
  if (path[0] == '/') {
    return;
  }
  if (directory == kAtFdCwd) {
    FsContext* fs = thread.task->fs;
    if (fs->directory) {
      fs->directory->Retain();
      reference_ = DescriptionRef(fs->directory.get());
    }
  } else {
    reference_ = Descriptor(thread, static_cast<std::uint32_t>(directory));
    if (!reference_) {
      error_ = -kEBADF;
      return;
    }
    if (!reference_.file()) {
      error_ = -kENOTDIR;
      return;
    }
  }
  if (KernelFile* file = reference_.file()) {
    handle_ = file->handle();
  }
}

void StartDirectory::Set(DescriptionRef description) {
  reference_ = static_cast<DescriptionRef&&>(description);
  handle_ = reference_.file() ? reference_.file()->handle() : kernel::kNoHandle;
}

PathArgument::PathArgument(Thread& thread, std::int32_t directory, std::uint64_t address,
                           bool may_be_empty)
    : text_(address) {
  error_ = text_.error();
  if (error_ == 0 && text_.empty() && !may_be_empty) {
    error_ = -kENOENT;
  }
  if (error_ != 0) {
    return;
  }
  FindDescriptor(thread, directory);
  if (error_ == 0 && descriptor_.form == DescriptorPath::Form::kNone && !start_.description()) {
    start_.Set(thread, directory, text_.text());
    error_ = start_.error();
  }
}

void PathArgument::FindDescriptor(Thread& thread, std::int32_t directory) {
  const std::int32_t self = thread.task->pid;
  const char* text = text_.text();
  if (text[0] == '/') {
    descriptor_ = ParseDescriptorPath(text, text_.size(), self);
  } else if (directory != kAtFdCwd) {
    const DescriptorFolder* folder =
        AsDescriptorFolder(thread.task->files->Peek(static_cast<std::uint32_t>(directory)));
    if (folder && !text_.empty()) {
      descriptor_ = ParseDescriptorEntry(text, text_.size(), folder->pid());
    }
  }
  const bool own = descriptor_.pid == self;
  if (descriptor_.form == DescriptorPath::Form::kFolder && !own) {
    descriptor_ = {};  // of others no list is to be had
  }
  if (descriptor_.form != DescriptorPath::Form::kEntry || !own) {
    return;
  }
  DescriptionRef description = Descriptor(thread, descriptor_.fd);
  if (!description) {
    error_ = -kENOENT;
  } else if (descriptor_.goes_on) {
    const bool nothing = descriptor_.rest == text_.size();
    skipped_ = nothing ? descriptor_.rest - 1 : descriptor_.rest;
    if (nothing) {
      text_.text()[skipped_] = '.';  // it must be a directory
    }
    descriptor_ = {};
    error_ = description.file() ? 0 : -kENOTDIR;
    start_.Set(static_cast<DescriptionRef&&>(description));
  }
}

std::uint32_t PathArgument::Follow(Thread& thread, std::uint32_t walk) {
  if (descriptor_.form != DescriptorPath::Form::kEntry || descriptor_.pid != thread.task->pid ||
      (walk & fs::kWalkNoFollow) != 0) {
    return walk;
  }
  start_.Set(Descriptor(thread, descriptor_.fd));
  skipped_ = text_.size();
  followed_ = true;
  return walk | fs::kWalkEmptyPath;
}

}  // namespace k42::personality
