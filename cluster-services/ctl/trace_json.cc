#include "cluster-services/ctl/trace_json.h"

#include <optional>
#include <set>

#include "abi/trace_text.h"

namespace k42::ctl {
namespace {

using control::Json;
using control::TraceSource;

constexpr std::uint64_t kNodeStride =
    1'000'000;  // Perfetto's process numbers: CPUs, then processes
enum Track : std::uint32_t { kRunning = 1, kCalls = 2, kRecorded = 3, kThreads = 16 };

class Writer {
 public:
  Writer(std::ostream& out, std::uint64_t start) : out_(out), start_(start) {
    out_ << "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[";
  }

  void Name(std::uint64_t process, const std::string& name, std::optional<std::uint32_t> track) {
    Json event{{"ph", "M"}, {"pid", process}, {"args", {{"name", name}}}};
    event["name"] = track ? "thread_name" : "process_name";
    if (track)
      event["tid"] = *track;
    Put(event);
  }
  void Slice(std::uint64_t process, std::uint32_t track, const std::string& name,
             std::uint64_t from, std::uint64_t to, const Json& arguments) {
    Put({{"ph", "X"},
         {"pid", process},
         {"tid", track},
         {"name", name},
         {"ts", Us(from)},
         {"dur", static_cast<double>(to - from) / 1000},
         {"args", arguments}});
  }
  void Instant(std::uint64_t process, std::uint32_t track, const std::string& name,
               std::uint64_t at, const Json& arguments) {
    Put({{"ph", "i"},
         {"s", "t"},
         {"pid", process},
         {"tid", track},
         {"name", name},
         {"ts", Us(at)},
         {"args", arguments}});
  }
  // An arrow between slices: "s" begins it, "t" goes on, "f" ends it.
  void Flow(const char* step, const std::string& id, std::uint64_t process, std::uint32_t track,
            std::uint64_t at) {
    Put({{"ph", step},
         {"bp", "e"},
         {"cat", "call"},
         {"name", "call"},
         {"id", id},
         {"pid", process},
         {"tid", track},
         {"ts", Us(at)}});
  }
  void End(const Json& about) { out_ << "\n],\"otherData\":" << about.dump() << "}\n"; }

 private:
  double Us(std::uint64_t ns) const { return static_cast<double>(ns - start_) / 1000; }
  void Put(const Json& event) {
    out_ << (first_ ? "\n" : ",\n") << event.dump();
    first_ = false;
  }

  std::ostream& out_;
  const std::uint64_t start_;
  bool first_ = true;
};

struct Open {
  std::string name;
  std::uint64_t from;
  Json arguments;
};

// What goes on at one moment of the story.
class Story {
 public:
  explicit Story(Writer& writer) : writer_(writer) {}

  void Tell(const TraceRecord& record) {
    now_ = record.ns;
    const std::uint64_t cpus = CpusOf(record.node);
    const std::uint32_t cpu = record.number;
    const auto& a = record.arguments;
    const trace::EventInfo* info = trace::FindEvent(record.header.number);
    if (info == nullptr || a.size() != info->arguments)
      return;
    if (record.source == TraceSource::kProgram)
      return TellProgram(record, *info);
    const auto is = [info](const trace::EventInfo& one) { return info->number == one.number; };
    if (is(trace::kProcessName.info)) {
      char text[16];
      names_[{record.node, a[0]}] = std::string(text, trace::NameOf(std::span(a).subspan(1), text));
    } else if (is(trace::kDispatchIn.info)) {
      Begin(cpus, cpu, NameOf(record.node, a[0]), {{"process", a[0]}});
      Begin(Process(record.node, a[0]), kRunning, "on CPU " + std::to_string(cpu), Json::object());
    } else if (is(trace::kDispatchOut.info)) {
      Finish(cpus, cpu);
      Finish(Process(record.node, a[0]), kRunning);
    } else if (is(trace::kNativeCall.info)) {
      Begin(Process(record.node, a[0]), kCalls,
            "call " + std::to_string(a[1]) + "." + std::to_string(a[2]),
            {{"handle", a[1]}, {"method", a[2]}});
    } else if (is(trace::kNativeReturn.info)) {
      Finish(Process(record.node, a[0]), kCalls);
    } else if (record.header.event_class == static_cast<std::uint32_t>(trace::Class::kGlobal)) {
      // A short slice, for the arrow to hold on to. Sender's events name the other node.
      const bool own = is(trace::kCallSend.info) || is(trace::kCallEnd.info);
      const std::string id = std::to_string(own ? record.node : a[1]) + "." +
                             std::to_string(own ? cpu : a[2]) + "." + std::to_string(a[0]);
      writer_.Slice(cpus, cpu, info->name, now_, now_ + 1000, Arguments(record));
      writer_.Flow(is(trace::kCallSend.info)  ? "s"
                   : is(trace::kCallEnd.info) ? "f"
                                              : "t",
                   id, cpus, cpu, now_);
    } else {
      writer_.Instant(cpus, cpu, info->name, now_, Arguments(record));
    }
  }

  void Over() {
    for (const auto& [track, open] : open_)
      writer_.Slice(track.first, track.second, open.name, open.from, now_, open.arguments);
    for (const auto& [node, process] : processes_) {
      const std::uint64_t number = Process(node, process);
      writer_.Name(number,
                   "n" + std::to_string(node) + " " + NameOf(node, process) + " (" +
                       std::to_string(process) + ")",
                   std::nullopt);
      writer_.Name(number, "runs", kRunning);
      writer_.Name(number, "calls of the kernel", kCalls);
      writer_.Name(number, "recorded by itself", kRecorded);
    }
  }

  static std::uint64_t CpusOf(std::uint32_t node) { return node * kNodeStride; }

 private:
  void TellProgram(const TraceRecord& record, const trace::EventInfo& info) {
    // A program's buffer holds what it pleases; only its own class is believed.
    if (info.event_class != trace::Class::kUser)
      return;
    const std::uint64_t process = Process(record.node, record.number);
    if (info.number == trace::kLinuxCall.info.number)
      Begin(process, ThreadTrack(process, record.arguments[0]),
            "linux " + std::to_string(record.arguments[1]), Json::object());
    else if (info.number == trace::kLinuxReturn.info.number)
      Finish(process, ThreadTrack(process, record.arguments[0]));
    else
      writer_.Instant(process, kRecorded, info.name, now_, Arguments(record));
  }
  // Of a Linux thread: calls of several overlap.
  std::uint32_t ThreadTrack(std::uint64_t process, std::uint64_t thread) {
    const std::uint32_t track = kThreads + (static_cast<std::uint32_t>(thread) & 0xff'ffff);
    if (threads_.insert({process, track}).second)
      writer_.Name(process, "thread " + std::to_string(thread), track);
    return track;
  }

  std::uint64_t Process(std::uint32_t node, std::uint64_t process) {
    processes_.insert({node, process});
    return CpusOf(node) + 1 + process % (kNodeStride - 1);
  }
  std::string NameOf(std::uint32_t node, std::uint64_t process) {
    const auto name = names_.find({node, process});
    return name == names_.end() ? "process " + std::to_string(process) : name->second;
  }
  Json Arguments(const TraceRecord& record) {
    char text[200];
    const std::size_t size = trace::Describe(record.header, record.arguments, text);
    return {{"text", std::string(text, size)}, {"sequence", record.sequence}};
  }
  void Begin(std::uint64_t process, std::uint32_t track, std::string name, Json arguments) {
    Finish(process, track);  // one whose end was lost
    open_[{process, track}] = {std::move(name), now_, std::move(arguments)};
  }
  void Finish(std::uint64_t process, std::uint32_t track) {
    const auto found = open_.find({process, track});
    if (found == open_.end())
      return;  // its beginning was lost
    writer_.Slice(process, track, found->second.name, found->second.from, now_,
                  found->second.arguments);
    open_.erase(found);
  }

  Writer& writer_;
  std::uint64_t now_ = 0;
  std::map<std::pair<std::uint64_t, std::uint32_t>, Open> open_;
  std::map<std::pair<std::uint32_t, std::uint64_t>, std::string> names_;
  std::set<std::pair<std::uint32_t, std::uint64_t>> processes_;
  std::set<std::pair<std::uint64_t, std::uint32_t>> threads_;  // whose tracks have names
};

}  // namespace

void WriteTraceJson(const std::vector<NodeTrace>& nodes, const std::vector<TraceRecord>& records,
                    std::ostream& out) {
  const std::uint64_t start = records.empty() ? 0 : records.front().ns;
  Writer writer(out, start);
  Json about{{"start_ns", start}, {"nodes", Json::array()}};
  for (const NodeTrace& node : nodes) {
    const std::string name = "n" + std::to_string(node.node);
    writer.Name(Story::CpusOf(node.node), name + " CPUs", std::nullopt);
    for (std::uint32_t cpu = 0; cpu < node.cpus; ++cpu)
      writer.Name(Story::CpusOf(node.node), "CPU " + std::to_string(cpu), cpu);
    Json buffers = Json::array();
    for (const control::TraceChunk& one : node.buffers)
      buffers.push_back({{"of", one.source == TraceSource::kCpu ? "cpu" : "process"},
                         {"number", one.number},
                         {"logged", one.logged},
                         {"seen", one.seen},
                         {"lost", one.lost},
                         {"dropped", one.dropped}});
    about["nodes"].push_back({{"node", name},
                              {"clock_error_ns", node.clock.error_ns()},
                              {"clock_synchronized", node.clock.synchronized()},
                              {"buffers", buffers}});
  }
  Story story(writer);
  for (const TraceRecord& record : records) story.Tell(record);
  story.Over();
  writer.End(about);
}

}  // namespace k42::ctl
