#include "mem/page_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace k42::mem {
namespace {

void Clear(PageMap& map) {
  map.RemoveRange(0, ~0ull, [](std::uint64_t, PageMap::Entry&) { return true; });
  EXPECT_TRUE(map.empty());
}

TEST(PageMap, SparseIndicesFarApart) {
  PageMap map;
  EXPECT_EQ(map.Find(0), nullptr);
  for (const std::uint64_t index : {0ull, 63ull, 64ull, 1ull << 35, (1ull << 52) - 1}) {
    *map.FindOrAdd(index).value() = index + 1;
  }
  EXPECT_EQ(*map.Find(1ull << 35), (1ull << 35) + 1);
  EXPECT_EQ(map.Find(65), nullptr);
  Clear(map);
}

// A map reaches as far as what was put in: what lies beyond has no node, at whatever offset in one.
TEST(PageMap, WalksThatBeginBeyondAllThereIs) {
  for (const std::uint64_t only : {0ull, 1ull << 20}) {
    PageMap map;
    *map.FindOrAdd(only).value() = 1;
    const std::uint64_t beyond[] = {only + 1, only + 63, only + 67, (1ull << 32) + 3,
                                    (1ull << 52) - 3};
    for (const std::uint64_t first : beyond) {
      int visited = 0;
      const auto count = [&](std::uint64_t, PageMap::Entry&) {
        ++visited;
        return true;
      };
      EXPECT_EQ(map.ForEach(first, ~0ull, count), ~0ull);
      EXPECT_EQ(map.RemoveRange(first, ~0ull, count), ~0ull);
      EXPECT_EQ(visited, 0) << first;
    }
    Clear(map);
  }
}

TEST(PageMap, StopsAndGoesOn) {
  PageMap map;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    *map.FindOrAdd(i * 3).value() = 1;
  }
  int visited = 0;
  std::uint64_t next = 0;
  while (next != 3000) {
    int batch = 0;
    next = map.RemoveRange(next, 3000, [&](std::uint64_t, PageMap::Entry&) {
      ++visited;
      return ++batch < 64;
    });
  }
  EXPECT_EQ(visited, 1000);
  EXPECT_TRUE(map.empty());
}

TEST(PageMap, AgreesWithAnOrderedMap) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  PageMap map;
  std::map<std::uint64_t, std::uint64_t> model;
  for (int step = 0; step < 20000; ++step) {
    const std::uint64_t index = (random() % 4 << 30) + random() % 5000;
    switch (random() % 4) {
      case 0:
      case 1:
        model[index] = *map.FindOrAdd(index).value() = 1 + random() % 1000;
        break;
      case 2: {
        const PageMap::Entry* entry = map.Find(index);
        ASSERT_EQ(entry != nullptr, model.contains(index));
        if (entry != nullptr) {
          ASSERT_EQ(*entry, model[index]);
        }
        break;
      }
      default: {
        if (random() % 20 != 0) {
          break;
        }
        const std::uint64_t end = index + random() % 500;
        std::vector<std::uint64_t> removed;
        map.RemoveRange(index, end, [&](std::uint64_t at, PageMap::Entry&) {
          removed.push_back(at);
          return true;
        });
        std::vector<std::uint64_t> expected;
        for (auto it = model.lower_bound(index); it != model.end() && it->first < end;) {
          expected.push_back(it->first);
          it = model.erase(it);
        }
        ASSERT_EQ(removed, expected);
      }
    }
  }
  std::size_t count = 0;
  map.ForEach(0, ~0ull, [&](std::uint64_t at, PageMap::Entry& entry) {
    ++count;
    return model.at(at) == entry;
  });
  EXPECT_EQ(count, model.size());
  Clear(map);
}

}  // namespace
}  // namespace k42::mem
