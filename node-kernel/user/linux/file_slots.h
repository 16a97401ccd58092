// Files that this process has to itself, read and written in its own memory (abi/file_slot.h).
//
// A KernelFile is served in one of two ways, chosen when it is opened and changed while it is used:
//   shared      by calls: streams, directories, files that others use, too
//   small       here, in a slot: the position is ours, and the bytes if we may have them
//   exclusive   a larger file, once it is used often: the position is ours, and a window shows the
//               file's own pages (file_windows.h)
// The kernel takes a slot back by clearing its word, whenever it likes, with whatever we had put
// into the word before; nothing here ever gives one back or waits for anybody. So each function
// below either does the whole operation or none of it (kNotInSlot), and then the kernel does.
//
// A file that was closed while it was in its slot stays open in the kernel, up to as many as there
// are slots: who opens it again needs the kernel only to say that he may, by that name, still. What
// the close of a file does for others (locks end, a shared position) is not put off: files that the
// kernel has taken back, as it does where one is locked, and openings that another process may have
// got are closed.
//
// A process gets its slots once it has opened a few files: most open few. A file that was left to
// the kernel and is read or written over and over is offered to it again.
//
// Locking: none of its own; as the descriptor table (README, "How it runs"). A slot goes to another
// file only when no call uses the one it had.
#pragma once

#include <cstdint>

#include "abi/file_slot.h"
#include "user/linux/kernel.h"

namespace k42::personality {

class KernelFile;

inline constexpr std::int64_t kNotInSlot = INT64_MIN;
inline constexpr std::int64_t kAtPosition = -1;

// A file that was opened by that name and flags before, closed, and not asked for by anybody since:
// open again, at its start. Null: open it.
KernelFile* OpenAgain(const kernel::Path& path, std::uint32_t flags);
// Opens, in a slot if there is one to be had. *slot goes to TakeSlot if the file was opened.
Result<kernel::Handle> OpenFileInSlot(const kernel::Path& path, std::uint32_t flags,
                                      std::uint32_t mode, std::uint32_t* slot);
// `file` is what was opened into `slot`; null: nothing was. `path` and `flags`: as it was opened.
void TakeSlot(std::uint32_t slot, KernelFile* file, const kernel::Path& path, std::uint32_t flags);
// Nobody has it any more. True: it stays open, for OpenAgain.
bool KeepClosedFile(KernelFile& file);
// Those kept: that of a name which is going.
void DropClosedFile(const kernel::Path& path);
// Another process may get this opening; a child gets all: none of them is kept when it is closed.
void NoteShared(KernelFile& file);
void NoteAllShared();
// For the above, and Destroy: the kernel closes it, too.
void CloseForGood(KernelFile* file);
// The file is closed, by the kernel too.
void ForgetSlot(KernelFile& file);
// How large this process may make files: below what we serve, the kernel minds it.
void LimitFileSize(std::uint64_t limit);
// In a forked child: the slots are the parent's.
void ForgetFileSlots();

// Bytes, or kNotInSlot. `offset`: kAtPosition, or where.
std::int64_t ReadInSlot(KernelFile& file, std::uint64_t address, std::uint64_t size,
                        std::int64_t offset);
std::int64_t WriteInSlot(KernelFile& file, std::uint64_t address, std::uint64_t size,
                         std::int64_t offset);
// The new position, -EINVAL, or kNotInSlot.
std::int64_t SeekInSlot(KernelFile& file, std::int64_t offset, fs::SeekFrom from);
// The kernel has read or written it.
void CountTransfer(KernelFile& file);

}  // namespace k42::personality
