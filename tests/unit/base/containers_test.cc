// Lists, queues, bitmaps, CPU sets, checked arithmetic.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "base/align.h"
#include "base/bitmap.h"
#include "base/bytes.h"
#include "base/checked.h"
#include "base/cpu_set.h"
#include "base/function_ref.h"
#include "base/intrusive_list.h"
#include "base/intrusive_queue.h"

namespace k42 {
namespace {

struct ByAge;
struct Item : ListLink<>, ListLink<ByAge>, QueueLink<> {
  explicit Item(int v) : value(v) {}
  int value;
};

template <typename List>
std::vector<int> Values(const List& list) {
  std::vector<int> values;
  for (const Item& item : list) {
    values.push_back(item.value);
  }
  return values;
}

TEST(IntrusiveList, KeepsOrderAndRemovesInTheMiddle) {
  Item a(1), b(2), c(3), d(4);
  IntrusiveList<Item> list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.PopFront(), nullptr);
  list.PushBack(&b);
  list.PushFront(&a);
  list.PushBack(&d);
  list.InsertBefore(&d, &c);
  EXPECT_EQ(Values(list), (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(list.Next(&b), &c);
  EXPECT_EQ(list.Previous(&a), nullptr);
  EXPECT_EQ(list.Next(&d), nullptr);
  list.Remove(&b);
  EXPECT_FALSE(b.ListLink<>::linked());
  EXPECT_EQ(Values(list), (std::vector<int>{1, 3, 4}));
  while (list.PopFront() != nullptr) {
  }
  EXPECT_TRUE(list.empty());
}

TEST(IntrusiveList, OneElementInTwoListsByTag) {
  Item a(1), b(2);
  IntrusiveList<Item> one;
  IntrusiveList<Item, ByAge> other;
  one.PushBack(&a);
  one.PushBack(&b);
  other.PushFront(&a);
  other.PushFront(&b);
  EXPECT_EQ(Values(one), (std::vector<int>{1, 2}));
  EXPECT_EQ(Values(other), (std::vector<int>{2, 1}));
}

TEST(IntrusiveList, AppendsWholeLists) {
  Item a(1), b(2), c(3);
  IntrusiveList<Item> one, two;
  one.Append(two);
  EXPECT_TRUE(one.empty());
  two.PushBack(&b);
  two.PushBack(&c);
  one.PushBack(&a);
  one.Append(two);
  EXPECT_TRUE(two.empty());
  EXPECT_EQ(Values(one), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(one.Back(), &c);
}

TEST(IntrusiveQueue, FirstInFirstOut) {
  Item a(1), b(2), c(3);
  IntrusiveQueue<Item> queue, other;
  queue.PushBack(&b);
  queue.PushFront(&a);
  other.PushBack(&c);
  queue.Append(other);
  EXPECT_EQ(queue.PopFront(), &a);
  EXPECT_EQ(queue.PopFront(), &b);
  EXPECT_EQ(queue.PopFront(), &c);
  EXPECT_EQ(queue.PopFront(), nullptr);
  queue.PushBack(&a);
  EXPECT_EQ(queue.Front(), &a);
}

TEST(IntrusiveStack, LastInFirstOut) {
  Item a(1), b(2);
  IntrusiveStack<Item> stack;
  stack.Push(&a);
  stack.Push(&b);
  EXPECT_EQ(stack.Top(), &b);
  EXPECT_EQ(stack.Pop(), &b);
  EXPECT_EQ(stack.Pop(), &a);
  EXPECT_EQ(stack.Pop(), nullptr);
}

TEST(Bitmap, FindsAcrossWords) {
  Bitmap<130> map;
  EXPECT_EQ(map.FindSet(), map.kNone);
  EXPECT_EQ(map.FindClear(), 0u);
  map.Set(64);
  map.Set(129);
  EXPECT_EQ(map.FindSet(), 64u);
  EXPECT_EQ(map.FindSet(65), 129u);
  EXPECT_EQ(map.FindSet(130), map.kNone);
  EXPECT_EQ(map.CountSet(), 2u);
  for (std::size_t i = 0; i < 130; ++i) {
    map.Set(i);
  }
  EXPECT_EQ(map.FindClear(), map.kNone);
  map.Clear(128);
  EXPECT_EQ(map.FindClear(3), 128u);
}

TEST(CpuSet, CountsAndIterates) {
  CpuSet set = CpuSet::Of(3) | CpuSet::Of(63);
  set.Add(0);
  std::vector<std::uint32_t> cpus;
  for (const std::uint32_t cpu : set) {
    cpus.push_back(cpu);
  }
  EXPECT_EQ(cpus, (std::vector<std::uint32_t>{0, 3, 63}));
  EXPECT_EQ(set.Count(), 3u);
  EXPECT_EQ((set - CpuSet::FirstOf(4)).First(), 63u);
  EXPECT_EQ(CpuSet::FirstOf(64).Count(), 64u);
  AtomicCpuSet shared;
  EXPECT_TRUE(shared.Add(5));
  EXPECT_FALSE(shared.Add(5));
  EXPECT_TRUE(shared.Remove(5));
  EXPECT_TRUE(shared.Load().empty());
}

TEST(Checked, RefusesToWrap) {
  EXPECT_EQ(CheckedAdd<std::uint64_t>(~0ull, 1).status(), Status::kOutOfRange);
  EXPECT_EQ(CheckedAdd<std::uint64_t>(1, 2).value(), 3u);
  EXPECT_EQ(CheckedMultiply<std::uint32_t>(1u << 31, 2).status(), Status::kOutOfRange);
  EXPECT_EQ(CheckedSubtract<std::uint32_t>(1, 2).status(), Status::kOutOfRange);
  EXPECT_EQ(CheckedAlignUp<std::uint64_t>(~0ull, 4096).status(), Status::kOutOfRange);
  EXPECT_TRUE(IsRangeWithin<std::uint64_t>(0x1000, 0x1000, 0x1000, 0x2000));
  EXPECT_FALSE(IsRangeWithin<std::uint64_t>(0x1000, 0x1001, 0x1000, 0x2000));
  EXPECT_FALSE(IsRangeWithin<std::uint64_t>(0x1000, ~0ull, 0x1000, 0x2000));
}

TEST(Align, RoundsAndTakesLogarithms) {
  EXPECT_EQ(AlignUp<std::uint64_t>(4097, 4096), 8192u);
  EXPECT_EQ(AlignDown<std::uint64_t>(4097, 4096), 4096u);
  EXPECT_TRUE(IsAligned<std::uint64_t>(8192, 4096));
  EXPECT_EQ(Log2Ceiling<std::uint64_t>(1), 0u);
  EXPECT_EQ(Log2Ceiling<std::uint64_t>(17), 5u);
  EXPECT_EQ(Log2Floor<std::uint64_t>(17), 4u);
  EXPECT_EQ(DivideUp<std::uint32_t>(9, 4), 3u);
}

TEST(Bytes, SlicesAndReads) {
  const std::uint32_t words[2] = {1, 0x01020304};
  const Bytes bytes = AsBytes(words, sizeof(words));
  EXPECT_EQ(ReadAt<std::uint32_t>(bytes, 4).value(), 0x01020304u);
  EXPECT_EQ(ReadAt<std::uint32_t>(bytes, 5).status(), Status::kOutOfRange);
  EXPECT_EQ(Slice(bytes, 9, 0).status(), Status::kOutOfRange);
}

TEST(FunctionRef, CallsWhatItBorrows) {
  int sum = 0;
  auto add = [&sum](int x) { return sum += x; };
  const FunctionRef<int(int)> call = add;
  EXPECT_EQ(call(2), 2);
  EXPECT_EQ(call(3), 5);
}

}  // namespace
}  // namespace k42
