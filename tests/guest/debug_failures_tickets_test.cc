// Memory runs out (fail_each.h) for a dispatcher's tickets.
#include "abi/dispatcher_page.h"
#include "boot/start_memory.h"
#include "cobj/make.h"
#include "guest/fail_each.h"
#include "guest/guest_test.h"
#include "ipc/ticket_sink.h"
#include "mem/fcm_on_demand.h"

namespace k42 {
namespace {

using guest::FailEach;

// A dispatcher's page and its tickets' results, without the rest of a dispatcher.
class TicketHolder final : public ipc::TicketSink::Owner, public ipc::TicketPages {
 public:
  explicit TicketHolder(mem::FcmOnDemand* pages) : pages_(pages) {}
  void TicketFired() override { ++fired_; }
  Status Make(std::uint32_t page) override { return pages_->Make(page + 1); }
  abi::TicketResults::Entry* At(std::uint32_t page) override {
    return pages_->data<abi::TicketResults::Entry>(page + 1);
  }
  abi::DispatcherPage* page() { return pages_->data<abi::DispatcherPage>(0); }
  std::uint32_t fired() const { return fired_; }

 private:
  mem::FcmOnDemand* const pages_;
  std::uint32_t fired_ = 0;
};

// One allocation fails: so the second attempt to arm does not.
bool ArmAndFire(ipc::TicketSink& sink, TicketHolder& holder, std::uint32_t number) {
  auto ticket = sink.self()->Arm(number);
  const bool good = ticket.ok();
  if (!good) {
    EXPECT_EQ(ticket.status(), Status::kNoMemory);
    ticket = sink.self()->Arm(number);
  }
  EXPECT(ticket.ok());
  if (!ticket.ok())
    return false;
  const std::uint32_t before = holder.fired();
  const auto fire = [&] {
    return sink.self()->Fire(ticket.value(), static_cast<std::int64_t>(Status::kOk), number);
  };
  EXPECT_EQ(fire(), Status::kOk);
  EXPECT_EQ(fire(), Status::kAlreadyCompleted);
  EXPECT_EQ(holder.fired(), before + 1);
  constexpr std::uint32_t kPerPage = abi::TicketResults::kPerPage;
  EXPECT_EQ(holder.At(number / kPerPage)[number % kPerPage].value, number);
  return good;
}

// In a pool of their own: those of the node's are there for the next dispatcher, and never go.
GUEST_TEST(debug_failures_tickets) {
  constexpr std::uint32_t kPages =
      (sizeof(abi::DispatcherPage) + sizeof(abi::TicketResults)) / abi::kPageSize;
  static constinit ipc::TicketSinks sinks;
  FailEach("tickets", [] {
    const auto pages = mem::FcmOnDemand::Create(boot::MemoryServices(), kPages);
    if (!pages.ok())
      return false;
    TicketHolder holder(pages.value());
    const auto sink = sinks.Take(holder, holder.page(), holder);
    bool good = sink.ok();
    if (sink.ok()) {
      // Its first page and words, further pages, further words.
      for (const std::uint32_t number : {3u, 4u, 700u, 5000u, abi::kTicketCount - 1})
        good &= ArmAndFire(*sink.value(), holder, number);
      EXPECT(!sink.value()->Retire());
      EXPECT(IsOk(cobj::Destroy(sink.value()->self())));
    }
    pages.value()->DropReference();
    return good;
  });
}

}  // namespace
}  // namespace k42
