#include "support/line_count/line_count.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <sstream>
#include <unordered_map>
#include <utility>

#include "machine/call_chain.h"
#include "machine/hosted.h"
#include "machine/thread.h"

namespace k42::test {

namespace {

constexpr std::uint64_t kLineShift = 6;

struct Write {
  std::uint64_t line;
  std::uint32_t operation;
  const void* writer;
};
struct Recorder {
  std::vector<Write> writes;
  std::uint32_t operation = 0;
};
// What counts on each CPU; touched by whichever thread has the CPU.
struct alignas(64) Place {
  Recorder* recorder = nullptr;
};
Place places[machine::kMaxCpus];

std::atomic<Halt*> halt = nullptr;

PlaceNames place_names = [](std::uint64_t) { return std::string(); };

// Where all meet. Who comes early waits inactive and leaves its CPU to others: those who are still
// at it may wait for a grace period.
class Meeting {
 public:
  explicit Meeting(std::size_t all) : all_(all) {}

  void Attend() {
    std::unique_lock lock(mutex_);
    early_.push_back(machine::Thread::Current());
    if (early_.size() == all_) {
      over_ = true;
      early_.pop_back();
      for (machine::Thread* thread : early_)
        thread->Unblock();  // none leaves before the lock is free
      return;
    }
    while (!over_) {
      lock.unlock();
      machine::Thread::BlockExternal();
      lock.lock();
    }
  }

 private:
  const std::size_t all_;
  std::mutex mutex_;
  std::vector<machine::Thread*> early_;
  bool over_ = false;
};

}  // namespace

void detail::NoteWrite(const void* address, std::size_t size, const void* writer) {
  const machine::Thread* const thread = machine::Thread::Current();
  if (thread == nullptr || size == 0) {
    return;
  }
  const auto first = reinterpret_cast<std::uint64_t>(address);
  if (Halt* const present = halt.load()) [[unlikely]] {
    present->Consider(thread->cpu(), first, first + size);
  }
  Recorder*& recorder = places[thread->cpu()].recorder;
  Recorder* const here = recorder;
  if (here == nullptr) [[likely]] {
    return;
  }
  recorder = nullptr;  // the vector's own writes are none of the operation's
  for (std::uint64_t line = first >> kLineShift; line <= (first + size - 1) >> kLineShift; ++line) {
    here->writes.push_back({line, here->operation, writer});
  }
  recorder = here;
}

void SetPlaceNames(PlaceNames names) {
  place_names = std::move(names);
}

Halt::Halt(machine::CpuId cpu, const void* place, std::size_t size)
    : cpu_(cpu), begin_(reinterpret_cast<std::uint64_t>(place)), end_(begin_ + size) {
  halt.store(this);
}

Halt::~Halt() {
  Go();
  halt.store(nullptr);
}

void Halt::Go() {
  go_.store(true);
  go_.notify_all();
}

void Halt::Consider(machine::CpuId cpu, std::uint64_t begin, std::uint64_t end) {
  if (cpu != cpu_ || begin >= end_ || end <= begin_)
    return;
  reached_.store(true);
  reached_.notify_all();
  go_.wait(false);
}

LineReport CountLines(machine::CpuId cpus, std::uint32_t operations,
                      const std::function<void(machine::CpuId, std::uint32_t)>& operation,
                      std::uint32_t warm_up) {
  std::vector<Recorder> recorders(cpus);
  // Nobody's stack becomes another's before all have finished, and all count at the same time.
  Meeting ready(cpus), done(cpus);
  machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
    if (cpu >= cpus)
      return;
    for (std::uint32_t i = 0; i < warm_up; ++i) operation(cpu, i);
    ready.Attend();
    for (std::uint32_t i = 0; i < operations; ++i) {
      recorders[cpu].operation = i;
      places[cpu].recorder = &recorders[cpu];
      operation(cpu, warm_up + i);
      places[cpu].recorder = nullptr;
    }
    done.Attend();
  });

  struct Line {
    std::uint64_t writers = 0;  // bit per CPU
    std::uint64_t writes = 0;
    std::set<const void*> instructions;
  };
  std::unordered_map<std::uint64_t, Line> lines;
  for (machine::CpuId cpu = 0; cpu < cpus; ++cpu) {
    for (const Write& write : recorders[cpu].writes) {
      Line& line = lines[write.line];
      line.writers |= std::uint64_t{1} << cpu;
      ++line.writes;
      line.instructions.insert(write.writer);
    }
  }
  const auto is_shared = [](const Line& line) { return (line.writers & (line.writers - 1)) != 0; };
  std::uint64_t all = 0;
  std::uint64_t shared = 0;
  for (Recorder& each : recorders) {
    std::sort(each.writes.begin(), each.writes.end(), [](const Write& a, const Write& b) {
      return std::pair(a.operation, a.line) < std::pair(b.operation, b.line);
    });
    const auto end =
        std::unique(each.writes.begin(), each.writes.end(), [](const Write& a, const Write& b) {
          return a.operation == b.operation && a.line == b.line;
        });
    for (auto at = each.writes.begin(); at != end; ++at) {
      ++all;
      shared += is_shared(lines[at->line]) ? 1 : 0;
    }
  }
  LineReport report;
  const double total = static_cast<double>(operations) * cpus;
  report.shared_per_operation = static_cast<double>(shared) / total;
  report.written_per_operation = static_cast<double>(all) / total;
  for (const auto& [number, line] : lines) {
    if (is_shared(line)) {
      SharedLine& shown = report.hottest.emplace_back();
      shown.address = number << kLineShift;
      shown.cpus = line.writers;
      shown.writes = line.writes;
      for (const void* writer : line.instructions)
        shown.writers.push_back(reinterpret_cast<std::uint64_t>(writer));
    }
  }
  std::sort(report.hottest.begin(), report.hottest.end(),
            [](const SharedLine& a, const SharedLine& b) { return a.writes > b.writes; });
  if (report.hottest.size() > 12) {
    report.hottest.resize(12);
  }
  return report;
}

std::string LineReport::Text() const {
  std::ostringstream text;
  text << shared_per_operation << " shared lines written per operation, of "
       << written_per_operation << "\n";
  for (const SharedLine& line : hottest) {
    std::set<std::string> functions;
    for (const std::uint64_t writer : line.writers)
      functions.insert(std::string(machine::PlaceOfCall(writer).name));
    text << "  line 0x" << std::hex << line.address << std::dec << " (" << place_names(line.address)
         << "), CPUs 0x" << std::hex << line.cpus << std::dec << ", " << line.writes
         << " writes by";
    constexpr int kShown = 5;
    int shown = 0;
    for (const std::string& function : functions)
      if (shown++ < kShown)
        text << " " << function;
    text << (shown > kShown ? " ...\n" : "\n");
  }
  return text.str();
}

}  // namespace k42::test
