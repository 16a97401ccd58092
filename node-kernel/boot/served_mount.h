// ServedMount: a part of the tree of names that a program of this node serves (boot option serve=).
//
// The mount is made once and stays. A thread starts the program, attaches, waits for its end, kills
// what may be left of it, and starts again: at once if it lived for a while, else after a pause
// that doubles. A timer ends the session of a program that lets a request wait for too long.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "fs/ninep_fs.h"
#include "fs/served_files.h"
#include "machine/thread.h"
#include "machine/timer.h"
#include "proc/image.h"

namespace k42::boot {

class ServedMount {
 public:
  // `program` and `path` stay.
  ServedMount(std::string_view program, std::string_view path) : program_(program), path_(path) {}

  // Mounts the tree of a server that is still to come. Before programs run.
  Status Mount(std::uint64_t device);
  // Waits until the first server has attached, or has failed to.
  Status Start();

 private:
  static constexpr std::uint64_t kLongLife = 1'000'000'000, kFirstPause = 20'000'000,
                                 kLongestPause = 5'000'000'000, kWatchPeriod = 1'000'000'000;

  static void Serve(void* mount);
  Status RunServer();
  Result<std::uint32_t> StartServer();
  void Tried(Status status, std::uint32_t process);
  static void OnEnded(void* mount);
  static void OnWatch(void* mount);

  const std::string_view program_;
  const std::string_view path_;
  const proc::Image* image_ = nullptr;
  fs::ServedFiles files_;
  fs::NinePFileSystem* file_system_ = nullptr;
  machine::Thread* thread_ = nullptr;
  machine::Timer watch_;
  std::atomic<bool> over_{false};  // the present server's session
  std::atomic<bool> tried_{false};
  machine::Thread* starter_ = nullptr;  // waits for tried_
};

}  // namespace k42::boot
