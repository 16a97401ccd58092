// Version 2 of the stream class: the protocol of version 1, with books (how many puts and credits a
// stream has cost) and credits for each quarter of the receive ring instead of each half.
//
// Its state is the books, then version 1's. It takes a stream over from version 1 (the books begin
// at zero) and gives it back (they are dropped) in version 1's form, while the stream is in use.
#include "cobj/module.h"
#include "cobj/shared_root.h"
#include "io/fabric_stream.h"
#include "io/stream_object.h"

namespace k42::io {
namespace {

constexpr std::uint32_t kCreditPart = 4;

struct Books {
  std::uint64_t puts = 0;
  std::uint64_t credits = 0;
};

// The steps are version 1's, none of them virtual; what differs stands here and hides it. The
// transformers are version 1's Import (forward: into a core whose books are empty) and Export
// (reverse).
class FabricStreamV2 : private Books, public FabricStream {
 public:
  static constexpr std::uint32_t kVersion = 2;

  FabricStreamV2() { SetCreditPart(kCreditPart); }

  void Note(const StreamAction& action) {
    puts += action.kind == StreamAction::Kind::kPut;
    credits += action.kind == StreamAction::Kind::kSend &&
               action.message.kind == StreamMessageKind::kCredit;
  }
  void Describe(StreamDescription* description) const {
    FabricStream::Describe(description);
    description->class_version = kVersion;
    description->puts = puts;
    description->credits = credits;
  }
};

Result<cobj::Root*> Make(Allocator& allocator) {
  return static_cast<cobj::Root*>(
      TRY(allocator.Make<cobj::SharedRoot<StreamObject<FabricStreamV2>>>()));
}

// A stream of version 1 with bytes not yet sent becomes one of version 2, sends them, and becomes
// one of version 1 again that knows they are sent.
Status SelfTest(Allocator&) {
  constexpr std::uint64_t kBytes = 100;
  StreamMessage open;
  open.kind = StreamMessageKind::kOpen;
  open.from = 7;
  open.from_port = 1000;
  open.window_size = kMinimumStreamRing;
  FabricStream before({.id = 3,
                       .send_size = kMinimumStreamRing,
                       .receive_size = kMinimumStreamRing,
                       .receive_window = 9});
  TRY(before.Accept(open, 2000));
  before.Written(kBytes);

  FabricStreamV2 next;
  TRY(next.Import(kStreamStateV1, before.Export(kStreamStateV1)));
  StreamAction action;
  while (next.NextAction(&action)) {
    next.Note(action);
    if (action.kind == StreamAction::Kind::kPut)
      next.OnPutDone(action.put_end, Status::kOk);
  }
  StreamDescription seen;
  next.Describe(&seen);
  if (seen.class_version != 2 || seen.sent != kBytes || seen.unsent != 0 || seen.puts != 1)
    return Status::kCorrupt;

  FabricStream after;
  TRY(after.Import(kStreamStateV1, next.Export(kStreamStateV1)));
  after.Describe(&seen);
  return seen.sent == kBytes && seen.unsent == 0 && after.peer() == open.from ? Status::kOk
                                                                              : Status::kCorrupt;
}

Status Entry(cobj::ModuleOffer& offer) {
  offer.maker = Make;
  offer.self_test = SelfTest;
  return Status::kOk;
}

[[gnu::section(".k42.module"), gnu::used]] constinit abi::ModuleRecord record =
    cobj::ModuleFor("FabricStream", FabricStream::kVersion, FabricStreamV2::kVersion, Entry);

}  // namespace
}  // namespace k42::io
