// A core of a running node, whatever state it is in.
//
// Nothing in the node and none of its daemon's work is needed: QEMU is asked for the CPUs'
// registers, the memory is read where it lies. The node is stopped meanwhile, and goes on
// afterwards if it ran before. But while its daemon hangs, QEMU must not be told to stop the node:
// it would wait for the daemon, and hang with it. Then the dump is of a node that moves.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "cluster-services/dump/core_file.h"
#include "cluster-services/support/outcome.h"

namespace k42::dump {

struct DumpReport {
  std::size_t cpus;
  CoreSize size;
  bool stood_still;            // false: the daemon hangs, so the node went on meanwhile
  bool goes_on;                // false: it was stopped before, and is still
  std::uint64_t milliseconds;  // for which it was stopped
  std::string kernel;          // the image it runs
};

// Of node `node`, whose QEMU has its monitor, and whose daemon its control socket, in `folder`;
// into `file`, which is written anew, for its owner only. After an error there is no file.
Outcome<DumpReport> DumpNode(const std::string& folder, std::uint32_t node,
                             const std::string& file);

}  // namespace k42::dump
