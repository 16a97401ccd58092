// Messages between CPUs: every pair, order per sender, one CPU flooded by all others.
#include <atomic>

#include "guest/guest_test.h"
#include "machine/cpu.h"
#include "machine/cpu_message.h"
#include "machine/interrupts.h"
#include "machine/thread.h"

namespace k42 {
namespace {

using machine::CpuId;
using machine::CpuMessage;
using machine::Thread;

GUEST_TEST(messages_reach_every_cpu_and_return) {
  struct Ball : CpuMessage {
    CpuId at = 0;
    std::uint32_t visits = 0;
    bool wrong = false;
    Thread* waiter = nullptr;
    std::atomic<bool> home{false};
    static void Bounce(CpuMessage* message) {
      auto* self = static_cast<Ball*>(message);
      self->wrong =
          self->wrong || machine::CurrentCpu() != self->at || !machine::InterruptsEnabled();
      if (++self->visits == 20 * machine::CpuCount()) {
        Thread* to_wake = self->waiter;
        self->home = true;
        to_wake->Unblock();
        return;
      }
      self->at = (self->at + 1) % machine::CpuCount();
      machine::Send(self->at, self);
    }
  } ball;
  ball.waiter = Thread::Current();
  ball.handler = Ball::Bounce;
  machine::Send(0, &ball);
  while (!ball.home) {
    Thread::Block();
  }
  EXPECT(!ball.wrong);
  EXPECT_EQ(ball.visits, 20 * machine::CpuCount());
}

constexpr std::uint32_t kPerSender = 500;
struct Numbered : CpuMessage {
  CpuId sender = 0;
  std::uint32_t number = 0;
};
constinit Numbered numbered[machine::kMaxCpus][kPerSender];
std::uint32_t expected[machine::kMaxCpus];  // on CPU 0 only
std::uint32_t received;
bool out_of_order;
Thread* flood_waiter;

void Receive(CpuMessage* message) {
  auto* n = static_cast<Numbered*>(message);
  out_of_order = out_of_order || n->number != expected[n->sender]++;
  if (++received == kPerSender * machine::CpuCount()) {
    flood_waiter->Unblock();
  }
}

GUEST_TEST(messages_keep_each_senders_order) {
  flood_waiter = Thread::Current();
  received = 0;
  out_of_order = false;
  for (CpuId cpu = 0; cpu < machine::CpuCount(); ++cpu) {
    expected[cpu] = 0;
    REQUIRE(Thread::Create(
                "sender",
                [](void*) {
                  const CpuId me = machine::CurrentCpu();
                  for (std::uint32_t i = 0; i < kPerSender; ++i) {
                    Numbered& message = numbered[me][i];
                    message.handler = Receive;
                    message.sender = me;
                    message.number = i;
                    machine::Send(0, &message);
                    if (i % 16 == 0) {
                      Thread::Yield();
                    }
                  }
                },
                nullptr, cpu)
                .ok());
  }
  while (received < kPerSender * machine::CpuCount()) {
    Thread::Block();
  }
  EXPECT(!out_of_order);
}

// A handler may block; the messages behind it go on.
GUEST_TEST(messages_flow_past_a_blocked_handler) {
  static std::atomic<Thread*> blocked;
  static std::atomic<bool> release;
  static std::atomic<int> finished;
  blocked = nullptr;
  release = false;
  finished = 0;
  CpuMessage first;
  first.handler = [](CpuMessage*) {
    blocked = Thread::Current();
    while (!release) {
      Thread::Block();
    }
    ++finished;
  };
  static Thread* waiter;
  waiter = Thread::Current();
  CpuMessage second;
  second.handler = [](CpuMessage*) {
    ++finished;
    waiter->Unblock();
  };
  const CpuId cpu = machine::CpuCount() - 1;
  machine::Send(cpu, &first);
  machine::Send(cpu, &second);
  while (finished < 1) {
    Thread::Block();
  }
  release = true;
  blocked.load()->Unblock();
  while (finished < 2) {
    Thread::Yield();
  }
}

}  // namespace
}  // namespace k42
