// A stack of its own, switched to and from by hand, with the sanitizers told about it.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <functional>
#include <memory>

#if !defined(__has_feature)
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/common_interface_defs.h>
#define K42_FIBER_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__) || __has_feature(thread_sanitizer)
#include <sanitizer/tsan_interface.h>
#define K42_FIBER_TSAN 1
#endif

namespace k42::model {

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Gives the fiber a new body, to run at the next Enter. A body half way through is abandoned: the
  // destructors of its locals do not run.
  void Start(std::function<void()> body);
  bool finished() const { return finished_; }
  // From the owner: runs the body until it calls Leave or ends.
  void Enter();
  // From the body: back to the owner.
  void Leave();

 private:
  static void Trampoline(unsigned low, unsigned high);
  void Run();

  static constexpr std::size_t kStackSize = 64 * 1024;
  std::unique_ptr<char[]> stack_;
  std::function<void()> body_;
  bool started_ = false;  // Run() is on the stack
  bool finished_ = true;
  ucontext_t context_{};
  ucontext_t owner_{};

  // What the sanitizers must be told at each switch.
  struct SanitizerState {
    void* fake_stack = nullptr;
    void* owner_fake_stack = nullptr;
    const void* owner_stack = nullptr;
    std::size_t owner_stack_size = 0;
    void* tsan_fiber = nullptr;
    void* tsan_owner = nullptr;
  };
  SanitizerState sanitizer_;
};

}  // namespace k42::model
