// Images: what new processes are made of (abi/process_start.h). The kernel carries them as ELF
// files; each is checked and laid out once, at boot, into a memory file that all processes of the
// image show privately: text is shared, data copied on write, bss the file's holes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "mem/fcm_file.h"

namespace k42::proc {

struct ImageSegment {
  std::uint64_t begin = 0;  // page aligned addresses
  std::uint64_t end = 0;
  mem::Protection protection = mem::kProtectNone;
};

// What an ELF file says, checked: ET_EXEC for x86-64, segments ascending, apart, inside the range
// for images, bytes inside the file, the entry inside an executable one.
struct ImageLayout {
  static constexpr std::uint32_t kMaxSegments = 8;
  struct Piece {
    std::uint64_t address;
    std::uint64_t file_offset;
    std::uint64_t file_size;
  };
  ImageSegment segments[kMaxSegments];
  Piece pieces[kMaxSegments];
  std::uint32_t count = 0;
  std::uint64_t entry = 0;

  std::uint64_t begin() const { return segments[0].begin; }
  std::uint64_t end() const { return segments[count - 1].end; }
};
Result<ImageLayout*> ParseImage(std::span<const std::byte> file, ImageLayout* layout);

struct Image {
  std::string_view name;
  ImageLayout layout;
  mem::FcmFile* memory = nullptr;  // offset 0 is layout.begin()
};

class ImageSet {
 public:
  static constexpr std::uint32_t kMax = 32;

  // `file` must stay. kExecFormat, kLimitExceeded.
  Status Add(mem::MemoryServices& services, std::string_view name, std::span<const std::byte> file);
  // Numbered from 1, in the order added. Null: no such image.
  const Image* Get(std::uint32_t number) const;
  const Image* Find(std::string_view name) const;

 private:
  Image images_[kMax];
  std::uint32_t count_ = 0;
};

}  // namespace k42::proc
