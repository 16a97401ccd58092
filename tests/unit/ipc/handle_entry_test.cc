// An entry that is read while it changes hands: every interleaving, store buffers included.
#include "ipc/handle_entry.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "model/interleave.h"

namespace k42::ipc {
namespace {

using cobj::InterfaceInfo;
using cobj::ObjectRef;
using model::Exploration;
using model::Explore;
using model::Program;

constexpr InterfaceInfo kFirstKind = {"test.First", nullptr, nullptr, nullptr, 0, nullptr};
constexpr InterfaceInfo kSecondKind = {"test.Second", nullptr, nullptr, nullptr, 0, nullptr};
constexpr ObjectRef kFirst = {16, 1, &kFirstKind};
constexpr ObjectRef kSecond = {32, 2, &kSecondKind};

bool Same(const ObjectRef& a, const ObjectRef& b) {
  return a.ref == b.ref && a.rights == b.rights && a.info == b.info;
}

template <typename Entry>
struct World {
  Entry entry;
  bool found = false;
  ObjectRef seen;
};

// The first object's handle is closed and the second gets the entry, while somebody reads it by the
// handle of `generation`.
template <typename Entry>
Exploration ExploreReuse(std::uint32_t generation, const ObjectRef& right) {
  return Explore([generation, right] {
    auto world = std::make_shared<World<Entry>>();
    return Program{
        {[world] {
           model::SetQuiet(true);
           world->entry.Fill(kFirst);
           model::SetQuiet(false);
           world->entry.Empty();
           world->entry.Fill(kSecond);
         },
         [world, generation] { world->found = world->entry.Read(generation, &world->seen); }},
        [world, right]() -> std::string {
          return !world->found || Same(world->seen, right) ? "" : "another's object";
        }};
  });
}

TEST(HandleEntryModel, AHandleFindsItsObjectOrNothing) {
  using Entry = BasicHandleEntry<model::Atomic>;
  for (const Exploration& result :
       {ExploreReuse<Entry>(0, kFirst), ExploreReuse<Entry>(1, kSecond)}) {
    EXPECT_TRUE(result.complete);
    EXPECT_EQ(result.failure, "");
  }
}

// One that does not look again at the version: found.
struct CarelessEntry : BasicHandleEntry<model::Atomic> {
  bool Read(std::uint32_t wanted, ObjectRef* object) const {
    if (generation() != wanted || !taken())
      return false;
    *object = this->object();
    return true;
  }
};
TEST(HandleEntryModel, LookingOnceIsNotEnough) {
  EXPECT_NE(ExploreReuse<CarelessEntry>(0, kFirst).failure, "");
}

TEST(HandleEntry, GenerationsGoOn) {
  HandleEntry entry;
  ObjectRef found;
  EXPECT_FALSE(entry.Read(0, &found));
  for (std::uint32_t i = 0; i < 300; ++i) {
    EXPECT_EQ(entry.generation(), i & 0xff);
    entry.Fill(kFirst);
    EXPECT_TRUE(entry.Read(i & 0xff, &found));
    EXPECT_TRUE(Same(found, kFirst));
    EXPECT_FALSE(entry.Read((i + 1) & 0xff, &found));
    entry.Empty();
    EXPECT_FALSE(entry.Read(i & 0xff, &found));
  }
}

}  // namespace
}  // namespace k42::ipc
