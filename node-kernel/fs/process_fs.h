// /proc: what programs ask about themselves, each other and the node. Generated from the task table
// and the node's counters at each read.
//
// A task's directory exists while the task does; it is made at lookup and holds only the number.
// Left to the Linux personality, which alone knows them: descriptors (/proc/self/fd) and the parts
// of an address space that are its own (/proc/self/maps).
#pragma once

#include "fs/name_tree.h"
#include "fs/synthetic.h"
#include "mem/services.h"
#include "proc/services.h"

namespace k42::fs {

// Once per node: the generators find tasks, mounts and memory through what is handed in here.
Result<SyntheticFileSystem*> MakeProcessFileSystem(NameTree& tree, proc::ProcessServices& processes,
                                                   mem::MemoryServices& memory,
                                                   std::uint64_t device);

// -- between its files --
struct ProcessFileSources {
  NameTree* tree = nullptr;
  proc::ProcessServices* processes = nullptr;
  mem::MemoryServices* memory = nullptr;
};
const ProcessFileSources& Sources();

// process_fs_node.cc: files about the node.
Status AddNodeFiles(SyntheticDirectory& root);
void GenerateMounts(TextWriter& text, std::uint64_t);
void GenerateRoute(TextWriter& text, std::uint64_t);
void GenerateNothing(TextWriter& text, std::uint64_t);
// process_fs_task.cc: /proc/self, /proc/N.
Result<Node*> LookupTask(SyntheticFileSystem& file_system, std::string_view name);
Status ListTasks(std::uint64_t cookie, DirectoryWriter& writer);

}  // namespace k42::fs
