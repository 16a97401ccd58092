// Clustered objects: what calls, creation and destruction write that other CPUs write too.
#include <array>
#include <cstdio>
#include <ostream>
#include <thread>
#include <vector>

#include "cobj/factory.h"
#include "cobj/make.h"
#include "idl/counter.forward.h"
#include "lines/counting_node.h"
#include "support/counters.h"

namespace k42::test {
namespace {

class ObjectLines : public ::testing::Test {
 protected:
  CountingNode& node_ = CountingNode::Get();
};

TEST_F(ObjectLines, ASharedCounterIsOneLine) {
  const auto counter = cobj::MakeShared<SharedCounter>().value();
  const LineReport report = CountLines(
      4, 2000, [&](machine::CpuId, std::uint32_t) { (void)counter->Increment(1); }, 10);
  EXPECT_EQ(report.shared_per_operation, 1) << report.Text();
  EXPECT_EQ(cobj::Destroy(counter), Status::kOk);
}

TEST_F(ObjectLines, AReplicatedCounterIsNone) {
  const auto counter = cobj::MakeReplicated<ReplicatedCounter>(1).value();
  const LineReport report = CountLines(
      4, 2000, [&](machine::CpuId, std::uint32_t) { (void)counter->Increment(1); }, 10);
  EXPECT_EQ(report.shared_per_operation, 0) << report.Text();
  EXPECT_GE(report.written_per_operation, 1);
  EXPECT_EQ(cobj::Destroy(counter), Status::kOk);
}

// Objects without a word that all instances share.
class Plain final : public idl::ICounter {
 public:
  using Interface = idl::ICounter;
  Result<std::uint64_t> Increment(std::uint64_t amount) override { return value_ += amount; }
  Result<std::uint64_t> Value() override { return value_; }

 private:
  std::uint64_t value_ = 0;
};
class PlainReplicated final : public idl::ICounter {
 public:
  using Interface = idl::ICounter;
  struct Shared {};
  explicit PlainReplicated(cobj::RepSite<PlainReplicated>) {}
  Result<std::uint64_t> Increment(std::uint64_t amount) override { return value_ += amount; }
  Result<std::uint64_t> Value() override { return value_; }

 private:
  std::uint64_t value_ = 0;
};

using Counter = cobj::Ref<idl::ICounter>;

// Objects that are made, called and destroyed on one CPU, on each CPU at once.
class ObjectsOfOneCpu : public ObjectLines {
 protected:
  static constexpr machine::CpuId kCpus = CountingNode::kCpus;
  // A multiple of the bursts and of the ids' batch, so that both ends of a count are alike.
  static constexpr std::uint32_t kOperations = 512;
  static constexpr std::uint32_t kFew = 4, kMany = 32;
  static_assert(kOperations % cobj::ObjectManager::kIdBatch == 0);

  // One line is left, the grace token's with who waits for it: for each batch of destroyed ids of
  // any CPU it comes to every CPU three times at most, and their CPU joins those who wait, leaves
  // them and may park it. All else would be counted for each object.
  static constexpr double kMostForIds =
      static_cast<double>(3 * kCpus + 3) / cobj::ObjectManager::kIdBatch;

  // A CPU gets as many ids as it will ever want at once: the table does not grow later.
  void SetUp() override {
    machine::hosted::RunOnAllCpus([](machine::CpuId) {
      std::vector<Counter> all;
      while (all.size() < kMostIds + kMany) all.push_back(cobj::MakeShared<Plain>().value());
      for (const Counter each : all) (void)cobj::Destroy(each);
      AwaitGone();
    });
  }

  // What must be the same before and after, or it is not the objects that are counted, but memory
  // and a table that grow, and frames that go from CPU to CPU.
  struct State {
    std::uint64_t slab_frames = 0;
    std::uint32_t table_chunks = 0;
    friend bool operator==(const State&, const State&) = default;
    friend void PrintTo(const State& state, std::ostream* to) {
      *to << state.slab_frames << " frames in slabs, " << state.table_chunks << " chunks";
    }
  };
  State Here(machine::CpuId cpu) const {
    return {node_.heap.slab_frames(cpu), node_.objects.table().chunks()};
  }

  // `burst` objects are there before the first of them goes.
  template <typename Make>
  LineReport Count(const char* what, std::uint32_t burst, Make make) {
    struct alignas(64) OfCpu {
      State before, after;
      std::uint32_t count = 0;
      std::array<Counter, kMany> alive;
    };
    std::array<OfCpu, kCpus> cpus;
    const LineReport report = CountLines(
        kCpus, kOperations,
        [&](machine::CpuId cpu, std::uint32_t number) {
          OfCpu& mine = cpus[cpu];
          if (number == kOperations)
            mine.before = Here(cpu);
          const Counter object = make().value();
          (void)object->Increment(1);
          mine.alive[mine.count++] = object;
          if (mine.count == burst) {
            while (mine.count != 0) (void)cobj::Destroy(mine.alive[--mine.count]);
            AwaitGone();
          }
          if (number == 2 * kOperations - 1)
            mine.after = Here(cpu);
        },
        kOperations);
    std::printf("%s, %u at a time: %s", what, burst, report.Text().c_str());
    for (const OfCpu& each : cpus)
      EXPECT_EQ(each.before, each.after) << "the count began before all had its size";
    return report;
  }
  template <typename Make>
  void ExpectNone(const char* what, Make make) {
    for (const std::uint32_t burst : {kFew, kMany}) {
      const LineReport report = Count(what, burst, make);
      EXPECT_LE(report.shared_per_operation, kMostForIds) << report.Text();
    }
  }

 private:
  static constexpr std::uint64_t kMostIds = 2 * cobj::ObjectManager::kIdBatch + 64;  // destroyed

  // The CPU's loop has its turn until what was destroyed here has gone, as after each call of a
  // program; and a host that is slow to take the token round does not make the table grow.
  static void AwaitGone() {
    cobj::ObjectManager& manager = cobj::node_objects->manager_here();
    for (;;) {
      cobj::ObjectCounts counts{};
      (void)manager.Counts(counts);
      if (counts.destroyed == counts.disposed && counts.destroyed - counts.recycled <= kMostIds)
        return;
      cobj::QuietPoint();
      machine::Thread::Yield();
      std::this_thread::yield();  // the loop has a host thread of its own
    }
  }
};

TEST_F(ObjectsOfOneCpu, WithOneRepShareNone) {
  ExpectNone("objects with one rep", [] { return cobj::MakeShared<Plain>(); });
}

TEST_F(ObjectsOfOneCpu, WithARepForEachCpuShareNone) {
  ExpectNone("objects with a rep for each CPU",
             [] { return cobj::MakeReplicated<PlainReplicated>(1); });
}

TEST_F(ObjectsOfOneCpu, OfAFactoryShareNone) {
  static cobj::Factory<idl::ICounter> factory(1, [](Allocator& allocator) -> Result<cobj::Root*> {
    return static_cast<cobj::Root*>(TRY(allocator.Make<cobj::SharedRoot<Plain>>()));
  });
  ExpectNone("objects of a factory", [] { return factory.Create(); });
}

// What the others would show if there were a word for all objects: this class has one.
TEST_F(ObjectsOfOneCpu, ThatAreCountedInOneWordShareIt) {
  const LineReport report =
      Count("counted objects", kFew, [] { return cobj::MakeShared<SharedCounter>(); });
  EXPECT_GE(report.shared_per_operation, 1) << report.Text();
}

}  // namespace
}  // namespace k42::test
