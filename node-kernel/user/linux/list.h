// Intrusive doubly linked list: a member ListLink in the element, no allocation, O(1) removal.
// The owner of the elements keeps them alive while they are linked. Not locked: inside the
// personality everything runs one thread at a time (README, "How it runs").
#pragma once

#include <cstddef>

namespace k42::personality {

template <typename T>
struct ListLink {
  T* next = nullptr;
  T* previous = nullptr;
  bool linked = false;
};

template <typename T, ListLink<T> T::*kLink>
class List {
 public:
  bool empty() const { return first_ == nullptr; }
  T* first() const { return first_; }
  T* Next(const T* element) const { return (element->*kLink).next; }
  bool Contains(const T* element) const { return (element->*kLink).linked; }

  void PushBack(T* element) { InsertBefore(nullptr, element); }
  void PushFront(T* element) { InsertBefore(first_, element); }

  // Puts `element` before `place`; null means the end.
  void InsertBefore(T* place, T* element) {
    auto& link = element->*kLink;
    link.linked = true;
    link.next = place;
    link.previous = place ? (place->*kLink).previous : last_;
    (link.previous ? (link.previous->*kLink).next : first_) = element;
    (place ? (place->*kLink).previous : last_) = element;
  }

  void Remove(T* element) {
    auto& link = element->*kLink;
    (link.previous ? (link.previous->*kLink).next : first_) = link.next;
    (link.next ? (link.next->*kLink).previous : last_) = link.previous;
    link = {};
  }

  // Like Remove, but does nothing to an element that is not linked.
  void Discard(T* element) {
    if (Contains(element)) {
      Remove(element);
    }
  }

  T* PopFront() {
    T* element = first_;
    if (element) {
      Remove(element);
    }
    return element;
  }

 private:
  T* first_ = nullptr;
  T* last_ = nullptr;
};

}  // namespace k42::personality
