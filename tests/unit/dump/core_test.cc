// Page tables made up in a memory file: what is walked, and what stands in the core.
#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/procfs.h>
#include <sys/stat.h>
#include <sys/user.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <map>

#include "cluster-services/dump/core_file.h"
#include "cluster-services/dump/kernel_map.h"

namespace k42::dump {
namespace {

constexpr std::uint64_t kPage = 4096, kMiB = 1 << 20;
constexpr std::uint64_t kPresent = 1, kWritable = 2, kLarge = 0x80, kNoExecute = 1ull << 63;

// 8 MiB at 0, but for a hole at [0xa0000, 0x100000), and 1 MiB at 16 MiB.
class Ram {
 public:
  Ram() : low_(memfd_create("low", 0)), high_(memfd_create("high", 0)) {
    EXPECT_EQ(ftruncate(low_, 8 * kMiB), 0);
    EXPECT_EQ(ftruncate(high_, kMiB), 0);
    memory_.Add(0, 0xa0000, interconnect::UniqueFd(dup(low_)), 0);
    memory_.Add(kMiB, 7 * kMiB, interconnect::UniqueFd(dup(low_)), kMiB);
    memory_.Add(16 * kMiB, kMiB, interconnect::UniqueFd(dup(high_)), 0);
  }
  ~Ram() {
    close(low_);
    close(high_);
  }
  Ram(const Ram&) = delete;
  Ram& operator=(const Ram&) = delete;

  const interconnect::GuestMemory& memory() const { return memory_; }
  void Write(std::uint64_t at, const void* from, std::size_t size) {
    const bool high = at >= 16 * kMiB;
    EXPECT_EQ(pwrite(high ? high_ : low_, from, size, static_cast<off_t>(at % (16 * kMiB))),
              static_cast<ssize_t>(size));
  }
  void Entry(std::uint64_t table, unsigned index, std::uint64_t entry) {
    Write(table + 8 * index, &entry, sizeof entry);
  }
  // Maps one page, with tables made on the way.
  void Map(std::uint64_t address, std::uint64_t entry) {
    std::uint64_t table = kRoot;
    for (unsigned level = 4; level > 1; --level) {
      const unsigned shift = 12 + 9 * (level - 1);
      std::uint64_t& next = tables_[{level, address >> shift}];
      if (next == 0) {
        next = next_ += kPage;
        Entry(table, (address >> shift) & 511, next | kPresent | kWritable);
      }
      table = next;
    }
    Entry(table, (address >> 12) & 511, entry);
  }

  static constexpr std::uint64_t kRoot = 2 * kMiB;

 private:
  int low_, high_;
  interconnect::GuestMemory memory_;
  std::map<std::pair<unsigned, std::uint64_t>, std::uint64_t> tables_;
  std::uint64_t next_ = kRoot;
};

constexpr std::uint64_t kArea = 0xffff'c000'0000'0000, kImage = 0xffff'ffff'8000'0000;

TEST(KernelMap, NeighboursWithEqualRightsAreOnePiece) {
  Ram ram;
  ram.Map(kArea, 0x10'1000 | kPresent | kWritable | kNoExecute);
  ram.Map(kArea + kPage, 0x10'2000 | kPresent | kWritable | kNoExecute);
  ram.Map(kArea + 2 * kPage, 0x10'3000 | kPresent | kNoExecute);          // read-only
  ram.Map(kArea + 3 * kPage, 0x10'5000 | kPresent | kNoExecute);          // elsewhere
  ram.Map(kArea + 4 * kPage, 0xfee0'0000 | kPresent | kWritable);         // a device
  ram.Map(kArea + 5 * kPage, 0x10'6000 | kWritable);                      // not present
  ram.Map(kImage + 2 * kMiB, 0x20'0000 | kPresent);                       // code
  ram.Map(0x40'0000, 0x10'7000 | kPresent | kWritable);                   // a program's
  const auto mappings = WalkKernelHalf(ram.memory(), Ram::kRoot | 0x18);  // and cache bits
  ASSERT_TRUE(mappings.ok()) << mappings.detail();
  const std::vector<Mapping> expected = {
      {kArea, 0x10'1000, 2 * kPage, true, false},
      {kArea + 2 * kPage, 0x10'3000, kPage, false, false},
      {kArea + 3 * kPage, 0x10'5000, kPage, false, false},
      {kImage + 2 * kMiB, 0x20'0000, kPage, false, true},
  };
  EXPECT_EQ(mappings.value(), expected);
}

TEST(KernelMap, ALargePageIsCutAtWhatIsNoRam) {
  Ram ram;
  constexpr std::uint64_t kDirect = 0xffff'8000'0000'0000, kLevel3 = 3 * kMiB;
  constexpr std::uint64_t kLevel2 = kLevel3 + kPage;
  ram.Entry(Ram::kRoot, 256, kLevel3 | kPresent | kWritable);
  ram.Entry(kLevel3, 0, kLevel2 | kPresent | kWritable);
  ram.Entry(kLevel3, 1, 0x4000'0000 | kPresent | kLarge);  // 1 GiB of nothing
  for (unsigned i = 0; i < 9; ++i)
    ram.Entry(kLevel2, i, i * 2 * kMiB | kPresent | kWritable | kLarge | kNoExecute);
  const auto mappings = WalkKernelHalf(ram.memory(), Ram::kRoot);
  ASSERT_TRUE(mappings.ok()) << mappings.detail();
  const std::vector<Mapping> expected = {
      {kDirect, 0, 0xa0000, true, false},
      {kDirect + kMiB, kMiB, 7 * kMiB, true, false},
      {kDirect + 16 * kMiB, 16 * kMiB, kMiB, true, false},
  };
  EXPECT_EQ(mappings.value(), expected);
}

TEST(KernelMap, TablesThatMakeNoSenseEnd) {
  Ram ram;
  ram.Entry(Ram::kRoot, 300, 0x7fff'f000 | kPresent);  // a table where nothing is
  EXPECT_EQ(WalkKernelHalf(ram.memory(), Ram::kRoot).status(), Status::kCorrupt);
  Ram circle;
  for (unsigned i = 256; i < 512; ++i) circle.Entry(Ram::kRoot, i, Ram::kRoot | kPresent);
  EXPECT_EQ(WalkKernelHalf(circle.memory(), Ram::kRoot).status(), Status::kCorrupt);
  Ram empty;
  EXPECT_EQ(WalkKernelHalf(empty.memory(), Ram::kRoot).status(), Status::kNotFound);
  EXPECT_EQ(WalkKernelHalf(empty.memory(), 0x7fff'f000).status(), Status::kCorrupt);
}

class Core {
 public:
  Core() : fd_(memfd_create("core", 0)) {}
  ~Core() { close(fd_); }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;

  int fd() const { return fd_; }
  template <typename T>
  T At(std::uint64_t offset) const {
    T object{};
    EXPECT_EQ(pread(fd_, &object, sizeof object, static_cast<off_t>(offset)),
              static_cast<ssize_t>(sizeof object));
    return object;
  }
  std::vector<Elf64_Phdr> Headers(std::uint32_t type) const {
    const auto elf = At<Elf64_Ehdr>(0);
    std::vector<Elf64_Phdr> found;
    for (unsigned i = 0; i < elf.e_phnum; ++i) {
      const auto header = At<Elf64_Phdr>(elf.e_phoff + i * sizeof(Elf64_Phdr));
      if (header.p_type == type)
        found.push_back(header);
    }
    return found;
  }

 private:
  int fd_;
};

TEST(CoreFile, ShowsMemoryAtItsAddressesAndOnce) {
  Ram ram;
  const std::vector<Mapping> mappings = {
      {kArea, 0x10'1000, 2 * kPage, true, false},
      {kArea + kMiB, 0x10'2000, kPage, false, false},  // the same page again
      {kImage, 16 * kMiB, kMiB, false, true},
  };
  ram.Write(0x10'2008, "hello", 6);
  ram.Write(17 * kMiB - 6, "world", 6);
  Core core;
  const auto size = WriteCore(core.fd(), {}, mappings, ram.memory());
  ASSERT_TRUE(size.ok()) << size.detail();
  EXPECT_EQ(size->memory, 0xa0000 + 8 * kMiB);
  EXPECT_EQ(size->written, 2 * kPage);
  const auto loads = core.Headers(PT_LOAD);
  ASSERT_EQ(loads.size(), mappings.size());
  for (std::size_t i = 0; i < loads.size(); ++i) {
    EXPECT_EQ(loads[i].p_vaddr, mappings[i].address);
    EXPECT_EQ(loads[i].p_paddr, mappings[i].physical);
    EXPECT_EQ(loads[i].p_filesz, mappings[i].size);
    EXPECT_EQ(loads[i].p_offset % kPage, 0u);
  }
  EXPECT_EQ(loads[0].p_flags, PF_R | PF_W);
  EXPECT_EQ(loads[2].p_flags, PF_R | PF_X);
  EXPECT_EQ(loads[1].p_offset, loads[0].p_offset + kPage);
  EXPECT_STREQ((core.At<std::array<char, 6>>(loads[1].p_offset + 8).data()), "hello");
  EXPECT_STREQ((core.At<std::array<char, 6>>(loads[2].p_offset + kMiB - 6).data()), "world");
  // The rest are holes.
  struct stat status {};
  ASSERT_EQ(fstat(core.fd(), &status), 0);
  EXPECT_GT(static_cast<std::uint64_t>(status.st_size), 8 * kMiB);
  EXPECT_LT(static_cast<std::uint64_t>(status.st_blocks) * 512, 64 * kPage);
}

// Pieces are copied a MiB at a time: runs end and begin there, and the last page counts.
TEST(CoreFile, EveryByteIsCopied) {
  Ram ram;
  std::vector<std::uint64_t> words(7 * kMiB / 8);
  for (std::size_t i = 0; i < words.size(); ++i)
    words[i] = i / 512 % 3 == 0 && i / 512 % 256 != 255 ? 0 : i + 1;
  ram.Write(kMiB, words.data(), words.size() * 8);
  Core core;
  ASSERT_TRUE(WriteCore(core.fd(), {}, {{kArea, kMiB, 7 * kMiB, true, false}}, ram.memory()).ok());
  std::vector<std::uint64_t> read(words.size());
  ASSERT_EQ(pread(core.fd(), read.data(), read.size() * 8,
                  static_cast<off_t>(core.Headers(PT_LOAD)[0].p_offset)),
            static_cast<ssize_t>(read.size() * 8));
  EXPECT_EQ(read, words);
}

TEST(CoreFile, HasTheRegistersOfEachCpu) {
  Ram ram;
  std::vector<CpuRegisters> cpus(2);
  cpus[1].rip = 0xffff'ffff'8020'1234;
  cpus[1].rsp = 77;
  cpus[1].r15 = 15;
  cpus[1].gs_base = kArea;
  Core core;
  ASSERT_TRUE(WriteCore(core.fd(), cpus, {{kArea, 0, kPage, true, false}}, ram.memory()).ok());
  const auto notes = core.Headers(PT_NOTE);
  ASSERT_EQ(notes.size(), 1u);
  constexpr std::uint64_t kNote = sizeof(Elf64_Nhdr) + 8 + sizeof(elf_prstatus);
  EXPECT_EQ(notes[0].p_filesz, 2 * kNote);
  const auto header = core.At<Elf64_Nhdr>(notes[0].p_offset + kNote);
  EXPECT_EQ(header.n_type, static_cast<Elf64_Word>(NT_PRSTATUS));
  EXPECT_EQ(header.n_descsz, sizeof(elf_prstatus));
  const auto status = core.At<elf_prstatus>(notes[0].p_offset + 2 * kNote - sizeof(elf_prstatus));
  EXPECT_EQ(status.pr_pid, 2);
  user_regs_struct registers{};
  std::memcpy(&registers, &status.pr_reg, sizeof registers);
  EXPECT_EQ(registers.rip, cpus[1].rip);
  EXPECT_EQ(registers.rsp, 77u);
  EXPECT_EQ(registers.r15, 15u);
  EXPECT_EQ(registers.gs_base, kArea);
}

TEST(CoreFile, AFullDiskIsSaid) {
  Ram ram;
  ram.Write(0, "x", 1);
  const int full = open("/dev/full", O_WRONLY);
  ASSERT_GE(full, 0);
  const auto size = WriteCore(full, {}, {{kArea, 0, kPage, true, false}}, ram.memory());
  close(full);
  EXPECT_EQ(size.status(), Status::kIoError);
  EXPECT_NE(size.detail().find("No space left"), std::string::npos) << size.detail();
}

TEST(CoreFile, MoreMappingsThanAnElfFileCanSayAreRefused) {
  Ram ram;
  const std::vector<Mapping> many(PN_XNUM, Mapping{kArea, 0, kPage, true, false});
  Core core;
  EXPECT_EQ(WriteCore(core.fd(), {}, many, ram.memory()).status(), Status::kLimitExceeded);
}

}  // namespace
}  // namespace k42::dump
