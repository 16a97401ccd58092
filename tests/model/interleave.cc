#include "model/interleave.h"

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

#include "model/fiber.h"

namespace k42::model {
namespace {

// What can happen next: a thread's next step, or the oldest store of its buffer written back.
struct Transition {
  std::size_t thread;
  bool write_back;
  const void* cell;  // nullptr: depends on everything
  bool writes;
  bool local = false;  // a store into the thread's own buffer

  bool Is(const Transition& other) const {
    return thread == other.thread && write_back == other.write_back;
  }
  bool CommutesWith(const Transition& other) const {
    // What goes in at a buffer's end, and what goes out at its front.
    if (thread == other.thread)
      return write_back != other.write_back && (local || other.local);
    return cell != nullptr && other.cell != nullptr &&
           (cell != other.cell || (!writes && !other.writes));
  }
};

bool Contains(const std::vector<Transition>& set, const Transition& transition) {
  for (const Transition& member : set) {
    if (member.Is(transition))
      return true;
  }
  return false;
}

// One choice point of the current path. `sleep`: what need not be tried here, because an order that
// only differs in commuting steps has been.
struct Choice {
  std::vector<Transition> possible;
  std::vector<Transition> sleep;
  std::size_t taken = 0;
  bool seen = false;  // everything was asleep, here or before: another order has been tried

  // Each execution has its own cells, at other addresses: what is known of a step is renewed from
  // the present one, or steps would seem to commute that do not.
  void Renew(const std::vector<Transition>& present) {
    for (std::vector<Transition>* known : {&possible, &sleep}) {
      for (Transition& transition : *known) {
        for (const Transition& now : present) {
          if (transition.Is(now))
            transition = now;
        }
      }
    }
  }

  // Moves on to the next possibility worth trying.
  bool Next() {
    sleep.push_back(possible[taken]);
    for (++taken; taken < possible.size(); ++taken) {
      if (!Contains(sleep, possible[taken]))
        return true;
    }
    return false;
  }
};

class Explorer {
 public:
  Exploration Run(const std::function<Program()>& make, std::uint64_t max_executions);

  bool quiet = false;

  void Step(const char* what, const void* cell, bool writes) {
    if (quiet)
      return;
    Thread& thread = *threads_[current_];
    thread.next = what;
    thread.cell = cell;
    thread.writes = writes;
    thread.fiber.Leave();
  }
  void StepLocal(const char* what) { Step(what, &threads_[current_]->buffer, true); }
  void Wait(std::function<bool()> ready) {
    threads_[current_]->ready = std::move(ready);
    Step("wait", nullptr, true);
    threads_[current_]->ready = nullptr;
  }
  std::deque<detail::BufferedStore>& buffer() { return threads_[current_]->buffer; }

 private:
  struct Thread {
    Fiber fiber;
    const char* next = "";  // the step it stands before, and what that touches
    const void* cell = nullptr;
    bool writes = false;
    std::function<bool()> ready;
    std::deque<detail::BufferedStore> buffer;
  };

  std::string Execute(const Program& program);
  std::vector<Transition> Possible(std::size_t thread_count) const;
  Transition Choose(const std::vector<Transition>& possible);
  void Take(const Transition& transition);
  bool NextPath();

  std::vector<std::unique_ptr<Thread>> threads_;
  std::size_t current_ = 0;
  std::vector<Choice> path_;
  std::size_t depth_ = 0;
  std::string trace_;
};

Explorer* running = nullptr;

Transition Explorer::Choose(const std::vector<Transition>& possible) {
  if (depth_ == path_.size()) {
    Choice choice;
    choice.possible = possible;
    if (depth_ > 0) {
      const Choice& before = path_[depth_ - 1];
      choice.seen = before.seen;
      for (const Transition& asleep : before.sleep) {
        if (asleep.CommutesWith(before.possible[before.taken]))
          choice.sleep.push_back(asleep);
      }
    }
    while (choice.taken < choice.possible.size() &&
           Contains(choice.sleep, choice.possible[choice.taken]))
      ++choice.taken;
    if (choice.taken == choice.possible.size())
      choice.seen = true;
    // Run a path seen before to its end all the same, so that no body is abandoned, but do not
    // branch any more.
    if (choice.seen) {
      choice.taken = 0;
      choice.possible.resize(1);
    }
    path_.push_back(std::move(choice));
  }
  Choice& choice = path_[depth_++];
  choice.Renew(possible);
  return choice.possible[choice.taken];
}

// The next path in depth-first order; false: all were tried.
bool Explorer::NextPath() {
  for (; !path_.empty(); path_.pop_back()) {
    if (path_.back().Next())
      return true;
  }
  return false;
}

std::vector<Transition> Explorer::Possible(std::size_t thread_count) const {
  std::vector<Transition> possible;
  for (std::size_t i = 0; i < thread_count; ++i) {
    const Thread& thread = *threads_[i];
    // A step that empties a buffer with something in it touches more than its own word.
    bool empties = !thread.buffer.empty() && thread.writes && thread.cell != &thread.buffer;
    if (!thread.fiber.finished() && (!thread.ready || thread.ready()))
      possible.push_back({i, false, empties ? nullptr : thread.cell, thread.writes,
                          thread.cell == &thread.buffer});
    if (!thread.buffer.empty())
      possible.push_back({i, true, thread.buffer.front().cell, true});
  }
  return possible;
}

void Explorer::Take(const Transition& transition) {
  Thread& thread = *threads_[transition.thread];
  if (transition.write_back) {
    auto store = thread.buffer.front();
    thread.buffer.pop_front();
    store.commit(store.cell, store.value);
  } else {
    current_ = transition.thread;
    thread.fiber.Enter();
  }
}

std::string Explorer::Execute(const Program& program) {
  depth_ = 0;
  quiet = false;
  trace_.clear();
  std::size_t count = program.threads.size();
  while (threads_.size() < count) threads_.push_back(std::make_unique<Thread>());
  for (std::size_t i = 0; i < count; ++i) {
    Thread& thread = *threads_[i];
    thread.ready = nullptr;
    thread.buffer.clear();
    thread.fiber.Start(program.threads[i]);
    Take({i, false, nullptr, false});  // up to its first step
  }
  for (;;) {
    std::vector<Transition> possible = Possible(count);
    if (possible.empty())
      break;
    Transition chosen = Choose(possible);
    trace_ += " " + std::to_string(chosen.thread) + ":" +
              (chosen.write_back ? "write-back" : threads_[chosen.thread]->next);
    Take(chosen);
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (!threads_[i]->fiber.finished())
      return "a thread waits and nothing can wake it";
  }
  quiet = true;
  return program.check();
}

Exploration Explorer::Run(const std::function<Program()>& make, std::uint64_t max_executions) {
  Exploration result;
  running = this;
  do {
    ++result.executions;
    Program program = make();
    std::string failure = Execute(program);
    if (!failure.empty()) {
      result.failure = failure + "; steps:" + trace_;
      break;
    }
  } while (result.executions < max_executions && NextPath());
  result.complete = result.failure.empty() && path_.empty();
  running = nullptr;
  return result;
}

}  // namespace

Exploration Explore(const std::function<Program()>& make, std::uint64_t max_executions) {
  Explorer explorer;
  return explorer.Run(make, max_executions);
}

void Wait(std::function<bool()> ready) {
  running->Wait(std::move(ready));
}

void SetQuiet(bool quiet) {
  running->quiet = quiet;
}

namespace detail {

void Step(const char* what, const void* cell, bool writes) {
  running->Step(what, cell, writes);
}

void StepLocal(const char* what) {
  running->StepLocal(what);
}

void Drain() {
  auto& buffer = running->buffer();
  for (; !buffer.empty(); buffer.pop_front())
    buffer.front().commit(buffer.front().cell, buffer.front().value);
}

void Buffer(const BufferedStore& store) {
  if (running->quiet)
    return store.commit(store.cell, store.value);
  running->buffer().push_back(store);
}

const BufferedStore* OwnBuffered(const void* cell) {
  const auto& buffer = running->buffer();
  for (auto it = buffer.rbegin(); it != buffer.rend(); ++it) {
    if (it->cell == cell)
      return &*it;
  }
  return nullptr;
}

}  // namespace detail
}  // namespace k42::model
