#include "cluster-services/ctl/trace_command.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <set>
#include <sstream>

#include "abi/trace_text.h"
#include "cluster-services/ctl/commands.h"
#include "cluster-services/ctl/trace_gather.h"
#include "cluster-services/ctl/trace_json.h"

namespace k42::ctl {
namespace {

using control::Json;
using control::TraceSource;

// The classes recorded afterwards, separated by commas. `classes` empty: only tells.
Outcome<std::string> SetMask(const control::Cluster& cluster, const std::string& node,
                             const std::vector<std::string>& classes) {
  const Outcome<std::string> socket = cluster.SocketFor(control::NodeNumber(node));
  if (!socket.ok())
    return {socket.status(), socket.detail()};
  const Outcome<Json> answer =
      control::Ask(socket.value(),
                   {{"request", "trace"}, {"node", node}, {"action", "mask"}, {"majors", classes}});
  if (!answer.ok())
    return {answer.status(), node + ": " + answer.detail()};
  return answer->value("classes", "");
}

bool Wanted(const TraceRecord& record, const std::vector<std::string>& classes) {
  if (record.header.event_class == 0)
    return false;  // the buffers' own
  if (classes.empty() || record.header.event_class >= trace::kClassCount)
    return true;
  const std::string name = trace::kClassNames[record.header.event_class];
  for (const std::string& one : classes) {
    if (one == name || one == "all")
      return true;
  }
  return false;
}

void Print(const TraceRecord& record, bool with_node) {
  char text[200];
  const std::size_t size = trace::Describe(record.header, record.arguments, text);
  constexpr std::uint64_t kSecond = 1'000'000'000;
  std::printf("%6llu.%09llu ", static_cast<unsigned long long>(record.ns / kSecond),
              static_cast<unsigned long long>(record.ns % kSecond));
  if (with_node)
    std::printf("n%u ", record.node);
  std::printf("%s%u %.*s\n", record.source == TraceSource::kCpu ? "" : "p", record.number,
              static_cast<int>(size), text);
}

void PrintLosses(const std::vector<NodeTrace>& nodes) {
  for (const NodeTrace& node : nodes) {
    for (const control::TraceChunk& one : node.buffers) {
      if (one.lost + one.dropped != 0)
        std::fprintf(stderr, "n%u %s %u: %llu of %llu events were overwritten, %llu not written\n",
                     node.node, one.source == TraceSource::kCpu ? "CPU" : "process", one.number,
                     static_cast<unsigned long long>(one.lost),
                     static_cast<unsigned long long>(one.logged),
                     static_cast<unsigned long long>(one.dropped));
    }
  }
}

// What would end us waits, for the life of the object, and can be polled for.
class HeldSignals {
 public:
  HeldSignals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, number);
    sigprocmask(SIG_BLOCK, &set, &before_);
    descriptor_ = signalfd(-1, &set, SFD_CLOEXEC);
  }
  ~HeldSignals() {
    close(descriptor_);
    sigprocmask(SIG_SETMASK, &before_, nullptr);
  }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  int descriptor() const { return descriptor_; }

 private:
  sigset_t before_{};
  int descriptor_ = -1;
};

// Records `classes` on the nodes for some time; what was on before is on again afterwards.
Outcome<Done> Record(const control::Cluster& cluster, const std::vector<std::string>& nodes,
                     const TraceOptions& options) {
  const std::vector<std::string> classes =
      options.classes.empty() ? std::vector<std::string>{"all"} : options.classes;
  std::vector<std::string> before;
  for (const std::string& node : nodes) {
    const Outcome<std::string> mask = SetMask(cluster, node, {});
    if (!mask.ok())
      return {mask.status(), mask.detail()};
    before.push_back(mask.value().empty() ? "none" : mask.value());
  }
  const HeldSignals signals;  // until the nodes are as they were
  Outcome<Done> result = Done{};
  std::size_t on = 0;
  for (; on < nodes.size() && result.ok(); ++on) {
    const Outcome<std::string> mask = SetMask(cluster, nodes[on], classes);
    if (!mask.ok())
      result = {mask.status(), mask.detail()};
  }
  if (result.ok()) {
    pollfd polled{signals.descriptor(), POLLIN, 0};
    poll(&polled, 1, static_cast<int>(options.seconds * 1000));
  }
  for (std::size_t i = 0; i < on; ++i) {
    const Outcome<std::string> mask = SetMask(cluster, nodes[i], {before[i]});
    if (!mask.ok() && result.ok())
      result = {mask.status(), mask.detail()};
  }
  return result;
}

int Follow(const control::Cluster& cluster, const std::string& node, const TraceOptions& options) {
  const auto all = GatherTrace(cluster, node, true, [&](NodeTrace& trace) {
    std::vector<NodeTrace> one{trace};
    for (const TraceRecord& record : MergeTraces(one, false)) {
      if (Wanted(record, options.classes))
        Print(record, false);
    }
    std::fflush(stdout);
  });
  if (!all.ok())
    return Complain(all.detail());
  PrintLosses({all.value()});
  return 0;
}

// To the file of that name; -: here.
template <typename Write>
int WriteOut(const std::string& name, Write write) {
  if (name == "-") {
    write(std::cout);
    return std::cout.flush() ? 0 : 1;
  }
  std::ofstream file(name);
  write(file);
  file.close();
  return file ? 0 : Complain("cannot write " + name);
}

// `classes` as the daemon names them, separated by commas.
void WriteMaskJson(const std::string& classes, std::ostream& out) {
  Json list = Json::array();
  std::istringstream names(classes);
  for (std::string name; std::getline(names, name, ',');) list.push_back(name);
  out << Json{{"classes", list}}.dump() << "\n";
}

}  // namespace

CLI::App* AddTrace(CLI::App& app, TraceOptions& options) {
  CLI::App* trace = app.add_subcommand(
      "trace",
      "what nodes have recorded: trace [--class CLASS,...] [--for SECONDS] [--json FILE] NODE...\n"
      "what they record:         trace --node NODE mask [CLASS... | none] [--json]");
  trace->add_option("--node", options.node, "which node (default: n1)");
  std::set<std::string> names(std::begin(trace::kClassNames), std::end(trace::kClassNames));
  names.insert("all");
  trace->add_option("--class", options.classes, "only these classes of events")
      ->delimiter(',')
      ->allow_extra_args(false)  // the next word is a node
      ->check(CLI::IsMember(names));
  trace->add_option("--for", options.seconds, "record for so many seconds first, then as before")
      ->check(CLI::Range(0.0, 3600.0));
  trace
      ->add_option("--json", options.json,
                   "write a file for Perfetto (ui.perfetto.dev), or the mask; -, nothing: here")
      ->expected(0, 1)
      ->default_str("-");
  trace->add_flag("--follow", options.follow, "go on until the node ends, or you do");
  trace->add_option("words", options.words, "nodes; or mask and classes; dump: as none");
  return trace;
}

int Trace(const control::Cluster& cluster, const TraceOptions& options) {
  std::vector<std::string> nodes = options.words;
  const std::string action = nodes.empty() ? "" : nodes.front();
  if (action == "mask" || action == "dump")
    nodes.erase(nodes.begin());
  if (action == "mask") {
    const Outcome<std::string> mask =
        SetMask(cluster, options.node.empty() ? "n1" : options.node, nodes);
    if (!mask.ok())
      return Complain(mask.detail());
    if (options.json.empty())
      return std::puts(mask->c_str()) < 0 ? 1 : 0;
    return WriteOut(options.json, [&](std::ostream& out) { WriteMaskJson(mask.value(), out); });
  }
  if (!options.node.empty())
    nodes.insert(nodes.begin(), options.node);
  if (nodes.empty())
    nodes.push_back("n1");
  for (const std::string& node : nodes) {
    if (control::NodeNumber(node) == 0)
      return Complain("'" + node + "' is no node (n1, n2, ...)");
  }
  if (options.seconds > 0) {
    const Outcome<Done> recorded = Record(cluster, nodes, options);
    if (!recorded.ok())
      return Complain(recorded.detail());
  }
  if (options.follow) {
    if (nodes.size() != 1 || !options.json.empty())
      return Complain("--follow shows one node, as text");
    return Follow(cluster, nodes.front(), options);
  }
  std::vector<NodeTrace> traces;
  for (const std::string& node : nodes) {
    Outcome<NodeTrace> trace = GatherTrace(cluster, node, false);
    if (!trace.ok())
      return Complain(trace.detail());
    traces.push_back(std::move(trace.value()));
  }
  std::vector<TraceRecord> records = MergeTraces(traces, nodes.size() > 1 || !options.json.empty());
  std::erase_if(records,
                [&](const TraceRecord& record) { return !Wanted(record, options.classes); });
  PrintLosses(traces);
  if (options.json.empty()) {
    for (const TraceRecord& record : records) Print(record, nodes.size() > 1);
    return 0;
  }
  return WriteOut(options.json, [&](std::ostream& out) { WriteTraceJson(traces, records, out); });
}

}  // namespace k42::ctl
