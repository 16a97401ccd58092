// /proc/self and /proc/N: files about one task.
#include <algorithm>
#include <cstring>

#include "fs/directory_writer.h"
#include "fs/process_fs.h"
#include "proc/process.h"

namespace k42::fs {
namespace {

constexpr std::uint64_t kFirstTaskCookie = 1 << 20;  // behind all fixed files
constexpr std::uint64_t kNumberShift = 16;           // node numbers: task << 16 | file

// -- files ----------------------------------------------------------------------------------------

void TaskName(TextWriter& text, std::uint64_t task) {
  PrintText(text, task, proc::TaskText::kName);
  text.Text("\n");
}
void TaskArguments(TextWriter& text, std::uint64_t task) {
  PrintText(text, task, proc::TaskText::kArguments);
}
void TaskEnvironment(TextWriter& text, std::uint64_t task) {
  PrintText(text, task, proc::TaskText::kEnvironment);
}
void Zero(TextWriter& text, std::uint64_t) {
  text.Text("0\n");
}
void CpuSetRoot(TextWriter& text, std::uint64_t) {
  text.Text("/\n");
}
void ControlGroup(TextWriter& text, std::uint64_t) {
  text.Text("0::/\n");
}
// Nobody counts these: there are no disks.
void Transfers(TextWriter& text, std::uint64_t) {
  text.Text(
      "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\n"
      "cancelled_write_bytes: 0\n");
}
void WaitsWhere(TextWriter& text, std::uint64_t) {
  text.Text("0");
}

struct LimitRow {
  std::string_view name;
  proc::LimitKind kind;
  std::string_view unit;
};
constexpr LimitRow kLimitRows[] = {
    {"Max cpu time", proc::LimitKind::kCpuSeconds, "seconds"},
    {"Max file size", proc::LimitKind::kFileSize, "bytes"},
    {"Max data size", proc::LimitKind::kData, "bytes"},
    {"Max stack size", proc::LimitKind::kStack, "bytes"},
    {"Max core file size", proc::LimitKind::kCore, "bytes"},
    {"Max resident set", proc::LimitKind::kResident, "bytes"},
    {"Max processes", proc::LimitKind::kTasks, "processes"},
    {"Max open files", proc::LimitKind::kHandles, "files"},
    {"Max locked memory", proc::LimitKind::kLocked, "bytes"},
    {"Max address space", proc::LimitKind::kAddressSpace, "bytes"},
    {"Max file locks", proc::LimitKind::kFileLocks, "locks"},
    {"Max pending signals", proc::LimitKind::kSignals, "signals"},
    {"Max msgqueue size", proc::LimitKind::kQueues, "bytes"},
    {"Max nice priority", proc::LimitKind::kNice, ""},
    {"Max realtime priority", proc::LimitKind::kRealtime, ""},
    {"Max realtime timeout", proc::LimitKind::kRealtimeTime, "us"},
};

void PrintLimit(TextWriter& text, std::uint64_t value) {
  if (value == ~std::uint64_t{0}) {
    text.Print("{20} ", std::string_view("unlimited"));
    return;
  }
  char digits[24];
  text.Print("{20} ", std::string_view(digits, Format(digits, "{}", value)));
}

void TaskLimits(TextWriter& text, std::uint64_t task) {
  proc::Limit limits[std::size(kLimitRows)];
  const Status status = Sources().processes->tasks.Visit(
      static_cast<std::uint32_t>(task), 0, [&](const proc::Task& found) {
        for (std::size_t i = 0; i < std::size(kLimitRows); ++i) {
          limits[i] = found.limits[static_cast<std::size_t>(kLimitRows[i].kind)];
        }
        return Status::kOk;
      });
  if (!IsOk(status)) {
    return;
  }
  text.Text("Limit                     Soft Limit           Hard Limit           Units     \n");
  for (std::size_t i = 0; i < std::size(kLimitRows); ++i) {
    text.Print("{25} ", kLimitRows[i].name);
    PrintLimit(text, limits[i].soft);
    PrintLimit(text, limits[i].hard);
    text.Print("{10}\n", kLimitRows[i].unit);
  }
}

bool TaskExists(std::uint64_t task) {
  proc::TaskInfo info;
  return InfoOf(task, &info);
}

// Names are accepted and forgotten here: a thread's name is its personality's.
Status AcceptName(std::string_view, std::uint64_t) {
  return Status::kOk;
}

// A link whose target depends on who asks, or on the task.
class TaskLink final : public SyntheticNode {
 public:
  enum class Target : std::uint8_t { kSelf, kProgram, kDirectory, kRoot, kNameSpace };
  TaskLink(SyntheticFileSystem& file_system, std::uint64_t number, Target target,
           std::uint64_t argument)
      : SyntheticNode(file_system, FileKind::kSymbolicLink, 0777, number),
        target_(target),
        argument_(argument) {}

  Result<std::size_t> ReadLink(const Identity& who, std::span<char> text) override {
    switch (target_) {
      case Target::kSelf:
        return Format(text, "{}", who.process);
      case Target::kProgram:
        return TextOfTask(argument_, proc::TaskText::kProgram, text);
      case Target::kDirectory:
        return TextOfTask(argument_, proc::TaskText::kDirectory, text);
      case Target::kRoot:
        return Format(text, "/");
      case Target::kNameSpace:
        return Format(text, "{}:[{}]", reinterpret_cast<const char*>(argument_),
                      4026531835 + (number() & 0xff));
    }
    return Status::kInvalidArgument;
  }

 private:
  void Dispose() override { mem::Delete(this); }
  const Target target_;
  const std::uint64_t argument_;
};

// What a task's directory, and those within it, contain.
struct Item {
  enum class Kind : std::uint8_t { kFile, kLink, kDirectory, kNameSpace };
  enum class Place : std::uint8_t { kTask, kNet, kNs, kTasks };
  Place place;
  const char* name;
  Kind kind;
  Generate generate = nullptr;
  std::uint32_t mode = 0444;
  TaskLink::Target target = TaskLink::Target::kRoot;
  Place inside = Place::kTask;
};
using Kind = Item::Kind;
using Place = Item::Place;
constexpr Item kItems[] = {
    {Place::kTask, "stat", Kind::kFile, &TaskStat},
    {Place::kTask, "status", Kind::kFile, &TaskStatus},
    {Place::kTask, "cmdline", Kind::kFile, &TaskArguments},
    {Place::kTask, "environ", Kind::kFile, &TaskEnvironment, 0400},
    {Place::kTask, "comm", Kind::kFile, &TaskName, 0644},
    {Place::kTask, "mounts", Kind::kFile, &GenerateMounts},
    {Place::kTask, "mountinfo", Kind::kFile, &GenerateMountInfo},
    {Place::kTask, "maps", Kind::kFile, &GenerateMaps},
    {Place::kTask, "smaps", Kind::kFile, &GenerateMapsWithSizes},
    {Place::kTask, "smaps_rollup", Kind::kFile, &GenerateSizes},
    {Place::kTask, "statm", Kind::kFile, &GenerateMemoryUse},
    {Place::kTask, "limits", Kind::kFile, &TaskLimits},
    {Place::kTask, "oom_score", Kind::kFile, &Zero},
    {Place::kTask, "wchan", Kind::kFile, &WaitsWhere},
    {Place::kTask, "io", Kind::kFile, &Transfers},
    {Place::kTask, "cgroup", Kind::kFile, &ControlGroup},
    {Place::kTask, "cpuset", Kind::kFile, &CpuSetRoot},
    {Place::kTask, "oom_score_adj", Kind::kFile, &Zero, 0644},
    {Place::kTask, "coredump_filter", Kind::kFile, &Zero, 0644},
    {Place::kTask, "loginuid", Kind::kFile, &Zero},
    {Place::kTask, "exe", Kind::kLink, nullptr, 0777, TaskLink::Target::kProgram},
    {Place::kTask, "cwd", Kind::kLink, nullptr, 0777, TaskLink::Target::kDirectory},
    {Place::kTask, "root", Kind::kLink, nullptr, 0777, TaskLink::Target::kRoot},
    {Place::kTask, "net", Kind::kDirectory, nullptr, 0555, {}, Place::kNet},
    {Place::kTask, "ns", Kind::kDirectory, nullptr, 0555, {}, Place::kNs},
    {Place::kTask, "task", Kind::kDirectory, nullptr, 0555, {}, Place::kTasks},
    {Place::kNet, "route", Kind::kFile, &GenerateRoute},
    {Place::kNet, "if_inet6", Kind::kFile, &GenerateNothing},
    {Place::kNet, "dev", Kind::kFile, &GenerateInterfaces},
    {Place::kNet, "unix", Kind::kFile, &GenerateLocalSockets},
    {Place::kNet, "tcp", Kind::kFile, &GenerateStreams},
    {Place::kNet, "udp", Kind::kFile, &GenerateDatagrams},
    {Place::kNet, "sockstat", Kind::kFile, &GenerateSocketCounts},
    {Place::kNs, "ipc", Kind::kNameSpace},
    {Place::kNs, "mnt", Kind::kNameSpace},
    {Place::kNs, "net", Kind::kNameSpace},
    {Place::kNs, "pid", Kind::kNameSpace},
    {Place::kNs, "user", Kind::kNameSpace},
    {Place::kNs, "uts", Kind::kNameSpace},
};

// Of a task or thread; 0: it is no number of one.
std::uint64_t NumberIn(std::string_view name) {
  std::uint64_t number = 0;
  for (const char digit : name) {
    if (digit < '0' || digit > '9' || number > 0xffffffff) {
      return 0;
    }
    number = number * 10 + static_cast<std::uint64_t>(digit - '0');
  }
  return number <= 0xffffffff ? number : 0;
}

bool HasThread(std::uint64_t task, std::uint64_t thread) {
  std::uint32_t next[2];  // the task itself may come first
  const std::uint32_t count = Sources().processes->tasks.List(
      static_cast<std::uint32_t>(thread) - 1, true, static_cast<std::uint32_t>(task), next);
  return thread != 0 && std::find(next, next + count, thread) != next + count;
}

class TaskDirectory final : public SyntheticDirectory {
 public:
  TaskDirectory(SyntheticFileSystem& file_system, std::uint64_t task, Place place)
      : SyntheticDirectory(file_system, task << kNumberShift | (0xff00 + static_cast<int>(place))),
        task_(task),
        place_(place) {}

  Result<Node*> Lookup(std::string_view name) override;
  Status ReadDirectory(std::uint64_t cookie, DirectoryWriter& writer) override;

 private:
  void Dispose() override { mem::Delete(this); }
  void ListThreads(std::uint64_t cookie, DirectoryWriter& writer);
  static FileKind KindOf(const Item& item) {
    return item.kind == Kind::kFile        ? FileKind::kRegular
           : item.kind == Kind::kDirectory ? FileKind::kDirectory
                                           : FileKind::kSymbolicLink;
  }
  const std::uint64_t task_;
  const Place place_;
};

Result<Node*> TaskDirectory::Lookup(std::string_view name) {
  if (place_ == Place::kTasks) {  // threads have their task's files
    if (!HasThread(task_, NumberIn(name))) {
      return Status::kNotFound;
    }
    return TRY(mem::New<TaskDirectory>(synthetic(), task_, Place::kTask));
  }
  for (const Item& item : kItems) {
    if (item.place != place_ || item.name != name) {
      continue;
    }
    const std::uint64_t number =
        task_ << kNumberShift | static_cast<std::uint64_t>(&item - kItems + 1);
    switch (item.kind) {
      case Kind::kFile:
        return TRY(mem::New<SyntheticFile>(synthetic(), item.generate, task_, item.mode,
                                           (item.mode & 0200) != 0 ? &AcceptName : nullptr, number,
                                           &TaskExists));
      case Kind::kLink:
        return TRY(mem::New<TaskLink>(synthetic(), number, item.target, task_));
      case Kind::kNameSpace:
        return TRY(mem::New<TaskLink>(synthetic(), number, TaskLink::Target::kNameSpace,
                                      reinterpret_cast<std::uint64_t>(item.name)));
      case Kind::kDirectory:
        return TRY(mem::New<TaskDirectory>(synthetic(), task_, item.inside));
    }
  }
  return Status::kNotFound;
}

// The task's own number first, then those of its other threads, whose cookies are kOwn + number.
void TaskDirectory::ListThreads(std::uint64_t cookie, DirectoryWriter& writer) {
  constexpr std::uint64_t kOwn = 3;
  const auto add = [&](std::uint64_t thread, std::uint64_t at) {
    char name[16];
    const std::size_t size = Format(name, "{}", thread);
    return writer.Add({name, size}, FileKind::kDirectory, number(), at);
  };
  if (cookie < kOwn && !add(task_, kOwn)) {
    return;
  }
  std::uint32_t numbers[32];
  auto after = static_cast<std::uint32_t>(std::max(cookie, kOwn) - kOwn);
  while (const std::uint32_t count = Sources().processes->tasks.List(
             after, true, static_cast<std::uint32_t>(task_), numbers)) {
    for (std::uint32_t i = 0; i < count; ++i) {
      if (numbers[i] == task_) {
        continue;
      }
      if (!add(numbers[i], kOwn + numbers[i])) {
        return;
      }
      after = numbers[i];
    }
    if (numbers[count - 1] == task_) {
      return;
    }
  }
}

Status TaskDirectory::ReadDirectory(std::uint64_t cookie, DirectoryWriter& writer) {
  if (place_ == Place::kTasks) {
    ListThreads(cookie, writer);
    return Status::kOk;
  }
  for (const Item& item : kItems) {
    const auto at = static_cast<std::uint64_t>(&item - kItems) + 3;
    if (item.place == place_ && at > cookie &&
        !writer.Add(item.name, KindOf(item), task_ << kNumberShift | (at - 2), at)) {
      break;
    }
  }
  return Status::kOk;
}

}  // namespace

Result<Node*> LookupTask(SyntheticFileSystem& file_system, std::string_view name) {
  if (name == "self" || name == "thread-self") {
    return TRY(mem::New<TaskLink>(file_system, 1, TaskLink::Target::kSelf, 0));
  }
  const std::uint64_t task = NumberIn(name);
  proc::TaskInfo info;
  if (task == 0 || !InfoOf(task, &info)) {
    return Status::kNotFound;
  }
  return TRY(mem::New<TaskDirectory>(file_system, task, Place::kTask));
}

Status ListTasks(std::uint64_t cookie, DirectoryWriter& writer) {
  constexpr std::uint64_t kSelfCookie = kFirstTaskCookie;
  if (cookie < kSelfCookie && !writer.Add("self", FileKind::kSymbolicLink, 1, kSelfCookie)) {
    return Status::kOk;
  }
  std::uint32_t numbers[32];
  auto after = static_cast<std::uint32_t>(std::max(cookie, kSelfCookie) - kSelfCookie);
  while (true) {
    const std::uint32_t count = Sources().processes->tasks.List(after, false, 0, numbers);
    for (std::uint32_t i = 0; i < count; ++i) {
      char name[16];
      const std::size_t size = Format(name, "{}", numbers[i]);
      const auto task = std::uint64_t{numbers[i]};
      if (!writer.Add({name, size}, FileKind::kDirectory, task << kNumberShift | 0xff00,
                      kSelfCookie + task)) {
        return Status::kOk;
      }
    }
    if (count == 0) {
      return Status::kOk;
    }
    after = numbers[count - 1];
  }
}

}  // namespace k42::fs
