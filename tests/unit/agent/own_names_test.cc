#include "cluster-services/agent/own_names.h"

#include <gtest/gtest.h>

namespace k42::agent {
namespace {

constexpr view::NodeId kSelf = 2;
constexpr view::Incarnation kLife = 20;

store::KeyValue NamePair(const std::string& path, const std::string& value, store::Revision at,
                         store::LeaseId lease, view::NodeId owner = kSelf,
                         view::Incarnation life = kLife) {
  return {names::NamesPrefix("t") + path, names::Encode({path, value, owner, life, 0}), at, at,
          lease};
}
store::Event Put(const store::KeyValue& pair) {
  return {false, pair};
}
store::Event Gone(const std::string& key, store::Revision at) {
  return {true, {key, "", 0, at, store::kNoLease}};
}
std::string NameKey(const std::string& path) {
  return names::NamesPrefix("t") + path;
}

class OwnNamesTest : public ::testing::Test {
 protected:
  std::vector<std::string> Lost() {
    std::vector<std::string> paths;
    for (const names::Binding& one : names_.Lost(kLife)) paths.push_back(one.path);
    return paths;
  }
  OwnNames names_{"t", kSelf};
  using Paths = std::vector<std::string>;
  const std::string record_ = view::MemberKey("t", kSelf);
};

TEST_F(OwnNamesTest, WhatGoesWithTheRecordIsLostUntilItIsBoundAgain) {
  names_.OnEvents({Put(NamePair("a", "1", 5, 70)), Put(NamePair("b", "2", 6, 70))});
  EXPECT_EQ(Lost(), Paths{});
  names_.OnEvents({Gone(record_, 9), Gone(NameKey("a"), 9), Gone(NameKey("b"), 9)});
  EXPECT_EQ(Lost(), (Paths{"a", "b"}));
  names_.OnEvents({Put(NamePair("a", "1", 12, 71))});
  EXPECT_EQ(Lost(), Paths{"b"});
  EXPECT_EQ(names_.Current("a", 5), 12);
  EXPECT_EQ(names_.Current("a", 4), 4);                      // never ours
  names_.OnEvents({Put(NamePair("a", "changed", 14, 71))});  // by the binder, who knows
  EXPECT_EQ(names_.Current("a", 5), 5);
  EXPECT_EQ(names_.Current("a", 14), 14);
}

TEST_F(OwnNamesTest, WhatSomebodyTookAwayIsForgotten) {
  names_.OnEvents({Put(NamePair("a", "1", 5, 70)), Put(NamePair("b", "2", 6, 70))});
  // In one batch, but not at one revision.
  names_.OnEvents({Gone(NameKey("a"), 8), Gone(record_, 9), Gone(NameKey("b"), 9)});
  EXPECT_EQ(Lost(), Paths{"b"});
  names_.OnEvents({Put(NamePair("b", "3", 10, 90, 3, 30))});
  EXPECT_EQ(Lost(), Paths{});
}

TEST_F(OwnNamesTest, AListingShowsWhatWasMissed) {
  const store::KeyValue record{record_, "", 3, 3, 70};
  names_.OnListing({7, {record, NamePair("a", "1", 5, 70), NamePair("b", "2", 6, 70)}});
  names_.OnListing({8, {record, NamePair("b", "2", 6, 70)}});  // the lease lives
  EXPECT_EQ(Lost(), Paths{});
  names_.OnListing({20, {{record_, "", 18, 18, 71}}});
  EXPECT_EQ(Lost(), Paths{"b"});
}

TEST_F(OwnNamesTest, AnotherLifesNamesAreNotBoundAgain) {
  names_.OnEvents({Put(NamePair("a", "1", 5, 70, kSelf, kLife - 1))});
  names_.OnEvents({Gone(record_, 9), Gone(NameKey("a"), 9)});
  EXPECT_EQ(Lost(), Paths{});
}

}  // namespace
}  // namespace k42::agent
