// A store that does nothing by itself: a test says what it lists and how reads end; no change is
// made. And a membership that has it.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "cluster-services/noded/membership.h"
#include "cluster-services/store/store.h"

namespace k42::noded {

class PlayedStore final : public store::Store {
 public:
  using Deadline = store::Milliseconds;
  Outcome<std::optional<store::KeyValue>> Get(const std::string&, Deadline) override {
    ++reads;
    if (get_status.load() == Status::kOk)
      return std::optional<store::KeyValue>();
    return {get_status.load(), "played"};
  }
  Outcome<store::Listing> List(const std::string&, Deadline) override { return {kDown, ""}; }
  Outcome<store::Revision> Put(const std::string&, const std::string&, store::LeaseId,
                               Deadline) override {
    return {kDown, ""};
  }
  Outcome<store::Revision> Delete(const std::string&, Deadline) override { return {kDown, ""}; }
  Outcome<store::Committed> Commit(const store::Transaction&, Deadline) override {
    return {kDown, ""};
  }
  Outcome<store::Lease> GrantLease(std::chrono::seconds, Deadline) override { return {kDown, ""}; }
  Outcome<Done> RevokeLease(store::LeaseId, Deadline) override { return {kDown, ""}; }
  std::unique_ptr<store::LeaseKeeper> KeepLease(store::LeaseId, Deadline,
                                                store::LeaseHandler&) override {
    return nullptr;
  }
  std::unique_ptr<store::Watch> WatchPrefix(const std::string&, store::WatchHandler& by) override {
    handler = &by;
    return nullptr;
  }

  std::atomic<Status> get_status{Status::kUnavailable};  // kOk: there is no such key
  std::atomic<int> reads{0};
  store::WatchHandler* handler = nullptr;

 private:
  static constexpr Status kDown = Status::kUnavailable;
};

class StoreMembershipPlayed final : public Membership {
 public:
  void Join(const Attributes&, const Life&) override { ++joins; }
  void Leave(const std::string&) override {}
  std::uint64_t AuthorityDeadlineNs() const override { return 0; }
  store::Store* Store() override { return &played; }
  PlayedStore played;
  int joins = 0;
};

}  // namespace k42::noded
