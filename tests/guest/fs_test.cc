// The node's tree of names as boot has made it: memory files, devices, generated files, pipes. With
// an export tagged `share` at /share (tests/guest/fs_9p.py): the host's files by 9P.
#include <atomic>
#include <cstring>
#include <string_view>

#include "boot/start_files.h"
#include "cobj/call_context.h"
#include "fs/open_file.idl.h"
#include "guest/guest_test.h"
#include "io/fifo.h"
#include "machine/cpu.h"
#include "machine/thread.h"

namespace k42 {
namespace {

using boot::Names;
using cobj::CallContext;

const CallContext kKernel = CallContext::Kernel();

// An open file that counts as one handle until the end of the block.
class Opened {
 public:
  Opened(std::string_view path, std::uint32_t flags, std::uint32_t mode = 0644) {
    const auto file = Names().Open(kKernel, nullptr, path, flags, mode, fs::Identity::Kernel());
    status = file.status();
    Hold(file.ok() ? file.value().ref : cobj::Ref<fs::IOpenFile>());
  }
  explicit Opened(cobj::Ref<fs::IOpenFile> file) { Hold(file); }
  ~Opened() {
    if (file_) {
      (void)file_->HandleDropped();
    }
  }
  Opened(const Opened&) = delete;
  fs::IOpenFile* operator->() const { return file_.operator->(); }
  explicit operator bool() const { return static_cast<bool>(file_); }

  Status status = Status::kOk;

 private:
  void Hold(cobj::Ref<fs::IOpenFile> file) {
    file_ = file;
    if (file_) {
      (void)file_->HandleAdded();
    }
  }
  cobj::Ref<fs::IOpenFile> file_;
};

// Empty also if there is no such file.
std::string_view ReadAll(const Opened& file, std::span<char> space) {
  if (!file) {
    return {};
  }
  const auto size = file->Read(kKernel, BufferOut::Kernel(space.data(), space.size()));
  return {space.data(), size.ok() ? size.value() : 0};
}

BufferIn Bytes(std::string_view text) {
  return BufferIn::Kernel(text.data(), text.size());
}

GUEST_TEST(fs_memory_file) {
  char space[64];
  {
    const Opened file("/tmp/greeting", fs::kOpenWrite | fs::kOpenCreate);
    REQUIRE(file);
    EXPECT_EQ(file->Write(kKernel, Bytes("hello, ")).ValueOr(0), std::uint64_t{7});
    EXPECT_EQ(file->Write(kKernel, Bytes("node")).ValueOr(0), std::uint64_t{4});
  }
  const Opened file("/tmp/greeting", fs::kOpenRead);
  REQUIRE(file);
  EXPECT(ReadAll(file, space) == "hello, node");
  EXPECT(IsOk(Names().Remove(nullptr, "/tmp/greeting", false, fs::Identity::Kernel())));
  EXPECT_EQ(Opened("/tmp/greeting", fs::kOpenRead).status, Status::kNotFound);
  fs::FileAttributes attributes;
  EXPECT(IsOk(file->GetAttributes(attributes)));  // open files outlive their names
  EXPECT_EQ(attributes.links, 0u);
  EXPECT_EQ(attributes.size, std::uint64_t{11});
}

GUEST_TEST(fs_devices_and_generated_files) {
  char space[4096];
  const Opened zero("/dev/zero", fs::kOpenRead);
  REQUIRE(zero);
  std::memset(space, 1, 16);
  EXPECT_EQ(zero->Read(kKernel, BufferOut::Kernel(space, 16)).ValueOr(0), std::uint64_t{16});
  EXPECT_EQ(static_cast<int>(space[0]), 0);
  EXPECT_EQ(Opened("/dev/tty", fs::kOpenRead).status == Status::kOk, false);  // no session here
  EXPECT(ReadAll(Opened("/proc/meminfo", fs::kOpenRead), space).starts_with("MemTotal:"));
  EXPECT(ReadAll(Opened("/proc/net/../sys/kernel/ostype", fs::kOpenRead), space).empty());
  EXPECT(ReadAll(Opened("/proc/sys/kernel/ostype", fs::kOpenRead), space) == "Linux\n");
  EXPECT(ReadAll(Opened("/proc/mounts", fs::kOpenRead), space).empty());  // the kernel is no task
  EXPECT(ReadAll(Opened("/etc/hosts", fs::kOpenRead), space).find("10.42.0.2\tn2\n") !=
         std::string_view::npos);
  EXPECT(ReadAll(Opened("/sys/class/net/fab0/operstate", fs::kOpenRead), space) == "up\n");
}

GUEST_TEST(fs_pipe) {
  cobj::Granted<fs::IOpenFile> reader, writer;
  REQUIRE(IsOk(io::Fifo::MakePipe(fs::Identity::Kernel(), 0, &reader, &writer)));
  char space[32];
  const Opened in(reader.ref);
  {
    const Opened out(writer.ref);
    EXPECT_EQ(in->Read(kKernel, BufferOut::Kernel(space, 8)).status(), Status::kWouldBlock);
    EXPECT_EQ(out->Write(kKernel, Bytes("through")).ValueOr(0), std::uint64_t{7});
    EXPECT(ReadAll(in, space) == "through");
  }
  EXPECT_EQ(in->Read(kKernel, BufferOut::Kernel(space, 8)).ValueOr(1), std::uint64_t{0});
}

// -- the host's files: only where run with the export
// ----------------------------------------------

bool HasShare() {
  return Opened("/share/small", fs::kOpenRead).status == Status::kOk;
}

GUEST_TEST(fs_9p_reads) {
  if (!HasShare())
    SKIP("no share of the host");
  static char space[8192];
  EXPECT(ReadAll(Opened("/share/small", fs::kOpenRead), space) == "from the host\n");
  EXPECT(ReadAll(Opened("/share/link", fs::kOpenRead), space) == "from the host\n");
  EXPECT_EQ(Opened("/share/missing", fs::kOpenRead).status, Status::kNotFound);
  const Opened large("/share/large", fs::kOpenRead);
  REQUIRE(large);
  std::uint64_t sum = 0, size = 0;
  for (std::string_view part = ReadAll(large, space); !part.empty(); part = ReadAll(large, space)) {
    for (const char c : part) {
      EXPECT_EQ(static_cast<unsigned char>(c), static_cast<unsigned char>(size % 251));
      ++size;
      sum += static_cast<unsigned char>(c);
    }
  }
  fs::FileAttributes attributes;
  REQUIRE(IsOk(large->GetAttributes(attributes)));
  EXPECT_EQ(size, attributes.size);
  EXPECT(sum != 0);
  const Opened folder("/share/folder", fs::kOpenRead | fs::kOpenDirectory);
  REQUIRE(folder);
  std::size_t names = 0;
  while (true) {
    const auto bytes = folder->ReadDirectory(kKernel, BufferOut::Kernel(space, sizeof(space)));
    REQUIRE(bytes.ok());
    if (bytes.value() == 0) {
      break;
    }
    for (std::uint64_t at = 0; at < bytes.value();) {
      std::uint16_t record_size;
      std::memcpy(&record_size, space + at + 16, sizeof(record_size));
      at += record_size;
      ++names;
    }
  }
  EXPECT_EQ(names, std::size_t{302});  // 300 files, "." and ".."
}

GUEST_TEST(fs_9p_writes) {
  if (!HasShare() || Names().mount_count() == 0)
    SKIP("no share of the host");
  char space[64];
  {
    const Opened file("/share/made", fs::kOpenRead | fs::kOpenWrite | fs::kOpenCreate, 0600);
    if (file.status == Status::kReadOnly)
      SKIP("the share is read-only");
    REQUIRE(file);
    EXPECT_EQ(file->Write(kKernel, Bytes("to the host")).ValueOr(0), std::uint64_t{11});
    EXPECT_EQ(file->Seek(3, fs::SeekFrom::kStart).ValueOr(0), std::uint64_t{3});
    EXPECT(ReadAll(file, space) == "the host");
    EXPECT(IsOk(file->Sync(false)));
  }
  EXPECT(IsOk(Names().Rename(nullptr, "/share/made", nullptr, "/share/renamed", 0,
                             fs::Identity::Kernel())));
  EXPECT(ReadAll(Opened("/share/renamed", fs::kOpenRead), space) == "to the host");
  EXPECT_EQ(Opened("/share/made", fs::kOpenRead).status, Status::kNotFound);
}

// Runs work(0) and work(1) in threads of the first and the last CPU, and waits for both.
void RunTwo(void (*work)(std::uint32_t)) {
  struct Half {
    void (*work)(std::uint32_t);
    std::uint32_t number;
    std::atomic<bool> over{false};
  };
  Half halves[2] = {{work, 0}, {work, 1}};
  for (Half& half : halves) {
    const auto thread = machine::Thread::Create(
        "half",
        [](void* argument) {
          auto& self = *static_cast<Half*>(argument);
          self.work(self.number);
          self.over.store(true, std::memory_order_release);
          machine::Thread::Exit();
        },
        &half, half.number == 0 ? 0 : machine::CpuCount() - 1);
    EXPECT(thread.ok());
  }
  for (const Half& half : halves) {
    while (!half.over.load(std::memory_order_acquire)) {
      machine::Thread::Yield();
    }
  }
}

// A write of more than one request is not cut in half: it was before the cut or after it. And of
// two that append, each finds the end where the other has left it.
GUEST_TEST(fs_9p_writes_beside_cuts) {
  static constexpr char kPath[] = "/share/cut";
  static constexpr std::uint64_t kSize = 256 << 10;
  static constexpr int kRounds = 20;
  static char data[kSize];
  if (!HasShare() || Names().mount_count() == 0 ||
      Opened(kPath, fs::kOpenWrite | fs::kOpenCreate).status == Status::kReadOnly)
    SKIP("no share of the host to write to");
  std::memset(data, 'x', sizeof(data));
  for (int i = 0; i < kRounds; ++i) {
    RunTwo([](std::uint32_t number) {
      const Opened file(kPath, fs::kOpenWrite);
      REQUIRE(file);
      if (number == 0) {
        EXPECT_EQ(file->Write(kKernel, Bytes({data, kSize})).ValueOr(0), kSize);
      } else {
        fs::AttributeChange change{};
        change.mask = fs::kSetSize;
        EXPECT(IsOk(file->SetAttributes(kKernel, change)));
      }
    });
    const Opened file(kPath, fs::kOpenRead);
    REQUIRE(file);
    const std::uint64_t size = file->Read(kKernel, BufferOut::Kernel(data, kSize)).ValueOr(1);
    EXPECT(size == 0 || size == kSize);
    for (std::uint64_t at = 0; at < size; at += 512) {
      EXPECT_EQ(data[at], 'x');
      data[at] = 'x';
    }
  }
  RunTwo([](std::uint32_t number) {
    const Opened file(kPath, fs::kOpenWrite | fs::kOpenAppend);
    REQUIRE(file);
    for (int i = 0; i < kRounds; ++i) {
      EXPECT_EQ(file->Write(kKernel, Bytes(number == 0 ? "0" : "1")).ValueOr(0), std::uint64_t{1});
    }
  });
  const Opened file(kPath, fs::kOpenRead);
  REQUIRE(file);
  fs::FileAttributes attributes;
  REQUIRE(IsOk(file->GetAttributes(attributes)));
  EXPECT(attributes.size == 2 * kRounds || attributes.size == kSize + 2 * kRounds);
}

}  // namespace
}  // namespace k42
