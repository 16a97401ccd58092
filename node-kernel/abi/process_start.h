// How a process begins: what is mapped, where it starts, what it is told.
//
// The kernel builds a process from an *image*, an ELF file linked at kImageBase (ET_EXEC)
// that it carries inside itself: the Linux personality, or a native program. It maps
//   - the image's PT_LOAD segments, private and writable as their flags say;
//   - a stack of kStartStackSize below kStartStackTop;
//   - the start block, one read-only area at kStartAddress: ProcessStart, then the handle
//     list, then the argument blob, each 16-byte aligned;
//   - the time page, read-only, and dispatcher 0's page and ticket results;
// and starts dispatcher 0, *disabled*, at the image's entry point with
//   RDI = kStartAddress, RSP = kStartStackTop - 8 (as after a call, 16-byte aligned before it),
//   %gs base = the dispatcher page, %fs base = 0, all other registers 0, initial vector state.
// The image registers its entries (kSetEntries), and is on its own: it loads its program by fs
// calls and Process.Map, then leaves the disabled state with kResume.
//
// The three ways to get there differ in `kind` only:
//   kStartFirst    the node's first process; the blob holds the boot option's words
//   kStartSpawn    Process.Spawn: a new process, nothing of the parent copied but what the call
//   lists kStartReplace  Process.Replace: same process, same pid, new contents
// A child of Process.ForkCopy does not start here: it continues with the UserState it was given, in
// a copy of its parent, with disabled = 1, `thread`, `stack`, `scratch` and the registered entries
// of the parent's dispatcher page, and no ticket, timer or event pending.
//
// The blob is the affair of whoever wrote it and of the image that reads it; the kernel only bounds
// it. For kStartFirst the kernel writes it as kBlobWords: zero-terminated words, the program first.
#pragma once

#include <cstdint>

#include "abi/dispatcher_page.h"
#include "abi/native_call.h"

namespace k42::abi {

// The stack and the block's beginning are in the same 2 MiB: one page-table page.
inline constexpr std::uint64_t kStartAddress = 0x0000'7fff'e002'0000;
inline constexpr std::uint64_t kStartStackTop = kStartAddress - kPageSize;  // a page stays unmapped
inline constexpr std::uint64_t kStartStackSize = 64 * 1024;
static_assert((kStartStackTop - kStartStackSize) >> 21 == kStartAddress >> 21);
inline constexpr std::uint64_t kStartBlobMax = 2u << 20;
inline constexpr std::uint64_t kStartHandlesMax = 16384;  // listed handles

inline constexpr std::uint32_t kStartMagic = 0x53'32'34'4b;  // "K42S"
inline constexpr std::uint32_t kStartVersion = 1;

enum StartKind : std::uint32_t { kStartFirst = 1, kStartSpawn = 2, kStartReplace = 3 };

// Handles of the first process's standard streams: the console terminal, in the handle list.
struct ProcessStart {
  std::uint32_t magic;
  std::uint32_t version;
  std::uint32_t kind;    // StartKind
  std::uint32_t task;    // the main task's id ("pid")
  std::uint32_t parent;  // its parent's
  std::uint32_t page_size;
  std::uint64_t blob;  // address
  std::uint64_t blob_size;
  std::uint64_t handles;  // address of Handle[handle_count]: what was listed, same numbers as there
  std::uint64_t handle_count;
  std::uint64_t image_begin;  // the mapped image, page aligned
  std::uint64_t image_end;
  std::uint64_t dispatcher_page;
  std::uint64_t heap_begin;  // free for the image's own use: [heap_begin, heap_end)
  std::uint64_t heap_end;
  std::uint64_t random[4];  // seed; the kernel keeps no copy
  std::uint32_t cpu_count;
  std::uint32_t node;
  std::uint64_t vector_components;  // XCR0 & what the kernel saves
  std::uint32_t vector_size;        // bytes of an XSAVE image with these components
  std::uint32_t reserved;           // 0
};

}  // namespace k42::abi
