// Singly linked queue and stack whose one link lives in the element: the cheapest container.
//
//   struct Request : QueueLink<> { ... };
//   IntrusiveQueue<Request> queue;   // first in, first out
//   IntrusiveStack<Request> free;    // last in, first out
//
// A link does not know whether it is in use; an element is in at most one container per Tag.
// No locking: the owner's. (Between CPUs: the MPSC queue.)
#pragma once

namespace k42 {

template <typename Tag = void>
class QueueLink {
 private:
  template <typename T, typename U>
  friend class IntrusiveQueue;
  template <typename T, typename U>
  friend class IntrusiveStack;
  QueueLink* next_ = nullptr;
};

template <typename T, typename Tag = void>
class IntrusiveQueue {
  using Link = QueueLink<Tag>;

 public:
  constexpr IntrusiveQueue() = default;
  IntrusiveQueue(const IntrusiveQueue&) = delete;
  IntrusiveQueue& operator=(const IntrusiveQueue&) = delete;

  bool empty() const { return first_ == nullptr; }
  T* Front() const { return static_cast<T*>(first_); }

  void PushBack(T* element) {
    Link* link = element;
    link->next_ = nullptr;
    (first_ == nullptr ? first_ : last_->next_) = link;
    last_ = link;
  }
  void PushFront(T* element) {
    Link* link = element;
    link->next_ = first_;
    if (first_ == nullptr) {
      last_ = link;
    }
    first_ = link;
  }
  // Null if empty.
  T* PopFront() {
    Link* link = first_;
    if (link != nullptr) {
      first_ = link->next_;
    }
    return static_cast<T*>(link);
  }
  // Moves all elements of `other` to the end of this queue.
  void Append(IntrusiveQueue& other) {
    if (other.empty()) {
      return;
    }
    (first_ == nullptr ? first_ : last_->next_) = other.first_;
    last_ = other.last_;
    other.first_ = nullptr;
  }

 private:
  Link* first_ = nullptr;
  Link* last_ = nullptr;  // meaningful only if not empty
};

template <typename T, typename Tag = void>
class IntrusiveStack {
  using Link = QueueLink<Tag>;

 public:
  constexpr IntrusiveStack() = default;
  IntrusiveStack(const IntrusiveStack&) = delete;
  IntrusiveStack& operator=(const IntrusiveStack&) = delete;

  bool empty() const { return top_ == nullptr; }
  T* Top() const { return static_cast<T*>(top_); }
  void Push(T* element) {
    Link* link = element;
    link->next_ = top_;
    top_ = link;
  }
  // Null if empty.
  T* Pop() {
    Link* link = top_;
    if (link != nullptr) {
      top_ = link->next_;
    }
    return static_cast<T*>(link);
  }

 private:
  Link* top_ = nullptr;
};

}  // namespace k42
