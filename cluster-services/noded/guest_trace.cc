#include "cluster-services/noded/guest_trace.h"

#include <cstring>
#include <vector>

namespace k42::noded {
namespace {

constexpr std::uint64_t kPage = 4096;

// A trace buffer in guest RAM. What cannot be read is zero: an empty buffer.
class RamBuffer {
 public:
  static constexpr bool kCopies = true;
  RamBuffer(const interconnect::GuestMemory& memory, std::uint64_t address)
      : memory_(memory), address_(address) {}

  std::uint64_t Control(std::uint32_t at) const {
    std::uint64_t word = 0;
    if (!memory_.ReadObject(address_ + at, &word))
      word = 0;
    return word;
  }
  void Fetch(std::uint32_t at, std::uint32_t bytes) {
    from_ = at;
    copy_.assign(bytes / 8, 0);
    (void)memory_.Read(address_ + trace::kTraceHeadBytes + at,
                       std::as_writable_bytes(std::span(copy_)));
  }
  std::uint64_t Data(std::uint32_t at) const { return copy_[(at - from_) / 8]; }

 private:
  const interconnect::GuestMemory& memory_;
  const std::uint64_t address_;
  std::uint32_t from_ = 0;
  std::vector<std::uint64_t> copy_;
};

void AppendWord(std::string* to, std::uint64_t word) {
  to->append(reinterpret_cast<const char*>(&word), sizeof word);
}

}  // namespace

bool GuestTrace::ReadArea(trace::TraceArea* area) {
  auto read = [this, area](std::uint64_t at) {
    return memory_.Read(at, {reinterpret_cast<std::byte*>(area), sizeof *area}) &&
           area->magic[0] == trace::kAreaMagic[0] && area->magic[1] == trace::kAreaMagic[1];
  };
  if (area_ != 0 && !read(area_))
    area_ = 0;
  for (std::uint64_t at = trace::kTraceSearchFrom;
       area_ == 0 && at < trace::kTraceSearchFrom + trace::kTraceSearchSize; at += kPage) {
    std::uint64_t magic = 0;
    if (!memory_.ReadObject(at, &magic))
      break;
    if (magic == trace::kAreaMagic[0] && read(at))
      area_ = at;
  }
  return area_ != 0 && area->version == trace::kAreaVersion && area->size == sizeof *area &&
         area->cpus <= trace::kAreaMaxCpus;
}

void GuestTrace::PollBuffer(const Shape& shape, trace::ReadState* state, bool last,
                            control::TraceSource source, std::uint32_t number, std::string* to) {
  RamBuffer buffer(memory_, shape.address);
  trace::BufferReader<RamBuffer> reader(buffer, shape.block_bytes, trace::kTraceBlocks);
  control::TraceChunk chunk{};
  const std::size_t start = to->size();
  to->append(sizeof chunk, '\0');
  reader.Visit(*state, last, [to](const trace::Record& record) {
    AppendWord(to, record.sequence);
    AppendWord(to, record.context);
    AppendWord(to, record.header.Pack());
    AppendWord(to, record.time);
    for (const std::uint64_t argument : record.arguments) AppendWord(to, argument);
  });
  chunk.source = source;
  chunk.number = number;
  chunk.buffer = shape.address;
  chunk.logged = state->logged;
  chunk.seen = state->seen;
  chunk.lost = state->lost;
  chunk.dropped = state->dropped;
  chunk.words = (to->size() - start - sizeof chunk) / 8;
  std::memcpy(to->data() + start, &chunk, sizeof chunk);
}

bool GuestTrace::Poll(bool last, std::string* to) {
  trace::TraceArea area;
  if (!ReadArea(&area))
    return false;
  for (std::uint32_t cpu = 0; cpu < area.cpus; ++cpu) {
    if (area.buffers[cpu] != 0)
      PollBuffer({area.buffers[cpu], trace::kCpuBlockBytes}, &cpus_[cpu], last,
                 control::TraceSource::kCpu, cpu, to);
  }
  for (std::uint32_t i = 0; i < trace::kMaxUserTraces; ++i) {
    const trace::UserTrace& user = area.users[i];
    const std::uint64_t turn = user.turn.load(std::memory_order_relaxed);
    if (turn % 2 == 0)
      continue;
    // The buffer may go to somebody else while it is read: then it was not this one.
    const std::size_t start = to->size();
    trace::ReadState state;
    if (programs_[i].turn == turn)
      state = programs_[i].state;
    PollBuffer({user.address, trace::kUserBlockBytes}, &state, last, control::TraceSource::kProgram,
               user.process, to);
    std::uint64_t turn_now = 0;
    const std::uint64_t at = area_ + offsetof(trace::TraceArea, users) + i * sizeof user;
    if (!memory_.ReadObject(at, &turn_now) || turn_now != turn)
      to->resize(start);
    else
      programs_[i] = {turn, state};
  }
  return true;
}

}  // namespace k42::noded
