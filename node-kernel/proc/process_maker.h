// ProcessMaker: puts a process together, and takes it apart again if a step fails.
#pragma once

#include "proc/process.h"
#include "proc/start_block.h"

namespace k42::proc {

class ProcessMaker {
 public:
  explicit ProcessMaker(ProcessServices& services) : services_(services) {}
  // Undoes everything, unless Run was called.
  ~ProcessMaker();
  ProcessMaker(const ProcessMaker&) = delete;
  ProcessMaker& operator=(const ProcessMaker&) = delete;

  // Object, dispatcher (on one of `cpus`), address space (`copy`: that one; it is taken over, else
  // a fresh one).
  Status Begin(mem::AddressSpace* copy, std::uint64_t cpus);
  Status MapImage(const Image& image, const StartBlock& block);
  Status GrantFixed();
  Process& process() { return *process_; }
  // Lets it run: nothing can fail from here on. `parent`: for the trace, 0: none.
  void Run(bool stopped, std::uint32_t parent);

  // The shared tail of a start and a replacement.
  static Status MapImageInto(Process& process, const Image& image, const StartBlock& block);
  static void PrepareStart(Process& process, const Image& image);

 private:
  ProcessServices& services_;
  Process* process_ = nullptr;
};

}  // namespace k42::proc
