// NinePPages: moves the pages of one remote file between the server and the page cache (mem's
// FileRepresentative), straight to and from the cache's frames, without waiting.
//
// What goes back was written to a mapping, within the file as it was then. Others may have cut it
// since: so the server is asked first, and what lies beyond is dropped, or the file would grow
// again. Between the answer and the write a cut is still undone, as with NFS.
//
// Life: made with the file's page cache, which outlives the NinePNode as long as something is
// mapped; it owns the opened fids and goes with the cache (CacheGone).
#pragma once

#include <atomic>
#include <cstdint>

#include "fs/ninep_client.h"
#include "mem/file_representative.h"

namespace k42::fs {

class NinePPages final : public mem::FileRepresentative {
 public:
  explicit NinePPages(ninep::Client& client) : client_(client) {}
  ~NinePPages() = default;

  void StartFill(mem::PageRequest* request) override;
  void StartWrite(mem::PageRequest* request) override;
  void CacheGone() override;

  // Opened for reading, for reading and writing; kNoFid: not yet. Set once.
  std::atomic<std::uint32_t> read_fid{ninep::kNoFid};
  std::atomic<std::uint32_t> write_fid{ninep::kNoFid};

 private:
  Status SendRead(mem::PageRequest* pages);
  Status AskSize(mem::PageRequest* pages);
  static void OnSize(ninep::Request* answer);
  Status SendWrite(mem::PageRequest* pages, std::uint64_t size);

  ninep::Client& client_;
};

}  // namespace k42::fs
