#include "cluster-services/ctl/trace_gather.h"

#include <algorithm>
#include <cstring>

namespace k42::ctl {

using control::Json;

NodeClock::NodeClock(const Json& description) {
  mult_ = description.value("mult", std::uint64_t{1});
  shift_ = description.value("shift", std::uint64_t{0}) & 63;
  base_cycles_ = description.value("base_cycles", std::uint64_t{0});
  base_ns_ = description.value("base_ns", std::uint64_t{0});
  ns_per_cycle_ = static_cast<double>(mult_) / static_cast<double>(std::uint64_t{1} << shift_);
  for (const Json& pair : description.value("pairs", Json::array()))
    pairs_.push_back({pair.at(0).get<std::uint64_t>(), pair.at(1).get<std::uint64_t>(),
                      pair.at(2).get<std::uint64_t>()});
  // Over a second or more the pairs know the rate better than the guest does.
  constexpr std::uint64_t kLong = 1'000'000'000;
  if (pairs_.size() == 2 && pairs_[1].host_ns > pairs_[0].host_ns + kLong &&
      pairs_[1].cycles > pairs_[0].cycles)
    ns_per_cycle_ = static_cast<double>(pairs_[1].host_ns - pairs_[0].host_ns) /
                    static_cast<double>(pairs_[1].cycles - pairs_[0].cycles);
}

std::uint64_t NodeClock::SinceBoot(std::uint64_t cycles) const {
  using Wide = unsigned __int128;
  if (cycles < base_cycles_)
    return base_ns_;
  return base_ns_ + static_cast<std::uint64_t>(Wide{cycles - base_cycles_} * mult_ >> shift_);
}

std::uint64_t NodeClock::OfHost(std::uint64_t cycles) const {
  if (pairs_.empty())
    return SinceBoot(cycles);
  const Pair& from = pairs_.back();
  const auto since = static_cast<std::int64_t>(cycles - from.cycles);
  return from.host_ns + static_cast<std::uint64_t>(
                            static_cast<std::int64_t>(static_cast<double>(since) * ns_per_cycle_));
}

namespace {

// Takes whole chunks off the front of `bytes`. False: the stream makes no sense.
bool TakeChunks(std::string* bytes, NodeTrace* node) {
  std::size_t at = 0;
  control::TraceChunk chunk;
  while (bytes->size() - at >= sizeof chunk) {
    std::memcpy(&chunk, bytes->data() + at, sizeof chunk);
    if (chunk.words > (std::uint64_t{1} << 32))
      return false;
    if (bytes->size() - at - sizeof chunk < 8 * chunk.words)
      break;
    std::vector<std::uint64_t> words(chunk.words);
    if (!words.empty())
      std::memcpy(words.data(), bytes->data() + at + sizeof chunk, 8 * words.size());
    at += sizeof chunk + 8 * words.size();
    constexpr std::size_t kBefore = 2;  // sequence and context
    for (std::size_t i = 0; i + kBefore + trace::kRecordWords <= words.size();) {
      const auto header = trace::Header::Unpack(words[i + kBefore]);
      if (header.words < trace::kRecordWords || header.words > words.size() - i - kBefore)
        return false;
      const std::uint64_t* record = &words[i + kBefore];
      node->records.push_back({record[1],
                               0,
                               node->node,
                               chunk.source,
                               chunk.number,
                               words[i],
                               words[i + 1],
                               header,
                               {record + trace::kRecordWords, record + header.words}});
      i += kBefore + header.words;
    }
    const auto same = std::ranges::find_if(node->buffers, [&](const control::TraceChunk& one) {
      return one.buffer == chunk.buffer && one.number == chunk.number;
    });
    if (same == node->buffers.end())
      node->buffers.push_back(chunk);
    else
      *same = chunk;
  }
  bytes->erase(0, at);
  return true;
}

}  // namespace

Outcome<NodeTrace> GatherTrace(const control::Cluster& cluster, const std::string& name,
                               bool follow, const std::function<void(NodeTrace&)>& on_records) {
  const Outcome<std::string> socket = cluster.SocketFor(control::NodeNumber(name));
  if (!socket.ok())
    return {socket.status(), socket.detail()};
  Outcome<control::Channel> channel = control::Channel::Open(socket.value(), control::kAnswerLimit);
  if (!channel.ok())
    return {channel.status(), channel.detail()};
  const Json request{{"request", "trace"}, {"node", name}, {"action", "read"}, {"follow", follow}};
  if (!channel.value().Send(control::FrameType::kRequest, request.dump()))
    return {Status::kUnavailable, name + ": its daemon is gone"};
  NodeTrace node;
  std::string bytes;
  for (;;) {
    const Outcome<control::Frame> frame = follow && node.node != 0
                                              ? channel.value().Await()
                                              : channel.value().Await(control::kAnswerLimit);
    if (!frame.ok())
      return {frame.status(), name + ": " + frame.detail()};
    if (frame->type == control::FrameType::kExit)
      return node;
    if (frame->type == control::FrameType::kOutput) {
      bytes += frame->payload;
      if (!TakeChunks(&bytes, &node))
        return {Status::kCorrupt, name + ": the daemon's trace makes no sense"};
      if (on_records) {
        on_records(node);
        node.records.clear();
      }
      continue;
    }
    const Outcome<Json> answer = control::AnswerOf(frame.value());
    if (!answer.ok())
      return {answer.status(), name + ": " + answer.detail()};
    node.node = answer->value("node", 0u);
    node.cpus = answer->value("cpus", 0u);
    node.clock = NodeClock(answer->value("clock", Json::object()));
  }
}

std::vector<TraceRecord> MergeTraces(std::vector<NodeTrace>& nodes, bool host_clock) {
  std::vector<TraceRecord> all;
  for (NodeTrace& node : nodes) {
    for (TraceRecord& record : node.records) {
      record.ns =
          host_clock ? node.clock.OfHost(record.cycles) : node.clock.SinceBoot(record.cycles);
      all.push_back(std::move(record));
    }
    node.records.clear();
  }
  std::ranges::stable_sort(all, {}, &TraceRecord::ns);
  return all;
}

}  // namespace k42::ctl
