#include "model/fiber.h"

#include <cstdint>
#include <utility>

namespace k42::model {

Fiber::Fiber() : stack_(new char[kStackSize]) {
#ifdef K42_FIBER_TSAN
  sanitizer_.tsan_fiber = __tsan_create_fiber(0);
#endif
}

Fiber::~Fiber() {
#ifdef K42_FIBER_TSAN
  __tsan_destroy_fiber(sanitizer_.tsan_fiber);
#endif
}

void Fiber::Start(std::function<void()> body) {
  bool waits_for_body = started_ && finished_;
  body_ = std::move(body);
  finished_ = false;
  if (waits_for_body)
    return;
  started_ = false;
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_.get();
  context_.uc_stack.ss_size = kStackSize;
  context_.uc_link = nullptr;
  auto self = reinterpret_cast<std::uintptr_t>(this);
  makecontext(&context_, reinterpret_cast<void (*)()>(&Trampoline), 2, static_cast<unsigned>(self),
              static_cast<unsigned>(self >> 32));
}

void Fiber::Enter() {
#ifdef K42_FIBER_ASAN
  __sanitizer_start_switch_fiber(&sanitizer_.owner_fake_stack, stack_.get(), kStackSize);
#endif
#ifdef K42_FIBER_TSAN
  sanitizer_.tsan_owner = __tsan_get_current_fiber();
  __tsan_switch_to_fiber(sanitizer_.tsan_fiber, 0);
#endif
  swapcontext(&owner_, &context_);
#ifdef K42_FIBER_ASAN
  __sanitizer_finish_switch_fiber(sanitizer_.owner_fake_stack, nullptr, nullptr);
#endif
}

void Fiber::Leave() {
#ifdef K42_FIBER_ASAN
  __sanitizer_start_switch_fiber(&sanitizer_.fake_stack, sanitizer_.owner_stack,
                                 sanitizer_.owner_stack_size);
#endif
#ifdef K42_FIBER_TSAN
  __tsan_switch_to_fiber(sanitizer_.tsan_owner, 0);
#endif
  swapcontext(&context_, &owner_);
#ifdef K42_FIBER_ASAN
  __sanitizer_finish_switch_fiber(sanitizer_.fake_stack, &sanitizer_.owner_stack,
                                  &sanitizer_.owner_stack_size);
#endif
}

void Fiber::Trampoline(unsigned low, unsigned high) {
  auto self = std::uintptr_t{low} | std::uintptr_t{high} << 32;
  reinterpret_cast<Fiber*>(self)->Run();
}

void Fiber::Run() {
#ifdef K42_FIBER_ASAN
  __sanitizer_finish_switch_fiber(nullptr, &sanitizer_.owner_stack, &sanitizer_.owner_stack_size);
#endif
  started_ = true;
  for (;;) {
    body_();
    finished_ = true;
    Leave();
  }
}

}  // namespace k42::model
