// Doubly linked list whose links live in the elements: no allocation, removal in O(1) without
// knowing the list.
//
//   struct Waiter : ListLink<> { ... };              // or ListLink<struct ByAge>, one per list
//   IntrusiveList<Waiter> waiters;                   // IntrusiveList<Waiter, struct ByAge>
//
// States of a link: unlinked (both pointers null) or linked (both not null). The list owns nothing:
// it must be empty, and an element unlinked, when it dies. No locking: the owner's.
#pragma once

#include <cstddef>

namespace k42 {

template <typename Tag = void>
class ListLink {
 public:
  constexpr ListLink() = default;
  // A copy of an element is a new element, in no list.
  constexpr ListLink(const ListLink&) {}
  constexpr ListLink& operator=(const ListLink&) { return *this; }

  bool linked() const { return next_ != nullptr; }
  // Precondition: linked.
  void Unlink() {
    previous_->next_ = next_;
    next_->previous_ = previous_;
    next_ = previous_ = nullptr;
  }

 private:
  template <typename T, typename U>
  friend class IntrusiveList;

  ListLink* next_ = nullptr;
  ListLink* previous_ = nullptr;
};

template <typename T, typename Tag = void>
class IntrusiveList {
  using Link = ListLink<Tag>;

 public:
  constexpr IntrusiveList() { head_.next_ = head_.previous_ = &head_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;

  bool empty() const { return head_.next_ == &head_; }
  // Null if empty.
  T* Front() const { return empty() ? nullptr : Element(head_.next_); }
  T* Back() const { return empty() ? nullptr : Element(head_.previous_); }
  // Null at the end. Precondition: the element is in this list.
  T* Next(const T* element) const { return ElementOrNull(LinkOf(element)->next_); }
  T* Previous(const T* element) const { return ElementOrNull(LinkOf(element)->previous_); }

  // Precondition of all insertions: the element is unlinked.
  void PushFront(T* element) { InsertAfter(&head_, LinkOf(element)); }
  void PushBack(T* element) { InsertAfter(head_.previous_, LinkOf(element)); }
  void InsertBefore(T* position, T* element) {
    InsertAfter(LinkOf(position)->previous_, LinkOf(element));
  }
  void InsertAfter(T* position, T* element) { InsertAfter(LinkOf(position), LinkOf(element)); }

  static void Remove(T* element) { LinkOf(element)->Unlink(); }
  // Null if empty.
  T* PopFront() {
    T* element = Front();
    if (element != nullptr) {
      Remove(element);
    }
    return element;
  }
  // Moves all elements of `other` to the end of this list.
  void Append(IntrusiveList& other) {
    if (other.empty()) {
      return;
    }
    head_.previous_->next_ = other.head_.next_;
    other.head_.next_->previous_ = head_.previous_;
    other.head_.previous_->next_ = &head_;
    head_.previous_ = other.head_.previous_;
    other.head_.next_ = other.head_.previous_ = &other.head_;
  }

  // The element an iterator stands on may be removed only after stepping past it.
  class Iterator {
   public:
    explicit Iterator(Link* link) : link_(link) {}
    T& operator*() const { return *Element(link_); }
    T* operator->() const { return Element(link_); }
    Iterator& operator++() {
      link_ = link_->next_;
      return *this;
    }
    friend bool operator==(Iterator a, Iterator b) { return a.link_ == b.link_; }

   private:
    Link* link_;
  };
  Iterator begin() const { return Iterator(head_.next_); }
  Iterator end() const { return Iterator(&head_); }

 private:
  static Link* LinkOf(const T* element) {
    return const_cast<Link*>(static_cast<const Link*>(element));
  }
  static T* Element(Link* link) { return static_cast<T*>(link); }
  T* ElementOrNull(Link* link) const { return link == &head_ ? nullptr : Element(link); }
  static void InsertAfter(Link* position, Link* link) {
    link->next_ = position->next_;
    link->previous_ = position;
    position->next_->previous_ = link;
    position->next_ = link;
  }

  mutable Link head_;
};

}  // namespace k42
