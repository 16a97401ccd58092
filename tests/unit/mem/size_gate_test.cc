// Writes and cuts of one file in the middle of each other.
#include "mem/size_gate.h"

#include "machine/hosted.h"
#include "unit/mem/test_space.h"

namespace k42::mem {
namespace {

using Kind = SizeGate::Kind;

// Runs `work` in a thread of CPU 0, which runs when this one yields; `over` when it is done.
struct Beside {
  explicit Beside(std::function<void()> what) : work(std::move(what)) {
    EXPECT_TRUE(machine::Thread::Create(
                    "beside",
                    [](void* argument) {
                      auto& self = *static_cast<Beside*>(argument);
                      self.work();
                      self.over = true;
                      machine::Thread::Exit();
                    },
                    this, 0)
                    .ok());
  }
  ~Beside() { Wait(); }
  void Wait() const {
    while (!over) {
      machine::Thread::Yield();
    }
  }
  const std::function<void()> work;
  std::atomic<bool> over{false};
};

void LetOthersRun() {
  for (int i = 0; i < 20; ++i) {
    machine::Thread::Yield();
  }
}

TEST(SizeGate, WritersTogetherACutAloneInTheirOrder) {
  SizeGate gate;
  std::string order;
  gate.Enter(Kind::kShared);
  EXPECT_TRUE(gate.TryEnter(Kind::kShared));
  EXPECT_FALSE(gate.TryEnter(Kind::kAlone));
  const auto enter = [&](Kind kind, char name) {
    return [&gate, &order, kind, name] {
      const SizePass pass(gate, kind);
      order += name;
      machine::Thread::Yield();
      order += name;
    };
  };
  Beside cut(enter(Kind::kAlone, 'c'));
  LetOthersRun();
  Beside writer(enter(Kind::kShared, 'w'));
  LetOthersRun();
  EXPECT_FALSE(gate.TryEnter(Kind::kShared)) << "writers that come later wait behind the cut";
  EXPECT_EQ(order, "");
  gate.Leave();
  LetOthersRun();
  EXPECT_EQ(order, "");
  gate.Leave();
  cut.Wait();
  writer.Wait();
  EXPECT_EQ(order, "ccww");
  EXPECT_TRUE(gate.TryEnter(Kind::kAlone));
  gate.Leave();
}

TEST(SizeGate, OnAllCpusACutIsAlone) {
  SizeGate gate;
  std::atomic<int> writers{0}, cuts{0};
  machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
    for (int i = 0; i < 300; ++i) {
      const bool cut = (i + static_cast<int>(cpu)) % 3 == 0;
      const SizePass pass(gate, cut ? Kind::kAlone : Kind::kShared);
      ++(cut ? cuts : writers);
      ASSERT_LE(cuts, 1);
      ASSERT_TRUE(cuts == 0 || writers == 0);
      machine::Thread::Yield();
      --(cut ? cuts : writers);
    }
  });
}

// A cut takes pages out in several turns. What is written beyond the new size meanwhile was
// written after the cut, and is there.
TEST(SizeGate, WhatIsWrittenWhileAFileIsCutIsThere) {
  TestServices test;
  FcmFile* file = FcmFile::Create(test.services, nullptr, 0).value();
  const std::vector<unsigned char> data(1000 * kPageSize, 1);
  constexpr std::uint64_t kAt = 900 * kPageSize;
  const std::uint64_t value = 77;
  for (const bool waits : {false, true}) {
    ASSERT_TRUE(file->Write(0, BufferIn::Kernel(data.data(), data.size()), Waiting::kYes).ok());
    bool seen = false;
    Beside writer([&] {
      while (file->size() != 0) {
        machine::Thread::Yield();
      }
      seen = file->resident_pages() > 100;  // in the middle of it
      const Result<std::uint64_t> written =
          file->Write(kAt, BufferIn::Kernel(&value, 8), waits ? Waiting::kYes : Waiting::kNo);
      EXPECT_EQ(written.status(), waits ? Status::kOk : Status::kWouldBlock);
    });
    EXPECT_EQ(file->Resize(0), Status::kOk);
    writer.Wait();
    EXPECT_TRUE(seen);
    EXPECT_EQ(file->size(), waits ? kAt + 8 : 0);
  }
  std::uint64_t found = 0;
  EXPECT_EQ(file->Read(kAt, BufferOut::Kernel(&found, 8), Waiting::kYes).value(), 8u);
  EXPECT_EQ(found, value);
  file->DropReference();
}

// Fills when it is told to.
struct HeldFile final : FileRepresentative {
  void StartFill(PageRequest* request) override { held = request; }
  void StartWrite(PageRequest* request) override { request->Complete(Status::kOk, 0); }
  void CacheGone() override { gone = true; }
  PageRequest* held = nullptr;
  bool gone = false;
};

// A write of two pages, the first of which must be fetched, is not cut in half.
TEST(SizeGate, AWriteIsNotCutInHalf) {
  TestServices test;
  HeldFile source;
  FcmFile* file = FcmFile::Create(test.services, &source, 4 * kPageSize).value();
  const std::vector<unsigned char> data(kPageSize + 8, 5);
  Beside writer([&] {
    EXPECT_EQ(
        file->Write(2 * kPageSize - 8, BufferIn::Kernel(data.data(), data.size()), Waiting::kYes)
            .value(),
        data.size());
  });
  while (source.held == nullptr) {
    machine::Thread::Yield();
  }
  Beside cut([&] { EXPECT_EQ(file->Resize(kPageSize), Status::kOk); });
  LetOthersRun();
  EXPECT_FALSE(cut.over);
  EXPECT_EQ(file->size(), 4 * kPageSize);
  source.held->Complete(Status::kOk, 0);
  cut.Wait();
  EXPECT_TRUE(writer.over);
  EXPECT_EQ(file->size(), kPageSize);
  EXPECT_EQ(file->resident_pages(), 0u);
  file->DropReference();
  EXPECT_TRUE(source.gone);
}

}  // namespace
}  // namespace k42::mem
