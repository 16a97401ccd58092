// What reading a FileWatcher gives (fs/file_watcher.idl): whole records, each followed by its name.
//
// The numbers are the ones that readers of such records have always been given, so that a program
// can be handed them as they are.
#pragma once

#include <cstddef>
#include <cstdint>

namespace k42::abi {

struct FileEvent {
  std::int32_t watch;       // as AddWatch numbered it; -1: of the whole queue
  std::uint32_t what;       // one of kFileEvents or kFileEventOnly, with kFileEventDirectory
  std::uint32_t pair;       // of the two records of one change of a name: the same; else 0
  std::uint32_t name_size;  // bytes that follow, zeroes at the end among them; 0: no name
};
static_assert(sizeof(FileEvent) == 16);

// A name and the zeroes behind it fill a multiple of this.
inline constexpr std::size_t kFileEventNameUnit = 16;

// What happens to a file itself, or to what a directory names.
enum FileEventBit : std::uint32_t {
  kFileRead = 1u << 0,
  kFileWritten = 1u << 1,
  kFileAttributes = 1u << 2,
  kFileClosedWriter = 1u << 3,
  kFileClosedReader = 1u << 4,
  kFileOpened = 1u << 5,
  // In a directory: a name.
  kNameMovedAway = 1u << 6,
  kNameMovedHere = 1u << 7,
  kNameMade = 1u << 8,
  kNameRemoved = 1u << 9,
  // The watched file itself.
  kFileGone = 1u << 10,
  kFileMoved = 1u << 11,
  // Told whatever was asked for.
  kFileEventsLost = 1u << 14,  // the queue was full
  kWatchEnded = 1u << 15,      // removed, or its file has gone
  kFileEventDirectory = 1u << 30,
};
inline constexpr std::uint32_t kFileEvents = (1u << 12) - 1;

// Of AddWatch, besides events.
inline constexpr std::uint32_t kWatchOnlyDirectory = 1u << 24, kWatchNew = 1u << 28,
                               kWatchAddEvents = 1u << 29, kWatchOnce = 1u << 31;

}  // namespace k42::abi
