// Puts and deletes on a node whose cache is behind the store.
#include "cluster-services/agent/change_name.h"

#include <gtest/gtest.h>

namespace k42::agent {
namespace {

using Standing = std::optional<names::Binding>;

class BehindAgent final : public ClusterAgent {
 public:
  void Join(std::map<std::string, std::string>, Adopted) override {}
  void Leave(const std::string&) override {}
  void ReportLoad(const LoadReport&) override {}
  bool HasAuthority() const override { return true; }
  std::uint64_t AuthorityUntilNs() const override { return 0; }
  std::shared_ptr<const Installed> Current() const override { return nullptr; }
  store::LeaseId Lease() const override { return 1; }
  std::vector<names::Binding> ListNames(const std::string&) const override { return {}; }

  Standing Lookup(const std::string&) const override { return cached; }
  Outcome<Standing> Read(const std::string&) const override {
    ++reads;
    return standing;
  }
  Outcome<store::Revision> Bind(const std::string& path, const std::string& value, bool,
                                store::Revision version) override {
    if (Interfere(version))
      return {Status::kAlreadyExists, "changed"};
    standing = names::Binding{path, value, 0, 0, ++revision};
    return store::Revision{revision};
  }
  Outcome<Done> Unbind(const std::string&, store::Revision version) override {
    if (Interfere(version))
      return {Status::kAlreadyExists, "changed"};
    standing.reset();
    return Done{};
  }

  Standing cached;
  Standing standing;
  store::Revision revision = 100;
  int interferences = 0;  // others that are faster than our next changes
  bool excluded = false;
  mutable int reads = 0;

 private:
  bool Interfere(store::Revision version) {
    if (interferences-- > 0)
      standing = names::Binding{"a", "theirs", 0, 0, ++revision};
    return excluded || version != (standing ? standing->version : 0);
  }
};

names::Binding At(store::Revision version) {
  return {"a", "old", 0, 0, version};
}

TEST(ChangeName, AStaleCacheIsNoReasonToRefuse) {
  BehindAgent agent;
  agent.cached = At(5);
  agent.standing = At(7);
  EXPECT_TRUE(PutName(agent, "a", "new").ok());
  EXPECT_EQ(agent.standing->value, "new");
  agent.cached.reset();
  EXPECT_TRUE(DeleteName(agent, "a").ok());
  EXPECT_FALSE(agent.standing);
  agent.cached = At(7);  // still seen, long gone
  EXPECT_TRUE(PutName(agent, "a", "again").ok());
  agent.standing.reset();
  agent.cached = At(7);
  EXPECT_EQ(DeleteName(agent, "a").status(), Status::kNotFound);
}

TEST(ChangeName, OthersThatAreFasterAreTriedAgainstAFewTimes) {
  BehindAgent agent;
  agent.interferences = 2;
  EXPECT_TRUE(PutName(agent, "a", "new").ok());
  agent.interferences = 1000;
  EXPECT_EQ(PutName(agent, "a", "newer").status(), Status::kAlreadyExists);
  EXPECT_LT(agent.reads, 10);
}

TEST(ChangeName, WhatIsRefusedForAnotherReasonIsSaidAtOnce) {
  BehindAgent agent;
  agent.cached = agent.standing = At(5);
  agent.excluded = true;
  EXPECT_EQ(PutName(agent, "a", "new").status(), Status::kAlreadyExists);
  EXPECT_EQ(agent.reads, 1);
}

}  // namespace
}  // namespace k42::agent
