#include "ipc/handle_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <random>
#include <utility>
#include <vector>

#include "cobj/hold.h"
#include "mem/heap.h"

namespace k42::ipc {
namespace {

using abi::Handle;
using cobj::ObjectRef;

constexpr cobj::InterfaceInfo kKind = {"test.Kind", nullptr, nullptr, nullptr, 0, nullptr};

ObjectRef Object(std::uint32_t ref, std::uint32_t rights = kAllRights) {
  return {ref, rights, &kKind};
}

class HandleTableTest : public ::testing::Test {
 protected:
  ~HandleTableTest() override { table_.CloseAll(); }
  HandleTable table_{mem::TheHeap()};
};

TEST_F(HandleTableTest, GrantResolveClose) {
  const Handle handle = table_.Grant(Object(48)).value();
  EXPECT_GE(abi::HandleIndex(handle), abi::kFirstFreeHandleIndex);
  ObjectRef found;
  EXPECT_EQ(table_.Resolve(handle, &found), Status::kOk);
  EXPECT_EQ(found.ref, 48u);
  EXPECT_EQ(table_.Close(handle), Status::kOk);
  EXPECT_EQ(table_.Resolve(handle, &found), Status::kBadHandle);
  EXPECT_EQ(table_.Close(handle), Status::kBadHandle);
}

TEST_F(HandleTableTest, AStaleHandleIsRefusedAfterReuse) {
  std::vector<Handle> handles;
  for (std::uint32_t i = 0; i < 40; ++i) handles.push_back(table_.Grant(Object(16 + i)).value());
  const Handle stale = handles[3];
  EXPECT_EQ(table_.Close(stale), Status::kOk);
  ObjectRef found;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    const Handle handle = table_.Grant(Object(1000 + i)).value();
    if (abi::HandleIndex(handle) == abi::HandleIndex(stale) && i < 200) {
      EXPECT_NE(handle, stale);
      EXPECT_EQ(table_.Resolve(stale, &found), Status::kBadHandle);
    }
    EXPECT_EQ(table_.Close(handle), Status::kOk);
  }
}

TEST_F(HandleTableTest, LimitsHold) {
  table_.SetLimit(3);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(table_.Grant(Object(16)).ok());
  EXPECT_EQ(table_.Grant(Object(16)).status(), Status::kLimitExceeded);
  table_.SetLimit(~0u);
  std::uint32_t granted = 3;
  while (table_.Grant(Object(16)).ok()) ++granted;
  EXPECT_EQ(granted, HandleTable::kIndexCount - abi::kFirstFreeHandleIndex);
}

// Memory is found without the lock: meanwhile another thread may have grown the table.
struct MeanwhileAllocator final : Allocator {
  void* Allocate(std::size_t size, std::size_t align) override {
    if (const auto grow = std::exchange(meanwhile, nullptr))
      grow();
    ++blocks;
    return mem::TheHeap().Allocate(size, align);
  }
  void Free(void* block, std::size_t size) override {
    --blocks;
    mem::TheHeap().Free(block, size);
  }
  std::function<void()> meanwhile;
  int blocks = 0;
};

TEST(HandleTableGrowth, OneOfTwoIsTooLate) {
  MeanwhileAllocator allocator;
  {
    HandleTable table(allocator);
    std::vector<Handle> handles;
    const auto grant = [&] { handles.push_back(table.Grant(Object(16)).value()); };
    for (int chunk = 1; chunk <= 4; ++chunk) {
      while (allocator.blocks < chunk) {
        allocator.meanwhile = grant;  // in the growth, if this one grows
        grant();
        allocator.meanwhile = nullptr;
      }
      EXPECT_EQ(allocator.blocks, chunk);
    }
    EXPECT_EQ(table.count(), handles.size());
    std::sort(handles.begin(), handles.end());
    EXPECT_EQ(std::adjacent_find(handles.begin(), handles.end()), handles.end());
    table.CloseAll();
  }
  EXPECT_EQ(allocator.blocks, 0);
}

TEST_F(HandleTableTest, FixedHandlesStay) {
  EXPECT_EQ(table_.GrantFixed(1, Object(16)), Status::kOk);
  EXPECT_EQ(table_.GrantFixed(1, Object(17)), Status::kAlreadyExists);
  EXPECT_EQ(table_.GrantFixed(0, Object(17)), Status::kInvalidArgument);
  EXPECT_EQ(table_.GrantFixed(16, Object(17)), Status::kInvalidArgument);
  EXPECT_EQ(table_.Close(1), Status::kBadHandle);
  table_.KeepOnly({});
  ObjectRef found;
  EXPECT_EQ(table_.Resolve(1, &found), Status::kOk);
}

TEST_F(HandleTableTest, OwnObjectsStayWhereTheKernelPutThem) {
  static constexpr cobj::InterfaceInfo kOwn = {"test.Own", nullptr, nullptr, nullptr,
                                               0,          nullptr, true};
  const ObjectRef own = {16, kAllRights, &kOwn};
  EXPECT_EQ(table_.Grant(own).status(), Status::kPermissionDenied);
  EXPECT_EQ(table_.GrantFixed(1, own), Status::kOk);
  ObjectRef found;
  EXPECT_EQ(table_.Resolve(1, &found), Status::kOk);
  EXPECT_EQ(table_.Duplicate(1, kAllRights).status(), Status::kPermissionDenied);
  EXPECT_EQ(cobj::Hold(own), Status::kPermissionDenied);
  HandleTable child(mem::TheHeap());
  EXPECT_EQ(child.CopyAll(table_), Status::kOk);
  EXPECT_EQ(child.count(), 0u);
}

TEST_F(HandleTableTest, DuplicatesHaveNoMoreRights) {
  const Handle handle = table_.Grant(Object(16, kRightRead | kRightMap)).value();
  const Handle copy = table_.Duplicate(handle, kRightRead | kRightWrite).value();
  ObjectRef found;
  EXPECT_EQ(table_.Resolve(copy, &found), Status::kOk);
  EXPECT_EQ(found.rights, std::uint32_t{kRightRead});
}

TEST_F(HandleTableTest, AChildHasTheSameNumbers) {
  std::vector<Handle> handles;
  for (std::uint32_t i = 0; i < 200; ++i) handles.push_back(table_.Grant(Object(16 + i)).value());
  for (std::uint32_t i = 0; i < 200; i += 3) EXPECT_EQ(table_.Close(handles[i]), Status::kOk);
  HandleTable child(mem::TheHeap());
  EXPECT_EQ(child.CopyAll(table_), Status::kOk);
  EXPECT_EQ(child.count(), table_.count());
  for (std::uint32_t i = 0; i < 200; ++i) {
    ObjectRef found;
    EXPECT_EQ(child.Resolve(handles[i], &found), i % 3 == 0 ? Status::kBadHandle : Status::kOk);
  }
  EXPECT_TRUE(child.Grant(Object(16)).ok());
  child.CloseAll();

  HandleTable listed(mem::TheHeap());
  const Handle list[] = {handles[1], handles[100], handles[100]};
  EXPECT_EQ(listed.CopyListed(table_, list), Status::kOk);
  EXPECT_EQ(listed.count(), 2u);
  ObjectRef found;
  EXPECT_EQ(listed.Resolve(handles[100], &found), Status::kOk);
  EXPECT_EQ(found.ref, 116u);
  const Handle missing[] = {handles[0]};
  HandleTable other(mem::TheHeap());
  EXPECT_EQ(other.CopyListed(table_, missing), Status::kBadHandle);
  listed.CloseAll();
  other.CloseAll();
}

TEST_F(HandleTableTest, KeepOnlyClosesTheRest) {
  std::vector<Handle> handles;
  for (std::uint32_t i = 0; i < 100; ++i) handles.push_back(table_.Grant(Object(16 + i)).value());
  const Handle keep[] = {handles[7], handles[50]};
  table_.KeepOnly(keep);
  EXPECT_EQ(table_.count(), 2u);
  table_.KeepOnly(keep);
  EXPECT_EQ(table_.count(), 2u);
}

// Against a map, with random operations.
TEST_F(HandleTableTest, BehavesLikeAMap) {
  std::mt19937 random(7);
  std::map<Handle, std::uint32_t> model;
  for (std::uint32_t i = 0; i < 20'000; ++i) {
    if (model.empty() || random() % 5 < 2) {
      const Handle handle = table_.Grant(Object(16 + i)).value();
      ASSERT_TRUE(model.emplace(handle, 16 + i).second);
    } else if (random() % 2 == 0) {
      auto at = model.begin();
      std::advance(at, random() % std::min<std::size_t>(model.size(), 20));
      ASSERT_EQ(table_.Close(at->first), Status::kOk);
      model.erase(at);
    } else {
      const Handle handle = random() & 0xff'ffff;
      ObjectRef found;
      const auto at = model.find(handle);
      const Status status = table_.Resolve(handle, &found);
      ASSERT_EQ(status, at == model.end() ? Status::kBadHandle : Status::kOk);
    }
    ASSERT_EQ(table_.count(), model.size());
  }
}

}  // namespace
}  // namespace k42::ipc
