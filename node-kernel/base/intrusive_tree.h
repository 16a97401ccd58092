// Ordered set of elements that carry their links, by a 64-bit key: a treap (a binary search tree
// that is also a heap by random priorities, so of logarithmic depth whatever the order of keys).
//
//   struct Range : TreeLink<Range> { std::uint64_t start; std::uint64_t TreeKey() const; };
//
// Keys are unique and do not change while the element is in a tree. No locking: the owner's.
#pragma once

#include <cstdint>

namespace k42 {

template <typename T>
class TreeLink {
 private:
  template <typename U>
  friend class IntrusiveTree;
  T* left_ = nullptr;
  T* right_ = nullptr;
  std::uint64_t priority_ = 0;
};

template <typename T>
class IntrusiveTree {
 public:
  constexpr IntrusiveTree() = default;
  IntrusiveTree(const IntrusiveTree&) = delete;
  IntrusiveTree& operator=(const IntrusiveTree&) = delete;

  bool empty() const { return root_ == nullptr; }
  std::uint64_t size() const { return size_; }

  void Insert(T* element) {
    LinkOf(element) = {};
    LinkOf(element).priority_ = NextPriority();
    T* low = nullptr;
    T* high = nullptr;
    Split(root_, element->TreeKey(), low, high);
    root_ = Join(Join(low, element), high);
    ++size_;
  }
  // Precondition: the element is in the tree.
  void Remove(T* element) {
    T** at = &root_;
    while (*at != element) {
      at = element->TreeKey() < (*at)->TreeKey() ? &LinkOf(*at).left_ : &LinkOf(*at).right_;
    }
    *at = Join(LinkOf(element).left_, LinkOf(element).right_);
    --size_;
  }

  // The element with the greatest key <= `key`, or null.
  T* Floor(std::uint64_t key) const {
    T* found = nullptr;
    for (T* at = root_; at != nullptr;) {
      if (at->TreeKey() <= key) {
        found = at;
        at = LinkOf(at).right_;
      } else {
        at = LinkOf(at).left_;
      }
    }
    return found;
  }
  // The element with the least key >= `key`, or null.
  T* Ceiling(std::uint64_t key) const {
    T* found = nullptr;
    for (T* at = root_; at != nullptr;) {
      if (at->TreeKey() >= key) {
        found = at;
        at = LinkOf(at).left_;
      } else {
        at = LinkOf(at).right_;
      }
    }
    return found;
  }
  T* First() const { return Ceiling(0); }
  T* Last() const { return Floor(~std::uint64_t{0}); }
  T* Next(const T* element) const { return Ceiling(element->TreeKey() + 1); }
  T* Previous(const T* element) const {
    return element->TreeKey() == 0 ? nullptr : Floor(element->TreeKey() - 1);
  }

 private:
  static TreeLink<T>& LinkOf(T* element) { return *element; }
  // xorshift64: any constant seed will do, keys are not chosen by an adversary of ours.
  std::uint64_t NextPriority() {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return random_;
  }
  // Keys below `key` to low, the others to high.
  static void Split(T* tree, std::uint64_t key, T*& low, T*& high) {
    T** low_at = &low;
    T** high_at = &high;
    while (tree != nullptr) {
      if (tree->TreeKey() < key) {
        *low_at = tree;
        low_at = &LinkOf(tree).right_;
        tree = LinkOf(tree).right_;
      } else {
        *high_at = tree;
        high_at = &LinkOf(tree).left_;
        tree = LinkOf(tree).left_;
      }
    }
    *low_at = nullptr;
    *high_at = nullptr;
  }
  // Precondition: all keys of low are below all of high.
  static T* Join(T* low, T* high) {
    T* root = nullptr;
    T** at = &root;
    while (low != nullptr && high != nullptr) {
      if (LinkOf(low).priority_ > LinkOf(high).priority_) {
        *at = low;
        at = &LinkOf(low).right_;
        low = LinkOf(low).right_;
      } else {
        *at = high;
        at = &LinkOf(high).left_;
        high = LinkOf(high).left_;
      }
    }
    *at = low != nullptr ? low : high;
    return root;
  }

  T* root_ = nullptr;
  std::uint64_t size_ = 0;
  std::uint64_t random_ = 0x9e37'79b9'7f4a'7c15;
};

}  // namespace k42
