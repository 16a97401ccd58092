// Everybody with everybody, one-sided, while daemons die and ways are cut (tests/cluster/link.py
// load-*): every operation ends once, as what it says. Each CPU of each node has a share of each
// other node's window, which it alone changes:
//
//   adds    fetch-and-adds of 1: what is there lies between what was Done, and that and the Unknown
//   chain   compare-and-swaps to the next number: the same, step by step
//   block   a put, and a get of it: what came back is that put, whole, and no older one comes later
//
// At the end each sender puts what it counted into its shares, and the owner of the window looks.
#include <atomic>
#include <cstring>
#include <string_view>

#include "guest/guest_test.h"
#include "guest/link_support.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "mem/heap.h"

namespace k42 {
namespace {

using abi::OperationKind;
using abi::Outcome;
using global::LinkPeer;
using guest::kSecond;

constexpr std::uint32_t kMaxNode = 16, kMaxCpus = 2;
constexpr std::uint64_t kShare = 8192, kBlock = 4096;
constexpr std::uint64_t kReportAt = 64, kBlockAt = 4096;
constexpr std::uint64_t kWindow = kMaxNode * kMaxCpus * kShare;
constexpr std::uint64_t kBudgetNs = kSecond / 2;
constexpr std::uint64_t kFinished = 0x4b343246'494e4953;

struct alignas(abi::kCacheLine) Counted {  // lands whole: it is one line
  std::uint64_t adds_done = 0, adds_unknown = 0;
  std::uint64_t chain = 0, chain_unknown = 0;  // the last: one more may have happened
  std::uint64_t operations = 0, unknown = 0, not_sent = 0;
  std::uint64_t finished = 0;
};
static_assert(sizeof(Counted) == abi::kCacheLine);

struct Request : global::LinkRequest {
  machine::Thread* waiter = nullptr;
  std::uint32_t ends = 0;
};

constinit std::atomic<std::uint32_t> senders{0};
abi::WindowId window = 0;  // of every node: all open theirs as the first
std::uint64_t stop_at = 0;

std::uint64_t ShareAt(std::uint32_t node, machine::CpuId cpu) {
  return (node * kMaxCpus + cpu) * kShare;
}

std::uint64_t SecondsOf(std::string_view option, std::string_view unless) {
  std::uint64_t seconds = 0;
  for (const char c : machine::BootOption(option, unless))
    seconds = seconds * 10 + static_cast<std::uint64_t>(c - '0');
  return seconds;
}
// How long after the load reports may take on their way.
std::uint64_t PatienceNs() {
  return SecondsOf("load_patience", "60") * kSecond;
}

// One CPU of this node towards one other node.
class Sender {
 public:
  Sender(LinkPeer to, const global::ArenaRange& local)
      : to_(to),
        local_(local),
        share_(ShareAt(boot::TheLink().Self().node, machine::CurrentCpu())) {}

  void Round() {
    Add();
    Swap();
    PutAndGet();
  }
  void Report() {
    counted_.finished = kFinished;
    std::memcpy(local_.memory, &counted_, sizeof counted_);
    const std::uint64_t until = machine::MonotonicNs() + PatienceNs();
    while (Do(OperationKind::kPut, share_ + kReportAt, sizeof counted_) != Outcome::kDone &&
           machine::MonotonicNs() < until)
      global::Pause(kSecond / 50);
    EXPECT(request_.outcome == Outcome::kDone);
  }

 private:
  Outcome Do(OperationKind kind, std::uint64_t remote, std::uint32_t length,
             std::uint64_t operand = 0, std::uint64_t compare = 0) {
    EXPECT_EQ(request_.ends, 1u);  // the last one's end, and no second
    request_.ends = 0;
    request_.waiter = machine::Thread::Current();
    request_.kind = kind;
    request_.channel = abi::Channel::kEcho;
    request_.peer = to_;
    request_.budget_ns = kBudgetNs;
    request_.local_offset = local_.offset + (kind == OperationKind::kGet ? kBlock : 0);
    request_.length = length;
    request_.window = window;
    request_.remote_offset = remote;
    request_.operand = operand;
    request_.compare = compare;
    request_.done = [](global::LinkRequest& ended) {
      auto& own = static_cast<Request&>(ended);
      ++own.ends;
      own.waiter->Unblock();
    };
    boot::TheLink().Submit(request_);
    while (request_.ends == 0) machine::Thread::BlockExternal();
    ++counted_.operations;
    counted_.unknown += request_.outcome == Outcome::kUnknown;
    counted_.not_sent += request_.outcome == Outcome::kNotSent;
    return request_.outcome;
  }

  void Add() {
    const std::uint64_t most = counted_.adds_done + counted_.adds_unknown;
    switch (Do(OperationKind::kFetchAdd, share_, 8, 1)) {
      case Outcome::kDone:
        EXPECT(request_.value >= counted_.adds_done && request_.value <= most);
        ++counted_.adds_done;
        break;
      case Outcome::kUnknown:
        ++counted_.adds_unknown;
        break;
      default:
        break;
    }
  }

  void Swap() {
    const Outcome outcome =
        Do(OperationKind::kCompareSwap, share_ + 8, 8, counted_.chain + 1, counted_.chain);
    if (outcome == Outcome::kUnknown)
      counted_.chain_unknown = 1;
    if (outcome != Outcome::kDone)
      return;
    // Where the one before was Unknown, it may have been the one that did it.
    const bool before = request_.value == counted_.chain + 1 && counted_.chain_unknown != 0;
    EXPECT(request_.value == counted_.chain || before);
    ++counted_.chain;
    counted_.chain_unknown = 0;
  }

  void PutAndGet() {
    auto* words = reinterpret_cast<std::uint64_t*>(local_.memory);
    ++sequence_;
    for (std::uint64_t i = 0; i < kBlock / 8; ++i) words[i] = Pattern(i);
    if (Do(OperationKind::kPut, share_ + kBlockAt, kBlock) != Outcome::kDone)
      return;
    auto* back = reinterpret_cast<std::uint64_t*>(local_.memory + kBlock);
    std::memset(back, 0xee, kBlock);
    if (Do(OperationKind::kGet, share_ + kBlockAt, kBlock) != Outcome::kDone)
      return;
    for (std::uint64_t i = 0; i < kBlock / 8; ++i) {
      if (back[i] != Pattern(i)) {
        machine::Log("  word {} of put {} to {} came back as {x}", i, sequence_, to_.node, back[i]);
        EXPECT(!"a put that was Done is there, whole");
        return;
      }
    }
  }
  std::uint64_t Pattern(std::uint64_t i) const { return sequence_ << 16 | i; }

  const LinkPeer to_;
  const global::ArenaRange local_;
  const std::uint64_t share_;
  std::uint64_t sequence_ = 0;
  Counted counted_;
  Request request_{{}, nullptr, 1};
};

void Send(void*) {
  const LinkPeer self = boot::TheLink().Self();
  const auto local = boot::TheLink().memory().Allocate(2 * kBlock, abi::ChunkUse::kStream);
  REQUIRE(local.ok());
  Sender* to[kMaxNode] = {};
  for (LinkPeer at = boot::TheView().Next(0); at.node != 0; at = boot::TheView().Next(at.node)) {
    if (at != self)
      to[at.node] = mem::New<Sender>(at, local.value()).value();
  }
  while (machine::MonotonicNs() < stop_at) {
    for (Sender* sender : to) {
      if (sender != nullptr)
        sender->Round();
    }
  }
  for (Sender* sender : to) {
    if (sender != nullptr) {
      sender->Report();
      mem::Delete(sender);
    }
  }
  senders.fetch_sub(1);
  machine::Thread::Exit();
}

std::uint64_t Load(const std::byte* at) {
  return reinterpret_cast<const std::atomic<std::uint64_t>*>(at)->load(std::memory_order_acquire);
}

// What `from` changed here, against what it says.
void Check(std::byte* memory, LinkPeer from, machine::CpuId cpu, std::uint64_t until,
           Counted* total) {
  const std::byte* share = memory + ShareAt(from.node, cpu);
  const std::byte* report = share + kReportAt;
  while (Load(report + offsetof(Counted, finished)) != kFinished && machine::MonotonicNs() < until)
    global::Pause(kSecond / 20);
  Counted counted;
  std::memcpy(&counted, report, sizeof counted);
  EXPECT_EQ(counted.finished, kFinished);
  const std::uint64_t adds = Load(share), chain = Load(share + 8);
  EXPECT(adds >= counted.adds_done && adds <= counted.adds_done + counted.adds_unknown);
  EXPECT(chain >= counted.chain && chain <= counted.chain + counted.chain_unknown);
  EXPECT(counted.adds_done > 0);
  total->operations += counted.operations;
  total->unknown += counted.unknown;
  total->not_sent += counted.not_sent;
}

}  // namespace

GUEST_TEST(link_load) {
  if (!boot::TheLink().started() || guest::MembersWanted() == 0)
    SKIP("no peers");
  const auto range = boot::TheLink().memory().Allocate(kWindow, abi::ChunkUse::kStream);
  REQUIRE(range.ok());
  const auto opened = boot::TheLink().memory().OpenWindow(
      range.value(), abi::kAccessRead | abi::kAccessWrite | abi::kAccessAtomic);
  REQUIRE(opened.ok());
  window = opened.value();
  REQUIRE(guest::WaitUntilUp());
  REQUIRE(guest::WaitForMembers());
  REQUIRE(machine::CpuCount() <= kMaxCpus && guest::MembersWanted() < kMaxNode);
  stop_at = machine::MonotonicNs() + SecondsOf("load_seconds", "5") * kSecond;
  machine::Log("  under load");
  senders = machine::CpuCount();
  for (machine::CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu)
    REQUIRE(machine::Thread::Create("sender", Send, nullptr, cpu).ok());
  while (senders != 0) global::Pause(kSecond / 20);
  // Others ended their load about when this node did; the seconds more are for the difference.
  const std::uint64_t until = stop_at + PatienceNs() + 10 * kSecond;
  const LinkPeer self = boot::TheLink().Self();
  Counted total;
  for (LinkPeer at = boot::TheView().Next(0); at.node != 0; at = boot::TheView().Next(at.node)) {
    for (machine::CpuId cpu = 0; at != self && cpu < machine::CpuCount(); ++cpu)
      Check(range.value().memory, at, cpu, until, &total);
  }
  machine::Log("  {} operations came, {} of them unknown and {} not sent", total.operations,
               total.unknown, total.not_sent);
  global::Pause(5 * kSecond);  // others may still be told that their reports arrived
}

}  // namespace k42
