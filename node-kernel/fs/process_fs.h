// /proc: what programs ask about themselves, each other and the node. Generated from the task table
// and the node's counters at each read.
//
// A task's directory exists while the task does; it is made at lookup and holds only the number.
// Left to the Linux personality, which alone knows them: descriptors (/proc/self/fd).
#pragma once

#include "fs/name_tree.h"
#include "fs/synthetic.h"
#include "mem/address_space.h"
#include "mem/services.h"
#include "proc/node.idl.h"
#include "proc/process.types.h"
#include "proc/services.h"

namespace k42::io {
class SocketServices;
}
namespace k42::proc {
class Process;
}

namespace k42::fs {

// Once per node: the generators find tasks, mounts and memory through what is handed in here.
Result<SyntheticFileSystem*> MakeProcessFileSystem(NameTree& tree, proc::ProcessServices& processes,
                                                   mem::MemoryServices& memory,
                                                   io::SocketServices& sockets,
                                                   std::uint64_t device);

// -- between its files --
struct ProcessFileSources {
  NameTree* tree = nullptr;
  proc::ProcessServices* processes = nullptr;
  mem::MemoryServices* memory = nullptr;
  io::SocketServices* sockets = nullptr;
};
const ProcessFileSources& Sources();

// process_fs_node.cc: files about the node.
Status AddNodeFiles(SyntheticDirectory& root);
proc::NodeInfo NodeNow();
std::string_view TextOf(const std::uint8_t* bytes, std::size_t size);
// process_fs_sys.cc: /proc/sys.
Status AddControls(SyntheticDirectory& root);
// process_fs_mounts.cc.
void GenerateMounts(TextWriter& text, std::uint64_t);
void GenerateMountInfo(TextWriter& text, std::uint64_t);
// process_fs_memory.cc: a task's address space.
// Its process, to be given back with Drop; null: it has none (any more).
proc::Process* HoldProcess(std::uint64_t task);
struct TaskMemory {
  mem::MemoryUse use;
  std::uint64_t text = 0, data = 0, stack = 0;  // bytes mapped
};
bool MemoryOf(std::uint64_t task, TaskMemory* memory);
void GenerateMaps(TextWriter& text, std::uint64_t task);
void GenerateMapsWithSizes(TextWriter& text, std::uint64_t task);
void GenerateSizes(TextWriter& text, std::uint64_t task);
void GenerateMemoryUse(TextWriter& text, std::uint64_t task);
// process_fs_net.cc: /proc/net.
void GenerateRoute(TextWriter& text, std::uint64_t);
void GenerateInterfaces(TextWriter& text, std::uint64_t);
void GenerateStreams(TextWriter& text, std::uint64_t);
void GenerateDatagrams(TextWriter& text, std::uint64_t);
void GenerateLocalSockets(TextWriter& text, std::uint64_t);
void GenerateSocketCounts(TextWriter& text, std::uint64_t);
void GenerateNothing(TextWriter& text, std::uint64_t);
// process_fs_status.cc: what is known of a task. False: there is none.
bool InfoOf(std::uint64_t task, proc::TaskInfo* info);
std::size_t TextOfTask(std::uint64_t task, proc::TaskText which, std::span<char> space);
void PrintText(TextWriter& text, std::uint64_t task, proc::TaskText which);
void TaskStat(TextWriter& text, std::uint64_t task);
void TaskStatus(TextWriter& text, std::uint64_t task);
// process_fs_task.cc: /proc/self, /proc/N.
Result<Node*> LookupTask(SyntheticFileSystem& file_system, std::string_view name);
Status ListTasks(std::uint64_t cookie, DirectoryWriter& writer);

}  // namespace k42::fs
