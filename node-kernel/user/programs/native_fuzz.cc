// Calls the kernel with random handles, methods and words, from children without privilege, which
// may die of it in any way. What must survive is the kernel and this parent. Words: seed, rounds.
#include "abi/signal.h"
#include "machine/log.h"
#include "user/runtime/fork.h"
#include "user/runtime/runtime.h"
#include "user/runtime/serve.h"

namespace k42::runtime {

namespace {

constexpr std::uint32_t kTicket = 1;
constexpr std::uint64_t kRoundNs = 300'000'000;
constexpr std::uint32_t kCalls = 20'000;

// splitmix64: small, and good enough to reach everything.
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t Next() {
    std::uint64_t x = state_ += 0x9e37'79b9'7f4a'7c15;
    x = (x ^ x >> 30) * 0xbf58'476d'1ce4'e5b9;
    x = (x ^ x >> 27) * 0x94d0'49bb'1331'11eb;
    return x ^ x >> 31;
  }
  std::uint64_t Below(std::uint64_t limit) { return Next() % limit; }

 private:
  std::uint64_t state_;
};

alignas(4096) unsigned char scratch[64 * 1024];

// Values that are likely to mean something, mixed with ones that cannot.
std::uint64_t Word(Random& random) {
  switch (random.Below(10)) {
    case 0:
      return 0;
    case 1:
      return random.Below(16);
    case 2:
      return random.Below(4096) * 16;
    case 3:
      return reinterpret_cast<std::uint64_t>(scratch) + random.Below(sizeof(scratch));
    case 4:
      return reinterpret_cast<std::uint64_t>(scratch) + random.Below(16) * 4096;
    case 5:
      return ~std::uint64_t{0} - random.Below(4096);
    case 6:
      return 0xffff'8000'0000'0000 + random.Below(1 << 30);
    case 7:
      return abi::kDispatcherBase + random.Below(abi::kDispatcherStride);
    case 8:
      return 1ull << random.Below(64);
    default:
      return random.Next();
  }
}

bool IsLeftOut(abi::Handle handle, std::uint64_t method) {
  if (handle == abi::kDispatcherHandle)
    return method == static_cast<std::uint64_t>(abi::DispatcherCall::kWait) ||
           method == static_cast<std::uint64_t>(abi::DispatcherCall::kServe) ||
           method == static_cast<std::uint64_t>(abi::DispatcherCall::kLog);  // waits, and noise
  return handle == abi::kProcessHandle &&
         method == static_cast<std::uint64_t>(proc::ProcessMethod::kExit);  // would end the round
}

// Calls after which little of the caller is left: now and then only, or no round would get far.
bool IsDrastic(abi::Handle handle, std::uint64_t method) {
  if (handle == abi::kDispatcherHandle)
    return method == static_cast<std::uint64_t>(abi::DispatcherCall::kResume);
  using M = proc::ProcessMethod;
  constexpr M kDrastic[] = {M::kUnmap,   M::kProtect, M::kRemap, M::kAdvise,
                            M::kReplace, M::kMap,     M::kStop,  M::kKill};
  for (const M drastic : kDrastic) {
    if (handle == abi::kProcessHandle && method == static_cast<std::uint64_t>(drastic))
      return true;
  }
  return false;
}

// What a child serves: any answer may come, and now and then it ends in the middle.
Random* answers = nullptr;
abi::NativeResult Answer(void*, std::uint32_t, const abi::ServedCall& call) {
  for (const std::uint64_t word : call.words) {
    if (word >= abi::kCallBulkBase && word < abi::kCallBulkBase + abi::kCallBulkStride &&
        word % 4096 == 0)
      *reinterpret_cast<std::uint64_t*>(word) = answers->Next();
  }
  switch (answers->Below(50)) {
    case 0:
      Exit(3);
    case 1:
      return {static_cast<Status>(answers->Next()), answers->Next()};
    case 2:
      (void)machine::CallDispatcher(abi::DispatcherCall::kReturnCall, answers->Below(8), 0);
      return Status::kOk;
    default:
      return {static_cast<Status>(-static_cast<std::int64_t>(answers->Below(1100))),
              Word(*answers)};
  }
}
constexpr Served kServed = {&Answer, nullptr};

// Objects with whatever description the kernel accepts, one of them for all to find. Their handles
// are among those that the calls below try, and so are those of other children.
void ServeSomething(Random& random) {
  answers = &random;
  if (OpenCalls(1 + static_cast<std::uint32_t>(random.Below(8)), random.Below(2) == 0 ? 0 : 8192) !=
      Status::kOk)
    return;
  for (int i = 0; i < 4; ++i) {
    abi::ServedMethod methods[abi::kMaxMethods];
    for (abi::ServedMethod& method : methods) {
      method.rights = random.Below(4) == 0 ? 1u << random.Below(7) : 0;
      method.flags = random.Below(8) == 0 ? 2 : 0;
      for (std::uint32_t word = 0; word < abi::kCallWords; ++word) {
        const std::uint64_t kind = random.Below(4);
        if (kind == 1 || kind == 2)
          method.word[word] = abi::ServedWord(static_cast<abi::WordKind>(kind),
                                              1 + static_cast<std::uint32_t>(random.Below(9000)));
        if (kind == 3 && word + 1 < abi::kCallWords) {
          method.word[word] = abi::ServedWord(
              random.Below(2) == 0 ? abi::WordKind::kInBuffer : abi::WordKind::kOutBuffer,
              1 + static_cast<std::uint32_t>(random.Below(9000)));
          method.word[++word] = abi::ServedWord(abi::WordKind::kSize);
        }
      }
    }
    const auto object =
        Export(kServed, methods, static_cast<std::uint32_t>(random.Below(128)) | kRightGrant);
    if (object.ok() && i == 0)
      (void)Publish("fuzz", object.value());
  }
  (void)FindPublished("fuzz", 0);
}

[[noreturn]] void Child(std::uint64_t seed) {
  proc::Credential who = {};
  (void)kProcess.GetCredential(0, &who);
  who.user = who.effective_user = who.saved_user = who.file_user = 1000;
  (void)kProcess.SetCredential(0, 0, who);
  (void)kProcess.SetLimit(0, proc::LimitKind::kTasks, {16, 16});
  Random random(seed);
  if (random.Below(4) != 0)
    ServeSomething(random);
  for (std::uint32_t i = 0; i < kCalls; ++i) {
    const auto handle = static_cast<abi::Handle>(random.Below(8) == 0 ? random.Next() & 0xff'ffff
                                                                      : random.Below(20));
    const std::uint64_t method = random.Below(64);
    if (random.Below(4) == 0)
      scratch[random.Below(sizeof(scratch))] = static_cast<unsigned char>(random.Next());
    if (!IsLeftOut(handle, method) && (!IsDrastic(handle, method) || random.Below(200) == 0))
      (void)machine::NativeCall(abi::NativeNumber(handle, static_cast<std::uint32_t>(method)),
                                Word(random), Word(random), Word(random), Word(random),
                                Word(random), Word(random));
  }
  Exit(0);
}

void KillAll() {
  proc::SignalRequest request = {};
  request.selector = proc::Selector::kAll;
  request.info.signal = abi::kSignalKill;
  (void)kProcess.Kill(request);
}

bool WaitForOne(std::uint64_t deadline) {
  proc::WaitRequest request = {};
  request.selector = proc::Selector::kAll;
  request.flags = proc::kWaitExited;
  proc::WaitResult found = {};
  for (;;) {
    const Status status = kProcess.Wait(request, &found, kTicket);
    if (status == Status::kOk)
      return true;
    if (status == Status::kNoChild || kNode.MonotonicTime().value() >= deadline)
      return false;
    machine::WaitForEvent(deadline);
    machine::DispatcherPage()->pending.store(0);
  }
}

std::uint64_t Number(std::string_view digits) {
  std::uint64_t number = 0;
  for (const char digit : digits) number = number * 10 + static_cast<std::uint64_t>(digit - '0');
  return number;
}

}  // namespace

int Main(std::span<const std::string_view> words) {
  const std::uint64_t seed = words.size() > 1 ? Number(words[1]) : 1;
  const std::uint64_t rounds = words.size() > 2 ? Number(words[2]) : 20;
  (void)kProcess.SetOption(0, proc::TaskOption::kAdoptOrphans, 1);
  for (const abi::Handle stream : InheritedHandles())
    (void)kProcess.CloseHandle(stream);  // random bytes on the console help nobody
  for (std::uint64_t round = 0; round < rounds; ++round) {
    const auto child = Fork();
    if (!child.ok()) {
      machine::Log("fuzz: round {}: no child: {}", round, StatusName(child.status()));
      return 1;
    }
    if (child.value() == 0)
      Child(seed + round);
    const std::uint64_t deadline = kNode.MonotonicTime().value() + kRoundNs;
    while (WaitForOne(deadline)) {
    }
    KillAll();  // those that forked, stopped themselves, or wait
    while (WaitForOne(deadline + 10 * kRoundNs)) {
    }
  }
  machine::Log("fuzz: {} rounds from seed {}, the kernel stands", rounds, seed);
  return 0;
}

}  // namespace k42::runtime
