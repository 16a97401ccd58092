// Walks through every interleaving of a small lock-free protocol, store buffers included.
//
// The class under test is a template over its atomic type; here it gets model::Atomic. Each
// operation on one is a step of the model. The memory is x86's (TSO): a store that is not
// sequentially consistent goes into its thread's store buffer, which empties in order at any later
// moment; a thread sees its own buffered stores; read-modify-writes, seq_cst stores and system
// calls (Doorbell) empty it first. After each step the explorer chooses what happens next; it tries
// all choices, depth first, by running the program again from the start.
//
//   Exploration result = Explore([] {
//     auto world = std::make_shared<World>();
//     return Program{{[world] { ... }, [world] { ... }}, [world] { return world->Check(); }};
//   });
//
// A failure: Check() returns text, or some thread waits and nothing can wake it (a lost wake). The
// result carries the choices that lead there. Bodies must be deterministic and must end; a wait is
// a Wait()/Doorbell, never a spin.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

namespace k42::model {

struct Program {
  std::vector<std::function<void()>> threads;
  std::function<std::string()> check;  // at the end, buffers empty; empty string: fine
};

struct Exploration {
  std::uint64_t executions = 0;
  bool complete = false;  // every interleaving was tried
  std::string failure;    // of the first that failed, with its steps
};

Exploration Explore(const std::function<Program()>& make, std::uint64_t max_executions = 5'000'000);

// For the atomics below: only inside a body run by Explore.
namespace detail {
struct BufferedStore {
  void* cell;
  std::uint64_t value;
  void (*commit)(void* cell, std::uint64_t value);
};
// A choice of the explorer lies before each step. `cell` is all that the step touches (nullptr:
// take it to depend on everything).
void Step(const char* what, const void* cell, bool writes);
// A store that only reaches the own buffer.
void StepLocal(const char* what);
void Drain();
void Buffer(const BufferedStore& store);
const BufferedStore* OwnBuffered(const void* cell);
}  // namespace detail

// Quiet: what a body does takes no steps, as if it had been done long before. For bringing a world
// into the state that is of interest, at the start of the first thread's body; the others' bodies
// begin after it. Program::check is quiet by itself.
void SetQuiet(bool quiet);

// Blocks this thread until `ready` (which must not step) is true in memory.
void Wait(std::function<bool()> ready);

template <typename T>
class Atomic {
 public:
  constexpr Atomic(T value = T{}) : value_(value) {}  // NOLINT: like std::atomic

  T load(std::memory_order = std::memory_order_seq_cst) const {
    detail::Step("load", this, false);
    const detail::BufferedStore* own = detail::OwnBuffered(this);
    return own != nullptr ? FromWord(own->value) : value_;
  }
  void store(T value, std::memory_order order = std::memory_order_seq_cst) {
    if (order == std::memory_order_seq_cst) {
      detail::Step("store", this, true);
      detail::Drain();
      value_ = value;
      return;
    }
    detail::StepLocal("buffered store");
    detail::Buffer({this, ToWord(value), [](void* cell, std::uint64_t v) {
                      static_cast<Atomic*>(cell)->value_ = FromWord(v);
                    }});
  }
  T exchange(T value, std::memory_order = std::memory_order_seq_cst) {
    return Modify("exchange", [value](T) { return value; });
  }
  T fetch_add(T by, std::memory_order = std::memory_order_seq_cst) {
    return Modify("fetch_add", [by](T old) { return static_cast<T>(old + by); });
  }
  T fetch_sub(T by, std::memory_order = std::memory_order_seq_cst) {
    return Modify("fetch_sub", [by](T old) { return static_cast<T>(old - by); });
  }
  T fetch_or(T bits, std::memory_order = std::memory_order_seq_cst) {
    return Modify("fetch_or", [bits](T old) { return static_cast<T>(old | bits); });
  }
  T fetch_and(T bits, std::memory_order = std::memory_order_seq_cst) {
    return Modify("fetch_and", [bits](T old) { return static_cast<T>(old & bits); });
  }
  bool compare_exchange_strong(T& expected, T desired,
                               std::memory_order = std::memory_order_seq_cst,
                               std::memory_order = std::memory_order_seq_cst) {
    T wanted = expected;
    expected = Modify("compare_exchange", [=](T old) { return old == wanted ? desired : old; });
    return expected == wanted;
  }
  // What the running thread would load, without a step.
  T OwnView() const {
    const detail::BufferedStore* own = detail::OwnBuffered(this);
    return own != nullptr ? FromWord(own->value) : value_;
  }
  // What is in memory, without a step: for Wait predicates and checks.
  T Peek() const { return value_; }

 private:
  static std::uint64_t ToWord(T value) {
    std::uint64_t word = 0;
    std::memcpy(&word, &value, sizeof(T));
    return word;
  }
  static T FromWord(std::uint64_t word) {
    T value;
    std::memcpy(&value, &word, sizeof(T));
    return value;
  }

  template <typename F>
  T Modify(const char* what, F change) {
    detail::Step(what, this, true);
    detail::Drain();
    T old = value_;
    value_ = change(old);
    return old;
  }

  T value_;
};

// A word that only one thread changes, by single instructions without the lock prefix: they go into
// the store buffer as plain stores do (machine::LocalAtomic).
template <typename T>
class LocalAtomic {
 public:
  constexpr LocalAtomic(T value = T{}) : word_(value) {}  // NOLINT: like std::atomic

  T load(std::memory_order order = std::memory_order_relaxed) const { return word_.load(order); }
  void store(T value, std::memory_order = std::memory_order_relaxed) {
    word_.store(value, std::memory_order_relaxed);
  }
  void fetch_add(T by, std::memory_order = std::memory_order_relaxed) {
    word_.store(word_.OwnView() + by, std::memory_order_relaxed);
  }
  bool compare_exchange_strong(T& expected, T desired,
                               std::memory_order = std::memory_order_relaxed) {
    const T old = word_.OwnView();
    if (old == expected) {
      word_.store(desired, std::memory_order_relaxed);
      return true;
    }
    expected = old;
    return false;
  }

 private:
  Atomic<T> word_;
};

// An eventfd or interrupt: rings are remembered, waiting consumes them all.
class Doorbell {
 public:
  void Ring() {
    detail::Step("ring", this, true);
    detail::Drain();
    ++rings_;
  }
  void Wait() {
    model::Wait([this] { return rings_ != 0; });
    rings_ = 0;
  }
  std::uint64_t rings() const { return rings_; }

 private:
  std::uint64_t rings_ = 0;
};

}  // namespace k42::model
