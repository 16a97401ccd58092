#include "cluster-services/names/name_tree.h"

#include <gtest/gtest.h>

#include <random>

namespace k42::names {
namespace {

store::KeyValue Pair(const Binding& binding) {
  return {NamesPrefix("c") + binding.path, Encode(binding), 1, binding.version, 0};
}
store::Event Put(const Binding& binding) {
  return {false, Pair(binding)};
}
store::Event Gone(const std::string& path) {
  return {true, {NamesPrefix("c") + path, "", 0, 9, 0}};
}

TEST(Names, Paths) {
  EXPECT_TRUE(ValidPath("a"));
  EXPECT_TRUE(ValidPath("a/b.c/d"));
  for (const char* path : {"", "/a", "a/", "a//b", ".", "a/../b"})
    EXPECT_FALSE(ValidPath(path)) << path;
  EXPECT_FALSE(ValidPath(std::string(256, 'x')));
}

TEST(NameTree, FollowsTheStore) {
  NameTree tree("c");
  EXPECT_EQ(tree.OnListing({5,
                            {Pair({"a/x", "1", 0, 0, 3}),
                             Pair({"ab", "2", 0, 0, 4}),
                             {"/k42/c/view", "{}", 1, 1, 0}}}),
            (std::vector<std::string>{"a/x", "ab"}));
  EXPECT_EQ(tree.Find("a/x")->value, "1");
  EXPECT_EQ(tree.List("a").size(), 1u);
  EXPECT_EQ(tree.List("").size(), 2u);
  EXPECT_EQ(tree.OnEvents({Put({"a/x", "9", 0, 0, 6}), Gone("ab"), Gone("never")}),
            (std::vector<std::string>{"a/x", "ab"}));
  EXPECT_EQ(tree.Find("a/x")->version, 6);
  EXPECT_EQ(tree.Find("ab"), nullptr);
  // After a compaction: only differences are told.
  EXPECT_EQ(tree.OnListing({9, {Pair({"a/x", "9", 0, 0, 6}), Pair({"new", "", 0, 0, 8})}}),
            (std::vector<std::string>{"new"}));
}

TEST(NameTree, EphemeralNamesGoWithTheirIncarnation) {
  NameTree tree("c");
  view::View view;
  view.next_incarnation = 9;
  tree.OnView(view.With({2, 7, ""}));
  tree.OnEvents({Put({"port", "1", 2, 7, 3}), Put({"old", "1", 2, 6, 4})});
  EXPECT_NE(tree.Find("port"), nullptr);
  EXPECT_EQ(tree.Find("old"), nullptr);  // an earlier life's, its lease still runs
  EXPECT_EQ(tree.OnView(view), (std::vector<std::string>{"port"}));
  EXPECT_EQ(tree.Find("port"), nullptr);
  EXPECT_TRUE(tree.List("").empty());
}

// However the history is cut into events and listings, the same tree comes out.
TEST(NameTree, ListingsAndEventsAgree) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    NameTree by_events("c");
    NameTree mixed("c");
    std::map<std::string, Binding> truth;
    for (store::Revision revision = 1; revision < 60; ++revision) {
      const std::string path = "p" + std::to_string(random() % 6);
      store::Event event;
      if (random() % 3 == 0) {
        truth.erase(path);
        event = Gone(path);
      } else {
        truth[path] = {path, std::to_string(revision), 0, 0, revision};
        event = Put(truth[path]);
      }
      by_events.OnEvents({event});
      if (random() % 4 == 0) {
        store::Listing listing{revision, {}};
        for (const auto& [name, binding] : truth) listing.pairs.push_back(Pair(binding));
        mixed.OnListing(listing);
      } else {
        mixed.OnEvents({event});
      }
      ASSERT_EQ(by_events.List(""), mixed.List("")) << "seed " << seed;
      ASSERT_EQ(mixed.List("").size(), truth.size());
    }
  }
}

}  // namespace
}  // namespace k42::names
