#include "trace/trace.h"

#include <algorithm>
#include <new>
#include <string_view>

#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/log.h"

extern "C" {
constinit k42::trace::Area k42_trace_area = {
    {'K', '4', '2', 'T', 'R', 'A', 'C', 'E'}, 1, k42::trace::CpuBuffer::kWords / 8, 8, 0, {}};
}

namespace k42::trace {

constinit std::atomic<std::uint32_t> detail::mask{0};

namespace {

constexpr const char* kClassNames[kClassCount] = {
    "control", "thread", "interrupt", "schedule", "memory", "ipc",  "object",
    "process", "file",   "stream",    "link",     "global", "user",
};

}  // namespace

void detail::Write(const EventInfo& info, std::span<const std::uint64_t> arguments) {
  CpuBuffer* buffer = k42_trace_area.buffers[machine::CurrentCpu()];
  if (buffer != nullptr) {
    buffer->Write(info, arguments, [] { return machine::MonotonicNs(); });
  }
}

void Start(machine::CpuId cpu, void* memory) {
  auto* words = reinterpret_cast<std::uint64_t*>(static_cast<char*>(memory) + sizeof(CpuBuffer));
  k42_trace_area.buffers[cpu] = new (memory) CpuBuffer(words);
  k42_trace_area.cpus = std::max(k42_trace_area.cpus, cpu + 1);
}

void SetMask(std::uint32_t mask) {
  detail::mask.store(mask | MaskOf(Class::kControl), std::memory_order_relaxed);
  Log(kMaskChanged, mask);
}

std::uint32_t GetMask() {
  return detail::mask.load(std::memory_order_relaxed);
}

std::uint32_t ParseMask(std::string_view names) {
  std::uint32_t mask = 0;
  while (!names.empty()) {
    const std::size_t comma = std::min(names.find(','), names.size());
    const std::string_view name(names.data(), comma);
    for (std::uint32_t i = 0; i < kClassCount; ++i) {
      if (name == kClassNames[i] || name == "all") {
        mask |= 1u << i;
      }
    }
    names.remove_prefix(std::min(comma + 1, names.size()));
  }
  return mask;
}

std::size_t MaskNames(std::uint32_t mask, std::span<char> text) {
  std::size_t size = 0;
  for (std::uint32_t i = 1; i < kClassCount; ++i) {
    if ((mask & 1u << i) != 0)
      size += Format(text.subspan(size), "{}{}", size == 0 ? "" : ",", kClassNames[i]);
    size = std::min(size, text.size());
  }
  return size;
}

const CpuBuffer* BufferOf(machine::CpuId cpu) {
  return k42_trace_area.buffers[cpu];
}

std::size_t Describe(const Header& header, std::span<const std::uint64_t> arguments,
                     std::span<char> text) {
  const EventInfo* info = FindEvent(header.number);
  if (info == nullptr) {
    return std::min(text.size(),
                    Format(text, "event {} with {} arguments", header.number, arguments.size()));
  }
  FormatArg args[kMaxArguments];
  const std::size_t count = std::min<std::size_t>(arguments.size(), info->arguments);
  for (std::size_t i = 0; i < count && i < kMaxArguments; ++i) {
    args[i] = ToFormatArg(arguments[i]);
  }
  std::size_t size = std::min(text.size(), Format(text, "{}: ", info->name));
  size += FormatArgs(text.subspan(size), info->format, std::span(args, count));
  return std::min(text.size(), size);
}

void PrintLast(std::uint32_t count) {
  for (machine::CpuId cpu = 0; cpu < k42_trace_area.cpus; ++cpu) {
    const CpuBuffer* buffer = BufferOf(cpu);
    if (buffer == nullptr) {
      continue;
    }
    std::uint32_t have = 0;
    buffer->ForEach([&have](auto&&...) { ++have; });
    std::uint32_t skip = have > count ? have - count : 0;
    buffer->ForEach(
        [&](std::uint64_t time, const Header& header, std::span<const std::uint64_t> arguments) {
          if (skip != 0) {
            --skip;
            return;
          }
          char text[160];
          const std::size_t size = Describe(header, arguments, text);
          machine::Log("trace {2} {12} ns {}", cpu, time, std::string_view(text, size));
        });
  }
}

}  // namespace k42::trace
