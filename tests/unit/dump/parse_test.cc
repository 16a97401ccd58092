// What QEMU's monitor and /proc say, word for word as QEMU 7.2 and Linux write it.
#include <gtest/gtest.h>

#include <string>

#include "cluster-services/dump/cpu_registers.h"
#include "cluster-services/dump/guest_ram.h"

namespace k42::dump {
namespace {

constexpr const char* kRunning =
    "\r\nCPU#0\r\n"
    "RAX=0000000000000001 RBX=ffffc00000000000 RCX=0000000000000003 RDX=0000000000000004\r\n"
    "RSI=0000000000000005 RDI=0000000000000006 RBP=ffffc0010000fe90 RSP=ffffc0010000fe80\r\n"
    "R8 =0000000000000008 R9 =0000000000000009 R10=000000000000000a R11=000000000000000b\r\n"
    "R12=000000000000000c R13=000000000000000d R14=000000000000000e R15=ffffffffffffffff\r\n"
    "RIP=ffffffff8020a123 RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n"
    "ES =0010 0000000000000000 ffffffff 00cf9300 DPL=0 DS   [-WA]\r\n"
    "CS =0008 0000000000000000 ffffffff 00af9b00 DPL=0 CS64 [-RA]\r\n"
    "SS =0011 0000000000000000 ffffffff 00cf9300 DPL=0 DS   [-WA]\r\n"
    "DS =0012 0000000000000000 ffffffff 00cf9300 DPL=0 DS   [-WA]\r\n"
    "FS =0013 00007f0000001000 ffffffff 00cf9300 DPL=0 DS   [-WA]\r\n"
    "GS =0014 ffffc00004000000 ffffffff 00cf9300 DPL=0 DS   [-WA]\r\n"
    "LDT=0000 0000000000000000 0000ffff 00008200 DPL=0 LDT\r\n"
    "TR =0028 ffffffff80400000 00000067 00008b00 DPL=0 TSS64-busy\r\n"
    "GDT=     ffffffff80400100 00000037\r\n"
    "IDT=     ffffffff80400200 00000fff\r\n"
    "CR0=80010033 CR2=0000000000000000 CR3=0000000001234000 CR4=00350ea0\r\n"
    "DR0=0000000000000000 DR1=0000000000000000\r\n"
    "EFER=0000000000000d01\r\n"
    "FCW=037f FSW=0000 [ST=0] FTW=00 MXCSR=00001f80\r\n";

constexpr const char* kNotStarted =
    "\r\nCPU#1\r\n"
    "EAX=00000000 EBX=00000000 ECX=00000000 EDX=00060fb1\r\n"
    "ESI=00000000 EDI=00000000 EBP=00000000 ESP=00000000\r\n"
    "EIP=0000fff0 EFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n"
    "ES =0000 00000000 0000ffff 00009300\r\n"
    "CS =f000 ffff0000 0000ffff 00009b00\r\n"
    "CR0=60000010 CR2=00000000 CR3=00000000 CR4=00000000\r\n"
    "EFER=0000000000000000\r\n";

TEST(Registers, AreThoseOfEachCpu) {
  const auto cpus = ParseRegisters(std::string(kRunning) + kNotStarted);
  ASSERT_TRUE(cpus.ok()) << cpus.detail();
  ASSERT_EQ(cpus->size(), 2u);
  const CpuRegisters& cpu = cpus->front();
  EXPECT_EQ(cpu.rax, 1u);
  EXPECT_EQ(cpu.rbx, 0xffff'c000'0000'0000u);
  EXPECT_EQ(cpu.rbp, 0xffff'c001'0000'fe90u);
  EXPECT_EQ(cpu.rsp, 0xffff'c001'0000'fe80u);
  EXPECT_EQ(cpu.r8, 8u);
  EXPECT_EQ(cpu.r9, 9u);
  EXPECT_EQ(cpu.r10, 10u);
  EXPECT_EQ(cpu.r15, ~0ull);
  EXPECT_EQ(cpu.rip, 0xffff'ffff'8020'a123u);
  EXPECT_EQ(cpu.rflags, 0x246u);
  EXPECT_EQ(cpu.cs, 8u);
  EXPECT_EQ(cpu.ss, 0x11u);
  EXPECT_EQ(cpu.fs_base, 0x7f00'0000'1000u);
  EXPECT_EQ(cpu.gs_base, 0xffff'c000'0400'0000u);
  EXPECT_EQ(cpu.cr3, 0x123'4000u);
  EXPECT_TRUE(cpu.long_mode());
  EXPECT_FALSE(cpus->back().long_mode());
}

TEST(Registers, WhatIsMissingIsAnError) {
  EXPECT_EQ(ParseRegisters("").status(), Status::kCorrupt);
  EXPECT_EQ(ParseRegisters("CPU#0\r\n").status(), Status::kCorrupt);
  for (const char* word : {"R8 =", "RIP=", "CS =", "CR3=", "EFER="}) {
    std::string text = kRunning;
    text.erase(text.find(word), 3);
    EXPECT_EQ(ParseRegisters(text).status(), Status::kCorrupt) << word;
  }
}

TEST(MemoryTree, OnlyTheSystemsRamCounts) {
  const auto pieces = ParseMemoryTree(
      "FlatView #0\r\n AS \"cpu-smm-0\", root: memory\r\n Root memory region: memory\r\n"
      "  0000000000000000-00000000000bffff (prio 0, ram): ram\r\n\r\n"
      "FlatView #1\r\n AS \"I/O\", root: io\r\n Root memory region: io\r\n"
      "  0000000000000000-0000000000000007 (prio 0, i/o): dma-chan\r\n\r\n"
      "FlatView #2\r\n AS \"memory\", root: system\r\n AS \"cpu-memory-0\", root: system\r\n"
      " Root memory region: system\r\n"
      "  0000000000000000-00000000000c2fff (prio 0, ram): ram\r\n"
      "  00000000000c3000-00000000000e7fff (prio 0, rom): ram @00000000000c3000\r\n"
      "  0000000000100000-000000000fffffff (prio 0, ram): ram @0000000000100000 KVM\r\n"
      "  0000000010000000-0000000011ffffff (prio 0, ram): arena\r\n"
      "  00000000fec00000-00000000fec00fff (prio 0, i/o): ioapic\r\n\r\n"
      "FlatView #3\r\n AS \"mch\", root: bus master container\r\n Root memory region: (none)\r\n"
      "  No rendered FlatView\r\n");
  const std::vector<RamPiece> expected = {
      {0, 0xc3000}, {0xc3000, 0x25000}, {0x100000, 0xff00000}, {0x10000000, 0x2000000}};
  EXPECT_EQ(pieces, expected);
  EXPECT_TRUE(ParseMemoryTree("unknown command: 'info mtree'\r\n").empty());
}

TEST(Maps, AreReadWithTheirFiles) {
  const auto mappings = ParseMaps(
      "7fa587fff000-7fa597fff000 rw-s 00001000 00:01 1067    /memfd:ram (deleted)\n"
      "7fa5dcaba000-7fa5deaba000 rw-p 00000000 00:00 0 \n"
      "nonsense\n");
  const std::vector<HostMapping> expected = {{0x7fa587fff000, 0x7fa597fff000, 0x1000, 1067},
                                             {0x7fa5dcaba000, 0x7fa5deaba000, 0, 0}};
  EXPECT_EQ(mappings, expected);
}

}  // namespace
}  // namespace k42::dump
