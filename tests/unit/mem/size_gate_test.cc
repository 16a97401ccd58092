// Writes and cuts of one file in the middle of each other.
#include "mem/size_gate.h"

#include "machine/hosted.h"
#include "mem/memory_object.h"
#include "unit/mem/beside.h"
#include "unit/mem/test_space.h"

namespace k42::mem {
namespace {

using Kind = SizeGate::Kind;

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
  gate.Leave(Kind::kShared);
  LetOthersRun();
  EXPECT_EQ(order, "");
  gate.Leave(Kind::kShared);
  cut.Wait();
  writer.Wait();
  EXPECT_EQ(order, "ccww");
  EXPECT_TRUE(gate.TryEnter(Kind::kAlone));
  gate.Leave(Kind::kAlone);
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
    EXPECT_EQ(file->Resize(0, Waiting::kYes), Status::kOk);
    writer.Wait();
    EXPECT_TRUE(seen);
    EXPECT_EQ(file->size(), waits ? kAt + 8 : 0);
  }
  std::uint64_t found = 0;
  EXPECT_EQ(file->Read(kAt, BufferOut::Kernel(&found, 8), Waiting::kYes).value(), 8u);
  EXPECT_EQ(found, value);
  file->DropReference();
}

// A file that grows is not in the middle of a cut: what is still to be taken out would be part of
// it again.
TEST(SizeGate, WhatACutHasYetToTakeOutDoesNotComeBack) {
  TestServices test;
  FcmFile* file = FcmFile::Create(test.services, nullptr, 0).value();
  const std::vector<unsigned char> data(1000 * kPageSize, 1);
  ASSERT_TRUE(file->Write(0, BufferIn::Kernel(data.data(), data.size()), Waiting::kYes).ok());
  bool seen = false;
  Beside grower([&] {
    while (file->size() != 0) {
      machine::Thread::Yield();
    }
    seen = file->resident_pages() > 100;
    EXPECT_EQ(file->GrowTo(data.size(), Waiting::kNo), Status::kWouldBlock);
    EXPECT_EQ(file->PunchHole(0, data.size(), Waiting::kNo), Status::kWouldBlock);
    std::uint64_t end = 0;
    EXPECT_EQ(file->Append(BufferIn::Kernel(data.data(), 1), Waiting::kNo, &end).status(),
              Status::kWouldBlock);
    EXPECT_EQ(file->GrowTo(data.size(), Waiting::kYes), Status::kOk);
    unsigned char last = 2;
    EXPECT_EQ(file->Read(data.size() - 1, BufferOut::Kernel(&last, 1), Waiting::kYes).value(), 1u);
    EXPECT_EQ(last, 0);
  });
  EXPECT_EQ(file->Resize(0, Waiting::kYes), Status::kOk);
  grower.Wait();
  EXPECT_TRUE(seen);
  EXPECT_EQ(file->size(), data.size());
  file->DropReference();
}

// Records that all CPUs append, while one cuts: each stands where the file ended, whole, and no gap
// before it.
TEST(SizeGate, AppendsStandOneBehindTheOther) {
  TestServices test;
  FcmFile* file = FcmFile::Create(test.services, nullptr, 0).value();
  constexpr std::uint64_t kRecord = 24;  // no part of a page: some lie in two
  std::atomic<std::uint64_t> appended{0};
  machine::hosted::RunOnAllCpus([&](machine::CpuId cpu) {
    for (int i = 0; i < 400; ++i) {
      if (cpu == 0 && i % 8 == 7) {
        ASSERT_EQ(file->Resize(0, Waiting::kYes), Status::kOk);
      } else if (cpu == 1 && i % 16 == 15) {
        ASSERT_EQ(file->PunchHole(std::uint64_t{1} << 20, 1, Waiting::kYes), Status::kOk);
      } else {
        const std::vector<unsigned char> record(kRecord, static_cast<unsigned char>(cpu + 1));
        std::uint64_t end = 0;
        ASSERT_EQ(
            file->Append(BufferIn::Kernel(record.data(), kRecord), Waiting::kYes, &end).value(),
            kRecord);
        ASSERT_EQ(end % kRecord, 0u);
        ++appended;
      }
      if (i % 4 == 0) {
        machine::Thread::Yield();
      }
    }
  });
  EXPECT_GT(appended, 0u);
  std::vector<unsigned char> all(file->size());
  ASSERT_EQ(file->Read(0, BufferOut::Kernel(all.data(), all.size()), Waiting::kYes).value(),
            all.size());
  EXPECT_EQ(all.size() % kRecord, 0u);
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_NE(all[i], 0) << i;
    ASSERT_EQ(all[i], all[i - i % kRecord]) << i;
  }
  file->DropReference();
}

// Fills when it is told to.
struct HeldFile final : FileRepresentative {
  void StartFill(PageRequest* request) override { held = request; }
  void StartWrite(PageRequest* request) override {
    request->Complete(Status::kOk, request->size());
  }
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
  Beside cut([&] { EXPECT_EQ(file->Resize(kPageSize, Waiting::kYes), Status::kOk); });
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

// A page on its way in when the file changes elsewhere may be of before: whoever waits for it asks
// again.
TEST(SizeGate, WhatIsOnItsWayInIsNotKept) {
  TestServices test;
  HeldFile source;
  FcmFile* file = FcmFile::Create(test.services, &source, kPageSize).value();
  unsigned char byte = 0;
  Beside reader(
      [&] { EXPECT_EQ(file->Read(0, BufferOut::Kernel(&byte, 1), Waiting::kYes).value(), 1u); });
  for (const unsigned char is : {5, 6}) {
    while (source.held == nullptr) {
      machine::Thread::Yield();
    }
    PageRequest* fill = std::exchange(source.held, nullptr);
    fill->PageData(0)[0] = std::byte{is};
    if (is == 5) {
      file->DropClean();
    }
    fill->Complete(Status::kOk, kPageSize);
  }
  reader.Wait();
  EXPECT_EQ(byte, 6);
  file->DropReference();
  EXPECT_TRUE(source.gone);
}

// While a call waits its object may go: whoever serves user space says that it would have to, and a
// worker, which holds the object, waits.
TEST(SizeGate, NobodyWaitsUnderACallOfUserSpace) {
  TestServices test;
  HeldFile source;
  FcmFile* file = FcmFile::Create(test.services, &source, 4 * kPageSize).value();
  std::uint64_t dispatcher = 0;
  {
    MemoryObject object(file);
    Beside writer([&] {
      EXPECT_EQ(file->Write(8, BufferIn::Kernel(&dispatcher, 8), Waiting::kYes).value(), 8u);
    });
    while (source.held == nullptr) {
      machine::Thread::Yield();
    }
    machine::ThreadContext& context = machine::Thread::Current()->context();
    context.user_call = &dispatcher;
    EXPECT_EQ(object.Resize(kPageSize), Status::kWouldBlock);
    context.user_call = nullptr;
    EXPECT_EQ(file->size(), 4 * kPageSize);
    Beside worker([&] {
      machine::ThreadContext& own = machine::Thread::Current()->context();
      own.user_call = own.worker = &dispatcher;
      EXPECT_EQ(object.Resize(kPageSize), Status::kOk);
    });
    LetOthersRun();
    EXPECT_FALSE(worker.over);
    source.held->Complete(Status::kOk, 0);
    worker.Wait();
    EXPECT_EQ(file->size(), kPageSize);
    context.user_call = &dispatcher;
    EXPECT_EQ(object.Resize(0), Status::kOk);  // nobody is inside
    context.user_call = nullptr;
  }
  file->DropReference();
  EXPECT_TRUE(source.gone);
}

}  // namespace
}  // namespace k42::mem
