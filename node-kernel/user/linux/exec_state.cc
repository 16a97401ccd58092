#include "user/linux/exec_state.h"

#include <cstring>

#include "user/linux/call_support.h"
#include "user/linux/dispatchers.h"
#include "user/linux/end.h"
#include "user/linux/entry.h"
#include "user/linux/file_slots.h"
#include "user/linux/futex.h"
#include "user/linux/log.h"
#include "user/linux/process_locks.h"
#include "user/linux/shared_memory.h"
#include "user/linux/signals.h"
#include "user/linux/vector_state.h"

namespace k42::personality {
namespace {

constexpr std::uint64_t kProgramBase = 0x5555'5555'4000;  // movable programs, as on Linux

// Everything that goes into the blob, gathered before it is laid out.
class BlobWriter {
 public:
  explicit BlobWriter(std::uint64_t size) : buffer_(size) {}
  explicit operator bool() const { return static_cast<bool>(buffer_); }
  void Put(const void* bytes, std::uint64_t size) {
    std::memcpy(buffer_.data() + used_, bytes, size);
    used_ += size;
  }
  const void* data() { return buffer_.data(); }
  std::uint64_t used() const { return used_; }

 private:
  Buffer buffer_;
  std::uint64_t used_ = 0;
};

struct BlobReader {
  const char* at;
  std::uint64_t left;

  const char* Take(std::uint64_t size) {
    if (size > left) {
      Fail("linux: exec state is cut short");
    }
    const char* bytes = at;
    at += size;
    left -= size;
    return bytes;
  }
  [[noreturn]] static void Fail(const char* why) {
    LogText(why, "");
    kernel::Exit(0, proc::ExitKind::kKilled, kSIGKILL);
    __builtin_unreachable();
  }
};

std::uint64_t IgnoredSignals(SignalActions& actions) {
  SignalSet ignored;
  for (int signal = 1; signal <= kSignalCount; ++signal) {
    if (actions.For(signal).handler == kSigIgnore) {
      ignored.Add(signal);
    }
  }
  return ignored.bits();
}

// What of its kind matters to the program after exec; the others are told by what they answer.
fs::FileKind KindToKeep(const KernelFile& file) {
  return file.is_socket          ? fs::FileKind::kSocket
         : file.is_event_counter ? fs::FileKind::kEventCounter
         : file.is_file_watcher  ? fs::FileKind::kFileWatcher
         : file.is_task          ? fs::FileKind::kTask
                                 : fs::FileKind::kUnknown;
}

std::uint32_t FirstFdOf(const FdTable& files, const Description* description) {
  std::uint32_t fd = 0;
  while (files.Peek(fd) != description || files.close_on_exec(fd)) {
    ++fd;
  }
  return fd;
}

void RestoreDescriptors(FdTable& files, const ExecDescriptor* descriptors, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const ExecDescriptor& saved = descriptors[i];
    Description* description = nullptr;
    if (saved.same_as != ~0u) {
      description = files.Get(saved.same_as).Take();
    } else if (KernelFile* file = KernelFile::Create(saved.handle, saved.linux_flags)) {
      file->SetKind(static_cast<fs::FileKind>(saved.kind));
      description = file;
    }
    if (description) {
      (void)files.Put(saved.fd, description, false);
    }
  }
}

// As many as are kept.
void SetWords(proc::TaskText text, const Words& words) {
  (void)kernel::SetText(0, text, words.bytes,
                        words.size < proc::kTextMax ? words.size : proc::kTextMax);
}

// A readable command line and name, for ps and top.
void Introduce(Thread& thread, const char* path, const Words& arguments, const Words& environment) {
  const char* base = path;
  for (const char* c = path; *c; ++c) {
    if (*c == '/') {
      base = c + 1;
    }
  }
  std::size_t size = std::strlen(base);
  size = size < 15 ? size : 15;
  std::memset(thread.name, 0, sizeof(thread.name));
  std::memcpy(thread.name, base, size);
  (void)kernel::SetText(0, proc::TaskText::kName, thread.name, size);
  SetWords(proc::TaskText::kArguments, arguments);
  SetWords(proc::TaskText::kEnvironment, environment);
}

const ElfProgram* TakeHead(BlobReader& reader) {
  const auto* head =
      reinterpret_cast<const ElfProgram*>(reader.Take(offsetof(ElfProgram, segments)));
  (void)reader.Take(head->segment_count * sizeof(ElfSegment));
  return head;
}

// Its path as the file system has it, for /proc/self/exe.
void ShowProgram(kernel::Handle file, const char* path) {
  char(&kept)[sizeof(Program::path)] = CurrentProgram().path;
  // Few are longer, and a longer buffer is one more page that the process touches.
  Result<std::uint64_t> size = kernel::GetPath(file, kept, sizeof(kept) - 1);
  if (size.ok()) {
    kept[size.value()] = 0;
    (void)kernel::SetText(0, proc::TaskText::kProgram, kept, size.value());
    return;
  }
  if (Buffer whole(kPathLimit); whole) {
    size = kernel::GetPath(file, whole.data(), whole.size());
    if (size.ok()) {
      (void)kernel::SetText(0, proc::TaskText::kProgram, whole.data(), size.value());
    }
  }
  std::size_t length = std::strlen(path);
  length = length < sizeof(kept) - 1 ? length : sizeof(kept) - 1;
  std::memcpy(kept, path, length);
  kept[length] = 0;
}

struct ProgramFile {
  kernel::Handle file = kernel::kNoHandle;
  const ElfProgram* head = nullptr;
};

// Maps the program and makes the thread ready to start it. `loader`: of a dynamic program.
[[noreturn]] void Load(Thread& thread, const ProgramFile& main, const ProgramFile& loader,
                       const char* path, const Words& arguments, const Words& environment) {
  const ElfProgram& elf = *main.head;
  StackContents contents{};
  proc::Limit limit{};
  std::uint64_t stack_size = kProgramStackDefault;
  if (kernel::GetLimit(0, proc::LimitKind::kStack, &limit) == Status::kOk &&
      limit.soft > stack_size) {
    stack_size =
        limit.soft < kProgramStackMost ? limit.soft & ~std::uint64_t{4095} : kProgramStackMost;
  }
  Status mapped = MapStack(stack_size, elf.executable_stack);
  if (mapped != Status::kOk && stack_size > kProgramStackDefault) {  // a limit of address space
    mapped = MapStack(kProgramStackDefault, elf.executable_stack);
  }
  if (mapped != Status::kOk) {
    BlobReader::Fail("linux: no memory for the program's stack");
  }
  if (LoadElf(main.file, elf, elf.fixed ? 0 : kProgramBase, &contents.program) != Status::kOk) {
    BlobReader::Fail("linux: the program cannot be loaded");
  }
  std::uint64_t entry = contents.program.entry;
  if (loader.file != kernel::kNoHandle) {
    if (LoadElf(loader.file, *loader.head, 0, &contents.interpreter) != Status::kOk) {
      BlobReader::Fail("linux: the program's interpreter cannot be loaded");
    }
    entry = contents.interpreter.entry;
  }
  ShowProgram(main.file, path);
  kernel::Close(main.file);
  if (loader.file != kernel::kNoHandle) {
    kernel::Close(loader.file);
  }

  Program& program = CurrentProgram();
  program.break_start = program.break_end = program.break_mapped = contents.program.end;

  contents.arguments = arguments;
  contents.environment = environment;
  contents.program_path = path;
  const abi::DispatcherPage& page = *kernel::FirstPage();  // where the kernel keeps them
  contents.user = page.user.load(std::memory_order_relaxed);
  contents.effective_user = page.effective_user.load(std::memory_order_relaxed);
  contents.group = page.group.load(std::memory_order_relaxed);
  contents.effective_group = page.effective_group.load(std::memory_order_relaxed);
  const Result<std::uint64_t> pointer = BuildStack(contents);
  if (!pointer.ok()) {
    BlobReader::Fail("linux: the program's stack cannot be filled");
  }
  Introduce(thread, path, arguments, environment);
  thread.regs = {};
  thread.regs.rip = entry;
  thread.regs.rsp = pointer.value();
  thread.regs.rflags = 0x202;
  thread.fast_leave = 0;
  InitialVectorState(&thread);
  Here().fs_owner = nullptr;
  ReturnToProgram(&thread);
}

}  // namespace

std::int64_t PassOn(Thread& thread, const ExecTarget& target) {
  Task& task = *thread.task;
  EndOtherThreads(thread);
  LeaveRobustFutexes(thread);
  FdTable& files = *task.files;
  std::uint32_t count = 0;
  for (std::uint32_t fd = 0; fd < files.size(); ++fd) {
    const Description* description = files.Peek(fd);
    count +=
        description && !files.close_on_exec(fd) && description->kind() == Description::Kind::kFile;
  }
  ExecHeader header{};
  header.magic = kExecMagic;
  header.descriptor_count = count;
  header.umask = task.fs->umask;
  header.fd_limit = files.limit;
  header.signal_mask = thread.signals.mask.bits();
  header.signals_ignored = IgnoredSignals(*task.actions);
  header.signals_pending = (task.pending.set() | thread.signals.pending.set()).bits();
  for (std::uint32_t i = 0; i < kIntervalTimers; ++i) {
    const auto [left, interval] = IntervalTimerOf(task, i);
    header.timers[i] = {left, interval};
  }
  header.cpu_limit = task.cpu_limit;
  header.affinity = thread.affinity;
  header.policy = thread.policy;
  header.directory = task.fs->directory_handle();
  header.program = target.program;
  header.interpreter = target.interpreter;
  header.no_new_privileges = task.no_new_privileges;
  header.process_locks = task.main && HasProcessLocks();
  header.child_options = HasChildOptions(task);
  header.path_size = std::strlen(target.path) + 1;
  header.argument_size = target.arguments.size;
  header.argument_count = target.arguments.count;
  header.environment_size = target.environment.size;
  header.environment_count = target.environment.count;

  const std::uint64_t head_sizes =
      target.program_head->used_size() +
      (target.interpreter_head ? target.interpreter_head->used_size() : 0);
  BlobWriter blob(sizeof(header) + head_sizes + count * sizeof(ExecDescriptor) + header.path_size +
                  header.argument_size + header.environment_size);
  Buffer handle_list((count + 3) * sizeof(kernel::Handle));
  if (!blob || !handle_list) {
    return -kENOMEM;
  }
  auto* handles = handle_list.As<kernel::Handle>();
  std::size_t handle_count = 0;
  handles[handle_count++] = target.program;
  if (target.interpreter != kernel::kNoHandle) {
    handles[handle_count++] = target.interpreter;
  }
  if (header.directory != kernel::kNoHandle) {
    handles[handle_count++] = header.directory;
  }
  blob.Put(&header, sizeof(header));
  blob.Put(target.program_head, target.program_head->used_size());
  if (target.interpreter_head) {
    blob.Put(target.interpreter_head, target.interpreter_head->used_size());
  }
  for (std::uint32_t fd = 0; fd < files.size(); ++fd) {
    Description* description = files.Peek(fd);
    if (!description || files.close_on_exec(fd) ||
        description->kind() != Description::Kind::kFile) {
      continue;
    }
    auto* file = static_cast<KernelFile*>(description);
    NoteShared(*file);  // a vfork child's
    ExecDescriptor saved{fd, file->handle(), file->linux_flags(), 0, ~0u};
    saved.kind = static_cast<std::uint32_t>(KindToKeep(*file));
    const std::uint32_t first = FirstFdOf(files, description);
    if (first != fd) {
      saved.same_as = first;
    } else if (file->handle() != header.directory) {
      handles[handle_count++] = file->handle();
    }
    blob.Put(&saved, sizeof(saved));
  }
  blob.Put(target.path, header.path_size);
  blob.Put(target.arguments.bytes, header.argument_size);
  blob.Put(target.environment.bytes, header.environment_size);

  if (task.main) {
    DetachSharedMemory();
    const bool stopped = Dispatchers::StopOthers();
    for (std::uint32_t fd = 0; HasProcessLocks() && fd < files.size(); ++fd) {
      if (files.close_on_exec(fd)) {
        DropLocksWith(task, fd);
      }
    }
    Status status = Status::kBusy;
    while ((status = kernel::Replace(blob.data(), blob.used(), handles, handle_count)) ==
           Status::kBusy) {  // one has said that it parks, and is about to
      (void)Dispatcher::Block(kernel::MonotonicNs() + 100'000, false);
    }
    if (stopped) {  // as on Linux, where an exec that has ended other threads cannot fail any more
      kernel::Exit(static_cast<std::uint32_t>(task.pid), proc::ExitKind::kKilled, kSIGKILL);
    }
    return ErrnoOf(status);
  }
  // A task that shares its parent's memory gets a process of its own; its thread here is over, once
  // the caller has given back what it holds.
  const Result<std::uint32_t> spawned = kernel::Spawn(
      static_cast<std::uint32_t>(task.pid), 0, blob.data(), blob.used(), handles, handle_count);
  if (!spawned.ok()) {
    return ErrnoOf(spawned.status());
  }
  task.moved = true;
  return 0;
}

void StartFromBlob(Thread& thread, const void* blob, std::uint64_t size) {
  BlobReader reader{static_cast<const char*>(blob), size};
  const auto* header = reinterpret_cast<const ExecHeader*>(reader.Take(sizeof(ExecHeader)));
  if (header->magic != kExecMagic) {
    BlobReader::Fail("linux: unknown start state");
  }
  const ProgramFile program{header->program, TakeHead(reader)};
  const ProgramFile loader{header->interpreter,
                           header->interpreter != kernel::kNoHandle ? TakeHead(reader) : nullptr};
  Task& task = *thread.task;
  const auto* descriptors = reinterpret_cast<const ExecDescriptor*>(
      reader.Take(header->descriptor_count * sizeof(ExecDescriptor)));
  if (header->directory != kernel::kNoHandle) {
    // The working directory may also be open as a descriptor: each has its own handle.
    kernel::Handle own = header->directory;
    for (std::uint32_t i = 0; i < header->descriptor_count; ++i) {
      if (descriptors[i].handle == own && descriptors[i].same_as == ~0u) {
        own = kernel::Duplicate(own).ValueOr(own);
        break;
      }
    }
    task.fs->directory = DescriptionRef(KernelFile::Create(own, kO_PATH));
  }
  task.files->limit = ~0u;  // what is open stays open, whatever the limit has become
  RestoreDescriptors(*task.files, descriptors, header->descriptor_count);
  task.files->limit = header->fd_limit;
  task.fs->umask = header->umask;
  task.no_new_privileges = header->no_new_privileges != 0;
  SetProcessLocks(header->process_locks != 0);
  thread.signals.mask = SignalSet(header->signal_mask);
  thread.affinity = header->affinity;
  thread.policy = header->policy;
  thread.must_move = !Here().Allows(thread);
  const SignalSet ignored(header->signals_ignored);
  for (int signal = 1; signal <= kSignalCount; ++signal) {
    if (ignored.Has(signal)) {
      task.actions->For(signal).handler = kSigIgnore;
    }
    if (SignalSet(header->signals_pending).Has(signal)) {
      LinuxSigInfo info{};
      info.signo = signal;
      (void)task.pending.Post(info);
    }
  }
  if (header->child_options != 0) {
    SetChildOptions(task);
  }
  for (std::uint32_t i = 0; i < kIntervalTimers; ++i) {
    if (header->timers[i].left_ns != 0) {
      (void)SetIntervalTimer(task, i, header->timers[i].left_ns, header->timers[i].interval_ns);
    }
  }
  LimitCpu(task, header->cpu_limit);
  const char* path = reader.Take(header->path_size);
  const Words arguments{reader.Take(header->argument_size), header->argument_size,
                        header->argument_count};
  const Words environment{reader.Take(header->environment_size), header->environment_size,
                          header->environment_count};
  Load(thread, program, loader, path, arguments, environment);
}

namespace {

// What a login on Linux starts with; all else is unlimited.
void SetFirstLimits(FdTable& files) {
  constexpr std::uint64_t kNone = ~std::uint64_t{0};
  struct First {
    proc::LimitKind kind;
    proc::Limit limit;
  };
  constexpr First kFirst[] = {
      {proc::LimitKind::kStack, {8 << 20, kNone}},  {proc::LimitKind::kCore, {0, kNone}},
      {proc::LimitKind::kHandles, {1024, 1 << 20}}, {proc::LimitKind::kLocked, {8 << 20, 8 << 20}},
      {proc::LimitKind::kTasks, {32000, 32000}},    {proc::LimitKind::kSignals, {32000, 32000}},
      {proc::LimitKind::kQueues, {819200, 819200}}, {proc::LimitKind::kNice, {0, 0}},
      {proc::LimitKind::kRealtime, {0, 0}}};
  for (const First& first : kFirst) {
    (void)kernel::SetLimit(0, first.kind, first.limit);
  }
  files.limit = 1024;
}

}  // namespace

void StartFirst(Thread& thread, const char* words, std::uint64_t size,
                const kernel::Handle* handles, std::uint64_t count) {
  static constexpr char kEnvironment[] =
      "HOME=/root\0TERM=linux\0PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  FdTable& files = *thread.task->files;
  SetFirstLimits(files);
  for (std::uint32_t fd = 0; fd < 3 && count > 0; ++fd) {
    if (fd < count) {
      if (KernelFile* file = KernelFile::Create(handles[fd], kO_RDWR | kO_LARGEFILE)) {
        (void)files.Put(fd, file, false);
      }
    } else {
      (void)files.Put(fd, files.Get(0).Take(), false);
    }
  }
  std::uint64_t word_count = 0;
  for (std::uint64_t i = 0; i < size; ++i) {
    word_count += words[i] == 0;
  }
  if (size == 0 || words[size - 1] != 0) {
    BlobReader::Fail("linux: no program to start");
  }
  const Result<kernel::Handle> program = kernel::Open(
      {kernel::kNoHandle, words, std::strlen(words)}, fs::kOpenRead | fs::kOpenExecute, 0);
  if (!program.ok()) {
    LogText("linux: cannot open ", words);
    BlobReader::Fail("linux: the first program is missing");
  }
  Buffer head(kElfHeadSize);
  ElfProgram elf, loader_elf;
  const auto parse = [&head](kernel::Handle file, ElfProgram* parsed) {
    const Result<std::uint64_t> got = ReadHead(file, head.data(), head.size());
    if (!got.ok() || ParseElf(head.data(), got.value(), parsed) != Status::kOk) {
      BlobReader::Fail("linux: the first program, or its interpreter, is no ELF program");
    }
  };
  parse(program.value(), &elf);
  kernel::Handle loader = kernel::kNoHandle;
  if (elf.interpreter_size != 0 && elf.interpreter_size <= 256) {
    char name[256] = {};
    (void)kernel::ReadAt(program.value(), elf.interpreter_offset,
                         reinterpret_cast<std::uint64_t>(name), elf.interpreter_size);
    name[255] = 0;
    loader = kernel::Open({kernel::kNoHandle, name, std::strlen(name)},
                          fs::kOpenRead | fs::kOpenExecute, 0)
                 .ValueOr(kernel::kNoHandle);
  }
  if (loader != kernel::kNoHandle) {
    parse(loader, &loader_elf);
  }
  const Words environment{kEnvironment, sizeof(kEnvironment), 3};
  Load(thread, {program.value(), &elf}, {loader, &loader_elf}, words, {words, size, word_count},
       environment);
}

}  // namespace k42::personality
