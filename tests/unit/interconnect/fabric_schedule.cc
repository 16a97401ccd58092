#include "unit/interconnect/fabric_schedule.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace k42::interconnect {
namespace {

// Where things lie in every node's data area.
constexpr std::uint64_t kSources = 0;
constexpr std::uint64_t kLandings = 0x4000;
constexpr std::uint64_t kPutArea = 0x8000;
constexpr std::uint64_t kPattern = 0x10000;
constexpr std::uint64_t kPatternSize = 4096;
constexpr std::uint64_t kAtomics = 0x12000;
constexpr std::uint64_t kLockWord = 8;
constexpr std::uint32_t kPutWindow = 1;
constexpr std::uint32_t kPatternWindow = 2;
constexpr std::uint32_t kAtomicWindow = 3;
constexpr std::uint32_t kHome = 0;  // of the counter and the lock; never fenced
constexpr std::byte kOurs{0xee};    // written where memory has come back to the submitter
constexpr std::uint32_t kTear = 64;

std::uint64_t Mixed(std::uint64_t value) {
  value *= 0x9e3779b97f4a7c15u;
  return value ^ (value >> 29);
}

void Fill(std::byte* at, std::size_t size, std::uint64_t seed) {
  for (std::size_t i = 0; i < size; i += sizeof(std::uint64_t)) {
    std::uint64_t word = Mixed(seed * 64 + i);
    std::memcpy(at + i, &word, sizeof(word));
  }
}

bool Holds(const std::byte* at, std::size_t size, std::uint64_t seed) {
  std::vector<std::byte> wanted(size);
  Fill(wanted.data(), size, seed);
  return std::memcmp(at, wanted.data(), size) == 0;
}

}  // namespace

struct FabricSchedule::Node final : Events {
  FabricSchedule* schedule = nullptr;
  std::uint32_t number = 0;
  LocalIdentity identity;
  std::unique_ptr<Arena> arena;
  std::unique_ptr<LoopbackTransport> transport;
  std::uint64_t life = 1;  // with the other's: their bond
  Slot slots[kSlots];
  PutSlot put_slots[kNodes][kSlots];
  std::uint64_t area_epoch[kNodes] = {};
  bool revoking = false;
  abi::WindowId put_window = 0;
  abi::WindowId pattern_window = 0;
  abi::WindowId atomic_window = 0;
  LockState lock = LockState::kIdle;

  PeerId id() const { return identity.self; }
  PeerInfo info() const { return {id(), identity.secret, "loopback"}; }
  std::uint64_t Place(std::uint64_t offset) const { return arena->layout().data + offset; }
  std::byte* At(std::uint64_t offset) { return arena->At(Place(offset)); }
  std::byte* Source(std::uint32_t slot) { return At(kSources + slot * kSlotSize); }
  std::byte* Landing(std::uint32_t slot) { return At(kLandings + slot * kSlotSize); }
  static std::uint64_t PutOffset(std::uint32_t sender, std::uint32_t slot) {
    return (sender * kSlots + slot) * std::uint64_t{kSlotSize};
  }
  std::byte* PutPlace(std::uint32_t sender, std::uint32_t slot) {
    return At(kPutArea + PutOffset(sender, slot));
  }
  abi::WindowId Open(std::uint32_t index, std::uint64_t offset, std::uint64_t size) {
    abi::WindowEntry& entry = arena->window(index);
    entry.access = abi::kAccessAll;
    entry.offset = Place(offset);
    entry.size = size;
    std::uint32_t generation = entry.generation.load() + 1;
    entry.generation.store(generation);
    return abi::MakeWindowId(index, generation);
  }

  void OnMessage(PeerId from, abi::Channel channel, std::uint32_t cpu,
                 std::span<const std::byte> message) override {
    schedule->OnMessage(number, from, channel, cpu, message);
  }
  void OnNotify(PeerId from, abi::Channel, std::uint32_t, std::uint64_t word) override {
    schedule->OnNotify(number, from, word);
  }
  void OnCompletion(const Completion& completion) override {
    schedule->OnCompletion(number, completion);
  }
  void OnPeerDown(PeerId, Status) override {}
};

FabricSchedule::FabricSchedule(std::uint64_t seed, Mutation mutation)
    : mutation_(mutation),
      random_(seed),
      fabric_(seed,
              Faults{.max_delay_ns = kMaxDelayNs,
                     .breaks_per_million = 20'000,
                     .repeats_per_million = 50'000,
                     .without_fence = mutation == Mutation::kNoFence,
                     .without_deduplication = mutation == Mutation::kNoDeduplication},
              clock_),
      ops_(1) {
  constexpr std::uint64_t kArenaSize = 8 << 20;
  for (std::uint32_t i = 0; i < kNodes; ++i) {
    auto node = std::make_unique<Node>();
    node->schedule = this;
    node->number = i;
    node->identity.self = {i + 1, 100 + i};
    node->identity.cluster_id = 42;
    node->identity.daemon_generation = 1;
    node->identity.secret.fill(static_cast<std::byte>(i + 1));
    node->arena = Arena::CreateFormatted(kArenaSize, 2);
    node->transport =
        std::make_unique<LoopbackTransport>(fabric_, node->identity, *node->arena, *node);
    nodes_.push_back(std::move(node));
    OpenPutWindow(i);
    Node& made = *nodes_.back();
    made.pattern_window = made.Open(kPatternWindow, kPattern, kPatternSize);
    made.atomic_window = made.Open(kAtomicWindow, kAtomics, 64);
    Fill(made.At(kPattern), kPatternSize, ~std::uint64_t{i});
    std::memset(made.At(kLandings), static_cast<int>(kOurs), kSlots * kSlotSize);
  }
  for (auto& node : nodes_) {
    for (auto& peer : nodes_) {
      if (peer != node)
        node->transport->AddPeer(peer->info());
    }
  }
}

FabricSchedule::~FabricSchedule() = default;

std::uint64_t FabricSchedule::Bond(std::uint32_t a, std::uint32_t b) const {
  return nodes_[a]->life * 1000 + nodes_[b]->life;
}

void FabricSchedule::Fail(const std::string& what, std::uint64_t token) {
  if (broken_.empty())
    broken_ = what + (token == 0 ? "" : ", request " + std::to_string(token));
}

std::string FabricSchedule::Run() {
  for (std::uint32_t i = 0; i < kMoves && broken_.empty(); ++i) {
    Move();
    if (i % 16 == 0)
      CheckPutSlots();
  }
  if (broken_.empty())
    Drain();
  if (broken_.empty())
    CheckEnd();
  return broken_;
}

void FabricSchedule::Move() {
  std::uint32_t number = static_cast<std::uint32_t>(Random(kNodes));
  std::uint32_t other = static_cast<std::uint32_t>((number + 1 + Random(kNodes - 1)) % kNodes);
  std::uint64_t what = Random(100);
  if (what < 45) {
    Operate();
  } else if (what < 55) {
    MoveLock(number);
  } else if (what < 58) {
    fabric_.Cut(number + 1, other + 1);
  } else if (what < 64) {
    fabric_.Heal(number + 1, other + 1);
  } else if (what < 66) {
    Rejoin(number);
  } else if (what < 68) {
    Revoke(number);
  } else {
    clock_.Advance(Random(40'000));
    nodes_[number]->transport->Progress();
  }
}

// -- operations -----------------------------------------------------------------------------------

void FabricSchedule::Submit(std::uint32_t from, Op op) {
  op.from = from;
  op.bond = Bond(from, op.to);
  op.request.peer = nodes_[op.to]->id();
  op.request.token = ops_.size();
  if (Random(4) == 0)
    op.request.deadline_ns = clock_.NowNs() + Random(500'000) + 1;
  ops_.push_back(op);
  nodes_[from]->transport->Submit(op.request);
}

void FabricSchedule::Operate() {
  auto from = static_cast<std::uint32_t>(Random(kNodes));
  auto slot = static_cast<std::uint32_t>(Random(kSlots));
  auto to = static_cast<std::uint32_t>((from + 1 + Random(kNodes - 1)) % kNodes);
  Slot& state = nodes_[from]->slots[slot];
  if (!state.busy && state.rests_until_ns <= clock_.NowNs())
    OperateOn(from, to, slot);
}

void FabricSchedule::OperateOn(std::uint32_t from, std::uint32_t to, std::uint32_t slot) {
  Node& us = *nodes_[from];
  Node& them = *nodes_[to];
  Op op;
  op.to = to;
  op.slot = slot;
  Request& request = op.request;
  std::uint64_t token = ops_.size();
  request.length = static_cast<std::uint32_t>(8 + 8 * Random(kSlotSize / 8));
  request.local_offset = us.Place(kSources + slot * kSlotSize);
  constexpr OperationKind kKinds[] = {OperationKind::kSend, OperationKind::kSend,
                                      OperationKind::kPut,  OperationKind::kPutNotify,
                                      OperationKind::kGet,  OperationKind::kFetchAdd,
                                      OperationKind::kFlush};
  request.kind = kKinds[Random(std::size(kKinds))];
  Fill(us.Source(slot), request.length, token);
  switch (request.kind) {
    case OperationKind::kSend:
      request.channel = static_cast<abi::Channel>(Random(abi::kChannelCount));
      request.receiver_cpu = static_cast<std::uint32_t>(token % 2);
      std::memcpy(us.Source(slot), &token, sizeof(token));
      break;
    case OperationKind::kPut:
    case OperationKind::kPutNotify: {
      request.window = them.put_window;
      request.remote_offset = Node::PutOffset(from, slot);
      request.operand = token;
      op.area_epoch = them.area_epoch[from];
      PutSlot& place = them.put_slots[from][slot];
      std::memcpy(place.settled.data(), them.PutPlace(from, slot), kSlotSize);
      place.token = token;
      break;
    }
    case OperationKind::kGet:
      request.local_offset = us.Place(kLandings + slot * kSlotSize);
      request.window = them.pattern_window;
      request.remote_offset = 0;
      break;
    case OperationKind::kFetchAdd:
      op.to = from == kHome ? to : kHome;
      if (op.to != kHome)
        return;
      request.window = nodes_[kHome]->atomic_window;
      request.remote_offset = 0;
      request.operand = 1;
      break;
    default:
      request.length = 0;
      break;
  }
  us.slots[slot].busy = true;
  Submit(from, op);
}

void FabricSchedule::OnMessage(std::uint32_t at, PeerId from, abi::Channel channel,
                               std::uint32_t cpu, std::span<const std::byte> message) {
  std::uint64_t token = 0;
  if (message.size() < sizeof(token))
    return Fail("a message came short");
  std::memcpy(&token, message.data(), sizeof(token));
  if (token == 0 || token >= ops_.size() || ops_[token].request.kind != OperationKind::kSend)
    return Fail("a message nobody sent");
  Op& op = ops_[token];
  std::vector<std::byte> wanted(op.request.length);
  Fill(wanted.data(), wanted.size(), token);
  std::memcpy(wanted.data(), &token, sizeof(token));
  if (!std::equal(message.begin(), message.end(), wanted.begin(), wanted.end()))
    Fail("a message with other contents", token);
  if (op.to != at || op.request.channel != channel || op.request.receiver_cpu != cpu ||
      from.node != op.from + 1)
    Fail("a message at the wrong place", token);
  if (op.bond != Bond(op.from, op.to))
    Fail("a message of who has been removed", token);
  if (op.ended && op.outcome == Outcome::kNotSent)
    Fail("a message that was not sent arrived", token);
  if (++op.arrived > 1)
    Fail("a message arrived twice", token);
  std::uint64_t& last =
      last_order_[{from.node, from.incarnation, at, static_cast<std::uint64_t>(channel)}];
  if (token < last)
    Fail("messages out of order", token);
  last = token;
}

void FabricSchedule::OnNotify(std::uint32_t at, PeerId from, std::uint64_t word) {
  if (word == 0 || word >= ops_.size() || ops_[word].request.kind != OperationKind::kPutNotify)
    return Fail("a notification nobody sent");
  Op& op = ops_[word];
  if (op.to != at || from.node != op.from + 1 || op.bond != Bond(op.from, op.to))
    Fail("a notification of who has been removed", word);
  if (++op.arrived > 1)
    Fail("a notification came twice", word);
  Node& node = *nodes_[at];
  if (op.area_epoch == node.area_epoch[op.from] && node.put_slots[op.from][op.slot].token == word &&
      !Holds(node.PutPlace(op.from, op.slot), op.request.length, word))
    Fail("a notification before its data", word);
}

void FabricSchedule::OnCompletion(std::uint32_t at, const Completion& completion) {
  if (auto it = revokes_.find(completion.token); it != revokes_.end()) {
    revokes_.erase(it);
    return Revoked(at);
  }
  if (completion.token == 0 || completion.token >= ops_.size())
    return Fail("an end of no request");
  Op& op = ops_[completion.token];
  if (op.ended || op.from != at)
    return Fail("a second end", completion.token);
  op.ended = true;
  op.outcome = completion.outcome;
  if (completion.outcome == Outcome::kNone)
    Fail("an end without outcome", completion.token);
  bool current = op.bond == Bond(op.from, op.to);
  if (op.for_lock) {
    if (current)
      LockEnded(at, completion);
    return;
  }
  Slot& slot = nodes_[at]->slots[op.slot];
  slot.busy = false;
  if (completion.outcome == Outcome::kUnknown)
    slot.rests_until_ns = clock_.NowNs() + 2 * kMaxDelayNs;
  std::memset(nodes_[at]->Source(op.slot), static_cast<int>(kOurs), kSlotSize);
  switch (op.request.kind) {
    case OperationKind::kPut:
    case OperationKind::kPutNotify:
      EndPut(op);
      break;
    case OperationKind::kGet:
      EndGet(op);
      break;
    case OperationKind::kFetchAdd:
      if (completion.outcome == Outcome::kDone) {
        ++added_;
        if (!added_values_.insert(completion.value).second)
          Fail("fetch-and-add gave a value twice", completion.token);
      } else if (completion.outcome == Outcome::kUnknown) {
        ++maybe_added_;
      }
      break;
    default:
      break;
  }
}

void FabricSchedule::EndPut(Op& op) {
  Node& target = *nodes_[op.to];
  if (op.area_epoch != target.area_epoch[op.from])
    return;  // wiped since
  PutSlot& place = target.put_slots[op.from][op.slot];
  std::byte* at = target.PutPlace(op.from, op.slot);
  if (op.outcome == Outcome::kUnknown)
    return;  // place.token stays: CheckPutSlots takes old and new
  place.token = 0;
  if (op.outcome == Outcome::kDone) {
    if (!Holds(at, op.request.length, op.request.token))
      Fail("a put was done without its bytes", op.request.token);
    Fill(place.settled.data(), op.request.length, op.request.token);
  }
}

void FabricSchedule::EndGet(Op& op) {
  std::byte* landing = nodes_[op.from]->Landing(op.slot);
  if (op.outcome == Outcome::kDone && !Holds(landing, op.request.length, ~std::uint64_t{op.to}))
    Fail("a get was done without its bytes", op.request.token);
  std::memset(landing, static_cast<int>(kOurs), kSlotSize);
}

// -- a lock made of compare-and-swap --------------------------------------------------------------

void FabricSchedule::SwapLock(std::uint32_t number, std::uint64_t compare, std::uint64_t value) {
  Op op;
  op.to = kHome;
  op.for_lock = true;
  op.request.kind = OperationKind::kCompareSwap;
  op.request.window = nodes_[kHome]->atomic_window;
  op.request.remote_offset = kLockWord;
  op.request.compare = compare;
  op.request.operand = value;
  Submit(number, op);
}

void FabricSchedule::MoveLock(std::uint32_t number) {
  if (number == kHome)
    return;
  Node& node = *nodes_[number];
  std::uint64_t mine = node.id().incarnation;
  if (node.lock == LockState::kIdle) {
    node.lock = LockState::kTaking;
    if (mutation_ != Mutation::kPutForSwap)
      return SwapLock(number, 0, mine);
    Op op;  // the mutation: look, then write
    op.to = kHome;
    op.for_lock = true;
    op.request.kind = OperationKind::kGet;
    op.request.window = nodes_[kHome]->atomic_window;
    op.request.remote_offset = kLockWord;
    op.request.length = sizeof(std::uint64_t);
    op.request.local_offset = node.Place(kLandings + kSlots * kSlotSize);
    Submit(number, op);
  } else if (node.lock == LockState::kHeld) {
    node.lock = LockState::kReleasing;
    lock_holder_ = -1;  // it may be free before we hear of it
    SwapLock(number, mine, 0);
  } else if (node.lock == LockState::kUnsure) {
    // What is not known is settled by taking it back, until that is known.
    node.lock = LockState::kRecovering;
    SwapLock(number, mine, 0);
  }
}

void FabricSchedule::LockEnded(std::uint32_t number, const Completion& completion) {
  Node& node = *nodes_[number];
  std::uint64_t mine = node.id().incarnation;
  bool done = completion.outcome == Outcome::kDone;
  bool unknown = completion.outcome == Outcome::kUnknown;
  std::uint64_t seen = completion.value;
  if (node.lock == LockState::kTaking && mutation_ == Mutation::kPutForSwap) {
    std::memcpy(&seen, node.Landing(kSlots), sizeof(seen));
    node.lock = done && seen == 0 ? LockState::kStoring : LockState::kIdle;
    if (node.lock == LockState::kIdle)
      return;
    std::memcpy(node.Landing(kSlots + 1), &mine, sizeof(mine));
    Op op;
    op.to = kHome;
    op.for_lock = true;
    op.request.kind = OperationKind::kPut;
    op.request.window = nodes_[kHome]->atomic_window;
    op.request.remote_offset = kLockWord;
    op.request.length = sizeof(std::uint64_t);
    op.request.local_offset = node.Place(kLandings + (kSlots + 1) * kSlotSize);
    return Submit(number, op);
  }
  switch (node.lock) {
    case LockState::kTaking:
    case LockState::kStoring:
      if (done && (seen == 0 || node.lock == LockState::kStoring)) {
        if (lock_holder_ >= 0)
          Fail("a lock with two holders", completion.token);
        lock_holder_ = static_cast<int>(number);
        node.lock = LockState::kHeld;
        return;
      }
      node.lock = unknown ? LockState::kUnsure : LockState::kIdle;
      break;
    case LockState::kReleasing:
      if (done && seen != mine)
        Fail("a lock was lost", completion.token);
      if (!done && !unknown) {
        if (lock_holder_ >= 0)
          Fail("a lock taken from its holder", completion.token);
        lock_holder_ = static_cast<int>(number);
      }
      node.lock = done ? LockState::kIdle : unknown ? LockState::kUnsure : LockState::kHeld;
      break;
    case LockState::kRecovering:
      node.lock = done ? LockState::kIdle : LockState::kUnsure;
      break;
    default:
      Fail("an end of no lock operation", completion.token);
  }
}

// -- fences and revocation ------------------------------------------------------------------------

void FabricSchedule::WipeArea(std::uint32_t target, std::uint32_t sender) {
  Node& node = *nodes_[target];
  ++node.area_epoch[sender];
  for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
    node.put_slots[sender][slot] = PutSlot{};
    std::memset(node.PutPlace(sender, slot), 0, kSlotSize);
  }
}

// The node is removed by all, its memory at others used for something else, and it comes back as
// somebody new, who knows nothing of what was under way.
void FabricSchedule::Rejoin(std::uint32_t number) {
  if (number == kHome)
    return;
  Node& node = *nodes_[number];
  PeerId old = node.id();
  for (auto& other : nodes_) {
    if (other->number == number)
      continue;
    other->transport->RemovePeer(old, Status::kNotInView);
    WipeArea(other->number, number);
    node.transport->RemovePeer(other->id(), Status::kNotInView);
    WipeArea(number, other->number);
  }
  auto* lock_word = nodes_[kHome]->At(kAtomics + kLockWord);
  std::uint64_t holder = 0;
  std::memcpy(&holder, lock_word, sizeof(holder));
  if (holder == old.incarnation)
    std::memset(lock_word, 0, sizeof(holder));
  if (lock_holder_ == static_cast<int>(number))
    lock_holder_ = -1;
  node.lock = LockState::kIdle;
  ++node.life;
  node.identity.self.incarnation += 100;
  node.transport->SetIdentity(node.identity);
  for (auto& other : nodes_) {
    if (other->number == number)
      continue;
    other->transport->AddPeer(node.info());
    node.transport->AddPeer(other->info());
  }
}

void FabricSchedule::OpenPutWindow(std::uint32_t number) {
  Node& node = *nodes_[number];
  node.put_window = node.Open(kPutWindow, kPutArea, kNodes * kSlots * kSlotSize);
}

void FabricSchedule::Revoke(std::uint32_t number) {
  Node& node = *nodes_[number];
  if (node.revoking)
    return;
  node.revoking = true;
  node.arena->window(kPutWindow).generation.fetch_add(1);
  constexpr std::uint64_t kRevokes = std::uint64_t{1} << 32;
  std::uint64_t token = kRevokes + random_() % kRevokes;
  revokes_[token] = number;
  node.transport->RevokeWindow(token, node.put_window);
}

void FabricSchedule::Revoked(std::uint32_t number) {
  for (std::uint32_t sender = 0; sender < kNodes; ++sender) WipeArea(number, sender);
  OpenPutWindow(number);
  nodes_[number]->revoking = false;
}

// -- what must hold -------------------------------------------------------------------------------

void FabricSchedule::CheckPutSlots() {
  for (auto& node : nodes_) {
    for (std::uint32_t sender = 0; sender < kNodes; ++sender) {
      for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
        const PutSlot& place = node->put_slots[sender][slot];
        const std::byte* at = node->PutPlace(sender, slot);
        Bytes192 put = place.settled;
        if (place.token != 0)
          Fill(put.data(), ops_[place.token].request.length, place.token);
        for (std::uint32_t i = 0; i < kSlotSize; i += kTear) {
          if (std::memcmp(at + i, place.settled.data() + i, kTear) != 0 &&
              std::memcmp(at + i, put.data() + i, kTear) != 0)
            return Fail("memory of node " + std::to_string(node->number + 1) +
                        " changed by nobody who may");
        }
      }
    }
  }
}

void FabricSchedule::Drain() {
  fabric_.SetFaults(Faults{.max_delay_ns = kMaxDelayNs,
                           .without_fence = mutation_ == Mutation::kNoFence,
                           .without_deduplication = mutation_ == Mutation::kNoDeduplication});
  for (std::uint32_t a = 1; a <= kNodes; ++a) {
    for (std::uint32_t b = a + 1; b <= kNodes; ++b) fabric_.Heal(a, b);
  }
  constexpr int kRounds = 200;
  for (int i = 0; i < kRounds; ++i) {
    for (auto& node : nodes_) node->transport->Progress();
    clock_.Advance(kMaxDelayNs / 2);
  }
}

void FabricSchedule::CheckEnd() {
  CheckPutSlots();
  for (std::uint64_t token = 1; token < ops_.size(); ++token) {
    const Op& op = ops_[token];
    if (!op.ended)
      return Fail("a request never ended", token);
    bool counted =
        op.request.kind == OperationKind::kSend || op.request.kind == OperationKind::kPutNotify;
    if (counted && op.outcome == Outcome::kDone && op.arrived != 1 &&
        op.bond == Bond(op.from, op.to))
      Fail("done, and has not arrived", token);
    if (op.outcome == Outcome::kNotSent && op.arrived != 0)
      Fail("not sent, and has arrived", token);
  }
  if (!revokes_.empty())
    Fail("a revocation never ended");
  std::uint64_t sum = 0;
  std::memcpy(&sum, nodes_[kHome]->At(kAtomics), sizeof(sum));
  if (sum < added_ || sum > added_ + maybe_added_)
    Fail("the counter is " + std::to_string(sum) + ", added " + std::to_string(added_) +
         ", perhaps " + std::to_string(maybe_added_) + " more");
  for (auto& node : nodes_) {
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      const std::byte* landing = node->Landing(slot);
      if (!std::all_of(landing, landing + kSlotSize, [](std::byte b) { return b == kOurs; }))
        Fail("a get wrote after its end");
    }
  }
}

}  // namespace k42::interconnect
