// execve: finds out what to run and collects its arguments, while failing is still possible.
#include <cstring>

#include "user/linux/call_support.h"
#include "user/linux/elf.h"
#include "user/linux/end.h"
#include "user/linux/exec_state.h"

namespace k42::personality {
namespace {

constexpr int kScriptDepth = 5;
constexpr std::uint64_t kWordMax = 128 * 1024;  // of one word, Linux's own limit

// Bytes of arguments and environment together, each word with its pointer: a quarter of the stack
// that the program may have, as on Linux, as far as the blob holds them beside the rest.
std::uint64_t RoomForWords() {
  constexpr std::uint64_t kLeast = 128 * 1024;
  constexpr std::uint64_t kMost = abi::kStartBlobMax - 64 * 1024;
  proc::Limit limit{};
  if (kernel::GetLimit(0, proc::LimitKind::kStack, &limit) != Status::kOk) {
    return kLeast;
  }
  const std::uint64_t quarter = limit.soft / 4;
  return quarter < kLeast ? kLeast : quarter < kMost ? quarter : kMost;
}

// Zero-terminated words in a growing buffer.
class WordList {
 public:
  WordList() = default;
  WordList(const WordList&) = delete;
  WordList& operator=(const WordList&) = delete;
  ~WordList() { Free(bytes_, capacity_); }

  Words words() const { return {bytes_ ? bytes_ : "", size_, count_}; }

  // From a null-terminated array of pointers in the program. A null array is an empty one. `room`:
  // what there is for this and other lists, of which it takes its part.
  std::int64_t LoadFrom(std::uint64_t array, std::uint64_t* room) {
    for (; array != 0; array += 8) {
      std::uint64_t word = 0;
      if (!ReadUser(&word, array)) {
        return -kEFAULT;
      }
      if (word == 0) {
        break;
      }
      const std::uint64_t before = size_;
      if (const std::int64_t error = AppendFrom(word)) {
        return error;
      }
      const std::uint64_t used = size_ - before + sizeof(word);
      if (used > *room) {
        return -kE2BIG;
      }
      *room -= used;
    }
    return 0;
  }

  std::int64_t Append(const char* text, std::uint64_t size) {
    if (!Reserve(size + 1)) {
      return -kENOMEM;
    }
    std::memcpy(bytes_ + size_, text, size);
    bytes_[size_ + size] = 0;
    size_ += size + 1;
    ++count_;
    return 0;
  }

  // Replaces the first word by others (a script's interpreter line).
  std::int64_t ReplaceFirst(const WordList& head) {
    const std::uint64_t first = count_ ? std::strlen(bytes_) + 1 : 0;
    const std::uint64_t rest = size_ - first;
    if (!Reserve(head.size_)) {
      return -kENOMEM;
    }
    std::memmove(bytes_ + head.size_, bytes_ + first, rest);
    std::memcpy(bytes_, head.bytes_, head.size_);
    size_ = head.size_ + rest;
    count_ = head.count_ + (count_ ? count_ - 1 : 0);
    return 0;
  }

 private:
  std::int64_t AppendFrom(std::uint64_t address) {
    for (std::uint64_t room = 256;; room = room * 4 < kWordMax ? room * 4 : kWordMax) {
      if (!Reserve(room)) {
        return -kENOMEM;
      }
      const std::int64_t length = CopyInString(bytes_ + size_, address, room);
      if (length == -kENAMETOOLONG && room < kWordMax) {
        continue;
      }
      if (length < 0) {
        return length == -kENAMETOOLONG ? -kE2BIG : length;
      }
      size_ += static_cast<std::uint64_t>(length) + 1;
      ++count_;
      return 0;
    }
  }

  bool Reserve(std::uint64_t more) {
    if (size_ + more <= capacity_) {
      return true;
    }
    std::uint64_t capacity = capacity_ ? capacity_ : 4096;
    while (capacity < size_ + more) {
      capacity *= 2;
    }
    auto* bytes = static_cast<char*>(Allocate(capacity));
    if (!bytes) {
      return false;
    }
    if (bytes_) {
      std::memcpy(bytes, bytes_, size_);
      Free(bytes_, capacity_);
    }
    bytes_ = bytes;
    capacity_ = capacity;
    return true;
  }

  char* bytes_ = nullptr;
  std::uint64_t size_ = 0, count_ = 0, capacity_ = 0;
};

struct OwnedHandle {
  kernel::Handle handle = kernel::kNoHandle;
  OwnedHandle() = default;
  OwnedHandle(const OwnedHandle&) = delete;
  OwnedHandle& operator=(const OwnedHandle&) = delete;
  ~OwnedHandle() { Reset(); }
  void Reset(kernel::Handle next = kernel::kNoHandle) {
    if (handle != kernel::kNoHandle) {
      kernel::Close(handle);
    }
    handle = next;
  }
};

// Opens a file to run it.
std::int64_t OpenProgram(const kernel::Path& path, bool may_be_itself, OwnedHandle* file) {
  const std::uint32_t flags =
      fs::kOpenRead | fs::kOpenExecute | (may_be_itself ? fs::kOpenEmptyPath : 0);
  const Result<kernel::Handle> opened = kernel::Open(path, flags, 0);
  if (!opened.ok()) {
    return opened.status() == Status::kIsDirectory ? -kEACCES : ErrnoOf(opened.status());
  }
  file->Reset(opened.value());
  const Result<fs::FileKind> kind = kernel::Kind(opened.value());
  if (!kind.ok() || kind.value() != fs::FileKind::kRegular) {
    return -kEACCES;
  }
  return 0;
}

std::int64_t Run(Thread& thread, std::int32_t directory, std::uint64_t path_address,
                 std::uint64_t argument_array, std::uint64_t environment_array,
                 std::uint32_t flags) {
  PathArgument path(thread, directory, path_address, (flags & kAT_EMPTY_PATH) != 0);
  if (path.error()) {
    return path.error();
  }
  OwnedHandle program;
  const std::uint32_t walk = path.Follow(thread, flags & kAT_EMPTY_PATH ? fs::kWalkEmptyPath : 0);
  if (const std::int64_t error =
          OpenProgram(path.get(), (walk & fs::kWalkEmptyPath) != 0, &program)) {
    return error;
  }
  WordList arguments, environment;
  std::uint64_t room = RoomForWords();
  if (const std::int64_t error = arguments.LoadFrom(argument_array, &room)) {
    return error;
  }
  if (const std::int64_t error = environment.LoadFrom(environment_array, &room)) {
    return error;
  }
  if (arguments.words().count == 0) {
    (void)arguments.Append("", 0);
  }
  Buffer head(kElfHeadSize);
  Buffer name(kPathLimit);
  if (!head || !name) {
    return -kENOMEM;
  }
  // The path as /proc/self/exe and AT_EXECFN show it: the script's interpreter, not the script.
  std::memcpy(name.data(), path.text().text(), path.text().size() + 1);

  for (int depth = 0;; ++depth) {
    const Result<std::uint64_t> size = ReadHead(program.handle, head.data(), head.size());
    if (!size.ok()) {
      return ErrnoOf(size.status());
    }
    ScriptLine line;
    const Status script = ParseScript(head.data(), size.value(), &line);
    if (script == Status::kNotFound) {
      ElfProgram elf;
      if (const Status status = ParseElf(head.data(), size.value(), &elf); status != Status::kOk) {
        return ErrnoOf(status);
      }
      OwnedHandle interpreter;
      ElfProgram loader;
      if (elf.interpreter_size != 0) {
        Buffer file_name(elf.interpreter_size);
        if (!file_name) {
          return -kENOMEM;
        }
        const Result<std::uint64_t> got =
            kernel::ReadAt(program.handle, elf.interpreter_offset,
                           reinterpret_cast<std::uint64_t>(file_name.data()), file_name.size());
        if (!got.ok() || got.value() != elf.interpreter_size ||
            file_name.data()[elf.interpreter_size - 1] != 0) {
          return -kENOEXEC;
        }
        const kernel::Path where{kernel::kNoHandle, file_name.data(),
                                 std::strlen(file_name.data())};
        if (const std::int64_t error = OpenProgram(where, false, &interpreter)) {
          return error;
        }
        const Result<std::uint64_t> loader_size =
            ReadHead(interpreter.handle, head.data(), head.size());
        if (!loader_size.ok() ||
            ParseElf(head.data(), loader_size.value(), &loader) != Status::kOk) {
          return -kENOEXEC;
        }
      }
      const ExecTarget target{program.handle,
                              interpreter.handle,
                              &elf,
                              elf.interpreter_size != 0 ? &loader : nullptr,
                              name.data(),
                              arguments.words(),
                              environment.words()};
      return PassOn(thread, target);
    }
    if (script != Status::kOk || depth == kScriptDepth) {
      return depth == kScriptDepth ? -kELOOP : -kENOEXEC;
    }
    WordList first;
    std::int64_t error = first.Append(line.interpreter, line.interpreter_size);
    if (!error && line.argument) {
      error = first.Append(line.argument, line.argument_size);
    }
    if (!error) {
      error = first.Append(name.data(), std::strlen(name.data()));
    }
    if (!error) {
      error = arguments.ReplaceFirst(first);
    }
    if (error) {
      return error;
    }
    std::memcpy(name.data(), line.interpreter, line.interpreter_size);
    name.data()[line.interpreter_size] = 0;
    const kernel::Handle start =
        name.data()[0] == '/' ? kernel::kNoHandle : thread.task->fs->directory_handle();
    error = OpenProgram({start, name.data(), line.interpreter_size}, false, &program);
    if (error) {
      return error;
    }
  }
}

// A thread whose task has moved ends here, where nothing is held any more: its stack is not
// unwound.
std::int64_t RunOrEnd(Thread& thread, std::int32_t directory, std::uint64_t path,
                      std::uint64_t arguments, std::uint64_t environment, std::uint32_t flags) {
  const std::int64_t error = Run(thread, directory, path, arguments, environment, flags);
  if (thread.task->moved) {
    EndThread(thread);
  }
  return error;
}

}  // namespace

namespace calls {

Reply Execve(Thread& thread, Address path, Address arguments, Address environment) {
  return RunOrEnd(thread, kAtFdCwd, path, arguments, environment, 0);
}
Reply ExecveAt(Thread& thread, I32 directory, Address path, Address arguments, Address environment,
               U32 flags) {
  if ((flags & ~(kAT_EMPTY_PATH | kAT_SYMLINK_NOFOLLOW)) != 0) {
    return -kEINVAL;
  }
  return RunOrEnd(thread, directory, path, arguments, environment, flags);
}

}  // namespace calls
}  // namespace k42::personality
