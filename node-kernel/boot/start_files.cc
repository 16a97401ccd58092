#include "boot/start_files.h"

#include <algorithm>
#include <new>
#include <string_view>

#include "base/assert.h"
#include "boot/start_memory.h"
#include "boot/start_processes.h"
#include "boot/start_served.h"
#include "boot/start_terminals.h"
#include "drivers/virtio_9p.h"
#include "fs/cached_data.h"
#include "fs/caller.h"
#include "fs/device_nodes.h"
#include "fs/memory_fs.h"
#include "fs/name_space.dispatch.h"
#include "fs/name_space.h"
#include "fs/ninep_fs.h"
#include "fs/process_fs.h"
#include "fs/socket_names.h"
#include "fs/system_fs.h"
#include "fs/terminal_nodes.h"
#include "io/io_factory.dispatch.h"
#include "io/io_factory.h"
#include "machine/boot_info.h"
#include "machine/log.h"
#include "proc/process.h"

namespace k42::boot {
namespace {

using machine::Log;

// Device numbers of the mounts, as stat shows them.
constexpr std::uint64_t kRootDevice = 0x20, kDevDevice = 0x21, kShmDevice = 0x22,
                        kProcDevice = 0x23, kSysDevice = 0x24, kHostsDevice = 0x25,
                        kHostnameDevice = 0x26, kPairDevice = 0x27, kFirstRemoteDevice = 0x30;
constexpr std::uint32_t kNetwork = 10u << 24 | 42u << 16;  // 10.42.0.0/16

// Memory for objects that are made once and stay; no static constructors run in the kernel.
template <typename T>
class Once {
 public:
  template <typename... Args>
  T& Make(Args&&... args) {
    return *::new (memory_) T(std::forward<Args>(args)...);
  }
  T& get() { return *std::launder(reinterpret_cast<T*>(memory_)); }

 private:
  alignas(T) unsigned char memory_[sizeof(T)];
};

constinit Once<fs::NameTree> tree = {};
constinit Once<fs::CachedDataSource> data_source = {};
constinit Once<fs::SocketNames> socket_names = {};
constinit Once<io::SocketServices> sockets = {};
constinit fs::SyntheticFileSystem* devices = nullptr;
constinit fs::SyntheticFileSystem* system_files = nullptr;

struct Folder {
  std::string_view path;
  std::uint32_t mode;
};
constexpr Folder kFolders[] = {
    {"/dev", 0755},     {"/proc", 0555},      {"/sys", 0555},     {"/tmp", 01777},
    {"/run", 0755},     {"/run/lock", 01777}, {"/var", 0755},     {"/var/tmp", 01777},
    {"/var/log", 0755}, {"/var/lib", 0755},   {"/home", 0755},    {"/root", 0700},
    {"/usr", 0755},     {"/etc", 0755},       {"/cluster", 0755},
};
// Where the host's programs expect each other; unless something is mounted there.
constexpr std::string_view kMergedFolders[] = {"bin", "sbin", "lib", "lib32", "lib64"};

Status IdentityOfTask(const cobj::CallContext& caller, bool real, fs::Identity* identity) {
  const auto number = static_cast<std::uint32_t>(caller.process_id);
  return Processes().tasks.Visit(number, 0, [&](const proc::Task& task) {
    // A call may have waited for a thread to run on, and its task's number be a stranger's by now.
    if (caller.process != 0 &&
        (task.host == nullptr ||
         static_cast<const proc::Process*>(task.host)->self().bits() != caller.process)) {
      return Status::kNoProcess;
    }
    const proc::Credential& credential = task.credential;
    identity->session = identity->task_group = 0;
    identity->file_size_limit =
        task.limits[static_cast<std::uint32_t>(proc::LimitKind::kFileSize)].soft;
    identity->user = real ? credential.user : credential.file_user;
    identity->group = real ? credential.group : credential.file_group;
    identity->process = number;
    identity->group_count = std::min(credential.group_count, fs::Identity::kMaxGroups);
    for (std::uint32_t i = 0; i < identity->group_count; ++i) {
      identity->groups[i] = credential.groups[i];
    }
    return Status::kOk;
  });
}

void Check(Status status, std::string_view what) {
  if (!IsOk(status)) {
    Log("files: {}: {}", what, status);
  }
}

void MakeFolder(std::string_view path, std::uint32_t mode) {
  const auto made =
      tree.get().Make(nullptr, path, fs::FileKind::kDirectory, mode, {}, fs::Identity::Kernel());
  if (made.ok()) {
    made.value()->DropReference();
  } else if (made.status() != Status::kAlreadyExists) {
    Check(made.status(), path);
  }
}

// -- the host's exports ---------------------------------------------------------------------------

struct MountOption {
  std::string_view tag;
  std::string_view path;
  bool read_only = false;
};

// The next mount= of the command line, taken off `line`; false: there is none.
bool NextMount(std::string_view& line, MountOption* option) {
  constexpr std::string_view kKey = "mount=";
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    std::string_view word = line.substr(0, end);
    line.remove_prefix(std::min(end + 1, line.size()));
    if (word == "--") {
      return false;  // the first process's words
    }
    if (!word.starts_with(kKey)) {
      continue;
    }
    word.remove_prefix(kKey.size());
    const std::size_t colon = word.find(":/");
    if (colon == std::string_view::npos) {
      Log("files: mount={} lacks :/path", word);
      continue;
    }
    option->tag = word.substr(0, colon);
    option->path = word.substr(colon + 1);
    option->read_only = option->path.ends_with(":ro");
    if (option->read_only) {
      option->path.remove_suffix(3);
    }
    return true;
  }
  return false;
}

bool FindMount(std::string_view tag, MountOption* option) {
  std::string_view line = machine::GetBootInfo().command_line;
  while (NextMount(line, option)) {
    if (option->tag == tag) {
      return true;
    }
  }
  return false;
}

void MountRemote(drivers::Virtio9P& device, std::uint32_t which) {
  MountOption option;
  if (!FindMount(device.tag(), &option)) {
    Log("files: export {} is not mounted anywhere (mount={}:/path)", device.tag(), device.tag());
    return;
  }
  using Sharing = fs::NinePFileSystem::Sharing;
  const auto made = fs::NinePFileSystem::Make(
      device, MemoryServices(), "", option.read_only,
      option.read_only ? Sharing::kCached : Sharing::kShared, kFirstRemoteDevice + which);
  if (!made.ok()) {
    return Check(made.status(), option.tag);
  }
  boot::MakeFolders(option.path);
  const Status status = tree.get().MountAt(option.path, *made.value());
  Check(status, option.path);
  if (IsOk(status)) {
    Log("files: {} at {}{}", option.tag, option.path, option.read_only ? ", read-only" : "");
  }
}

void MountRemotes() {
  for (std::uint32_t which = 0;; ++which) {
    const auto device = drivers::Virtio9P::Open(which);
    if (device.status() == Status::kNotFound) {
      return;
    }
    if (!device.ok()) {
      Check(device.status(), "virtio-9p device");
      continue;
    }
    MountRemote(*device.value(), which);
  }
}

void LinkMergedFolders() {
  for (const std::string_view name : kMergedFolders) {
    char path[16], target[16];
    const std::size_t path_size = Format(path, "/{}", name);
    const std::size_t target_size = Format(target, "usr/{}", name);
    const auto made = tree.get().Make(nullptr, {path, path_size}, fs::FileKind::kSymbolicLink, 0777,
                                      {target, target_size}, fs::Identity::Kernel());
    if (made.ok()) {
      made.value()->DropReference();
    }
  }
}

// -- generated files ------------------------------------------------------------------------------

Status MountGenerated(std::string_view path, std::string_view type, fs::FileSystemKind kind,
                      std::uint64_t device, fs::SyntheticFileSystem** made) {
  *made = TRY(fs::SyntheticFileSystem::Make(type, kind, device, fs::FileSystem::Caching::kInUse));
  return tree.get().MountAt(path, **made);
}

// A generated file over what the host's /etc says, or in place of what is not there (a bare host
// has no /etc/hosts, and its /etc cannot be written).
Status OverlayFile(std::string_view path, fs::Generate generate, std::uint64_t device) {
  auto* over = TRY(fs::SyntheticFileSystem::Make("overlay", fs::FileSystemKind::kMemory, device,
                                                 fs::FileSystem::Caching::kInUse));
  over->SetRoot(*TRY(mem::New<fs::SyntheticFile>(*over, generate, 0, 0444, nullptr)));
  const auto there =
      tree.get().Make(nullptr, path, fs::FileKind::kRegular, 0444, {}, fs::Identity::Kernel());
  if (there.ok()) {
    there.value()->DropReference();
  }
  return tree.get().MountAt(path, *over);
}

std::uint32_t NodeNumber() {
  std::uint32_t number = 0;
  for (const char digit : machine::BootOption("node", "1")) {
    number = digit >= '0' && digit <= '9' ? number * 10 + static_cast<std::uint32_t>(digit - '0')
                                          : number;
  }
  return number;
}

void GenerateHosts(fs::TextWriter& text, std::uint64_t) {
  constexpr std::uint32_t kNodes = 64;
  text.Text("127.0.0.1\tlocalhost\n");
  for (std::uint32_t node = 1; node <= kNodes; ++node) {
    text.Print("10.42.0.{}\tn{}\n", node, node);
  }
  text.Text("10.42.255.254\tk42-host\n");
}

void GenerateHostname(fs::TextWriter& text, std::uint64_t) {
  const std::string_view name = machine::BootOption("name", "");
  if (name.empty()) {
    text.Print("n{}\n", NodeNumber());
  } else {
    text.Print("{}\n", name);
  }
}

}  // namespace

fs::NameTree& Names() {
  return tree.get();
}
void MakeFolders(std::string_view path) {
  for (std::size_t at = path.find('/', 1); at != std::string_view::npos;
       at = path.find('/', at + 1)) {
    MakeFolder(path.substr(0, at), 0755);
  }
  MakeFolder(path, 0755);
}
fs::SyntheticDirectory& SystemFiles() {
  return static_cast<fs::SyntheticDirectory&>(system_files->Root());
}
fs::SyntheticDirectory& Devices() {
  return static_cast<fs::SyntheticDirectory&>(devices->Root());
}
io::SocketServices& Sockets() {
  return sockets.get();
}

void StartFiles() {
  fs::SetIdentitySource(&IdentityOfTask);
  fs::NameTree& names = tree.Make();
  fs::CachedDataSource& source = data_source.Make(MemoryServices());
  const auto root = fs::MemoryFileSystem::Make(source, kRootDevice, 0755);
  K42_ASSERT(root.ok(), "memory for the root of all names");
  Check(names.MountAt("/", *root.value()), "/");
  for (const Folder& folder : kFolders) {
    MakeFolder(folder.path, folder.mode);
  }
  MountRemotes();
  MountServedFiles();
  LinkMergedFolders();

  Check(MountGenerated("/dev", "devtmpfs", fs::FileSystemKind::kDevices, kDevDevice, &devices),
        "/dev");
  Check(fs::AddSimpleDevices(Devices()), "/dev");
  Check(fs::AddTerminals(Devices(), Terminals()), "/dev/tty");
  const auto pairs = fs::MakePairFileSystem(Terminals(), kPairDevice);
  Check(pairs.ok() ? names.MountAt("/dev/pts", *pairs.value()) : pairs.status(), "/dev/pts");
  const auto shared = fs::MemoryFileSystem::Make(source, kShmDevice, 01777);
  Check(shared.ok() ? names.MountAt("/dev/shm", *shared.value()) : shared.status(), "/dev/shm");
  io::SocketServices& services =
      sockets.Make(kNetwork | (NodeNumber() & 0xffff), socket_names.Make(names));
  const auto processes =
      fs::MakeProcessFileSystem(names, Processes(), MemoryServices(), services, kProcDevice);
  Check(processes.ok() ? names.MountAt("/proc", *processes.value()) : processes.status(), "/proc");
  Check(MountGenerated("/sys", "sysfs", fs::FileSystemKind::kSystem, kSysDevice, &system_files),
        "/sys");
  Check(fs::FillSystemFiles(SystemFiles()), "/sys");
  Check(OverlayFile("/etc/hosts", &GenerateHosts, kHostsDevice), "/etc/hosts");
  Check(OverlayFile("/etc/hostname", &GenerateHostname, kHostnameDevice), "/etc/hostname");

  const std::string_view served = machine::BootOption("files", "all");
  const fs::FileKinds kinds{.small = served == "small" || served == "all",
                            .exclusive = served == "exclusive" || served == "all"};
  const auto space = cobj::MakeShared<fs::NameSpace>(
      names, *root.value(), kinds.small || kinds.exclusive ? &MemoryServices() : nullptr, kinds);
  const auto factory = cobj::MakeShared<io::IoFactory>(services);
  K42_ASSERT(space.ok() && factory.ok(), "memory for the objects of files");
  Processes().fixed[abi::kNameSpaceHandle] = {space.value().bits(), kAllRights,
                                              &fs::kNameSpaceInfo};
  Processes().fixed[abi::kIoHandle] = {factory.value().bits(), kAllRights, &io::kIoFactoryInfo};
}

}  // namespace k42::boot
