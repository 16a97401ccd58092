#include "cluster-services/view/membership.h"

#include <algorithm>
#include <charconv>

namespace k42::view {
namespace {

constexpr TimeMs kRetry = 200;      // after a refused or lost commit, when the watch shows nothing
constexpr TimeMs kPatience = 3000;  // an unanswered commit is given up; it may still be seen
constexpr TimeMs kRankDelay = 50;   // the k-th survivor removes the dead k times this later
constexpr TimeMs kNever = INT64_MAX;

// The store counts as having been away when no keepalive was answered for this part of a TTL: a
// lease that was kept can only end by an absence longer than that.
TimeMs Disturbance(TimeMs ttl) {
  return ttl / 2;
}
// So long after the store came back a living member may need to bind its record again: to see that
// its lease has ended, to connect, to get another.
TimeMs Grace(TimeMs ttl) {
  return 2 * ttl;
}

// A lease counts for less here than in the store, because two clocks may run apart by some per
// cent.
TimeMs TrustedPart(TimeMs ttl) {
  return ttl - ttl / 10;
}

}  // namespace

std::vector<Action> Membership::Step(const Event& event, TimeMs now) {
  now_ = now;
  next_tick_ = kNever;
  actions_.clear();
  std::visit([this](const auto& one) { On(one); }, event);
  Advance();
  return std::move(actions_);
}

// -- events -------------------------------------------------------------------------------------

void Membership::On(const JoinWanted& wanted) {
  BecomeIdle();
  state_ = State::kJoining;
  wanted_ = wanted;
  last_said_.clear();
  if (wanted.lease != store::kNoLease) {
    ForgetLease();
    lease_ = wanted.lease;
    Do(KeepLease{lease_});
  }
}

void Membership::On(const LeaveWanted&) {
  if (state_ == State::kMember && seen_.Contains(config_.node, incarnation_) && OwnRecordStands()) {
    store::Transaction leave = OnThisView();
    leave.IfModifiedAt(MemberKey(config_.cluster, config_.node), metas_.at(config_.node).modified)
        .Put(ViewKey(config_.cluster), Encode(seen_.Without(config_.node)))
        .Delete(MemberKey(config_.cluster, config_.node));
    SendCommit(std::move(leave), kPatience);
  }
  LeaveLease();
  BecomeIdle();
}

void Membership::On(const LeaseGranted& granted) {
  asking_lease_ = false;
  if (state_ == State::kIdle) {
    Do(EndLease{granted.lease});
    return;
  }
  lease_ = granted.lease;
  kept_until_ = granted.sent + TrustedPart(granted.ttl);
  Do(KeepLease{lease_});
}

void Membership::On(const LeaseRefused& refused) {
  asking_lease_ = false;
  lease_retry_at_ = now_ + kRetry;
  Say("cannot get a lease: " + refused.why);
}

void Membership::On(const LeaseKept& kept) {
  if (kept.lease != lease_)
    return;
  kept_until_ = std::max(kept_until_, kept.sent + TrustedPart(kept.ttl));
  if (!StoreIsSteady())
    steady_since_ = now_;
  last_kept_ = now_;
}

void Membership::On(const LeaseLost& lost) {
  if (lost.lease != lease_)
    return;
  ForgetLease();
  if (state_ == State::kMember)
    Say("the lease is lost; asking for another before anybody removes this node");
}

void Membership::On(const Listed& listed) {
  listed_ = true;
  records_.clear();
  metas_.clear();
  for (const store::KeyValue& pair : listed.listing.pairs) SeePair(pair);
}

void Membership::On(const Changed& changed) {
  for (const store::Event& event : changed.events) {
    if (event.deleted)
      SeeDeleted(event.pair.key);
    else
      SeePair(event.pair);
  }
}

void Membership::On(const CommitEnded& ended) {
  if (ended.id != pending_commit_)
    return;
  pending_commit_ = 0;
  retry_at_ = now_ + kRetry;  // the watch will most likely show why before that
  if (!ended.made && !ended.note.empty())
    Say("the store refuses a change: " + ended.note);
}

// -- what the store shows -----------------------------------------------------------------------

NodeId Membership::NodeOfKey(const std::string& key) const {
  const std::string prefix = Root(config_.cluster) + "/members/";
  if (!key.starts_with(prefix))
    return 0;
  NodeId node = 0;
  const char* end = key.data() + key.size();
  const auto [stop, error] = std::from_chars(key.data() + prefix.size(), end, node);
  return error == std::errc() && stop == end ? node : 0;
}

void Membership::SeePair(const store::KeyValue& pair) {
  if (pair.key == ViewKey(config_.cluster)) {
    Outcome<View> view = DecodeView(pair.value, pair.modified);
    if (view.ok())
      seen_ = std::move(view.value());
    else
      Say("unreadable " + pair.key + ": " + view.detail());
    return;
  }
  const NodeId node = NodeOfKey(pair.key);
  if (node == 0)
    return;
  Outcome<MemberRecord> record = DecodeMember(pair.value);
  if (!record.ok() || record->node != node) {
    Say("unreadable " + pair.key);
    return;
  }
  records_[node] = std::move(record.value());
  metas_[node] = {pair.created, pair.modified, pair.lease};
}

void Membership::SeeDeleted(const std::string& key) {
  const NodeId node = NodeOfKey(key);
  records_.erase(node);
  metas_.erase(node);
}

bool Membership::OwnRecordStands() const {
  const auto record = records_.find(config_.node);
  return record != records_.end() && record->second.incarnation == incarnation_ &&
         record->second.seat == config_.seat && record->second.attributes == wanted_.attributes &&
         metas_.at(config_.node).lease == lease_;
}

store::Revision Membership::own_record_created() const {
  const auto meta = metas_.find(config_.node);
  return meta != metas_.end() && OwnRecordStands() ? meta->second.created : 0;
}

// -- consequences -------------------------------------------------------------------------------

void Membership::Advance() {
  if (state_ == State::kIdle || !listed_)
    return;
  if (pending_commit_ != 0 && now_ >= retry_at_)
    pending_commit_ = 0;
  if (lease_ == store::kNoLease && !asking_lease_) {
    if (now_ >= lease_retry_at_) {
      asking_lease_ = true;
      Do(AskLease{});
    } else {
      WakeAt(lease_retry_at_);
    }
  }
  if (state_ == State::kJoining)
    RecognizeJoin();
  if (state_ == State::kJoining)
    TryJoin();
  if (state_ == State::kMember)
    InstallView();
  if (state_ == State::kMember) {
    TakeAuthority();
    RepairRecord();
    RemoveTheDead();
  }
  if (pending_commit_ != 0)
    WakeAt(retry_at_);
}

// Some attempt of ours was made: the view and the record show it, whatever its answer was.
void Membership::RecognizeJoin() {
  const auto record = records_.find(config_.node);
  if (lease_ == store::kNoLease || record == records_.end() ||
      record->second.seat != config_.seat || record->second.secret != wanted_.secret ||
      metas_.at(config_.node).lease != lease_ ||
      !seen_.Contains(config_.node, record->second.incarnation)) {
    if (wanted_.incarnation != 0 && !seen_.Contains(config_.node, wanted_.incarnation)) {
      LeaveLease();
      BecomeIdle();
      Do(Excluded{"removed from the view while the daemon was away"});
    }
    return;
  }
  state_ = State::kMember;
  incarnation_ = record->second.incarnation;
  pending_commit_ = 0;
  Do(Joined{incarnation_, lease_, wanted_.secret});
}

void Membership::TryJoin() {
  if (lease_ == store::kNoLease || pending_commit_ != 0)
    return;
  if (now_ < retry_at_) {
    WakeAt(retry_at_);
    return;
  }
  if (wanted_.incarnation != 0) {
    // Going on with a life that the view still has: only its record may need a new lease.
    incarnation_ = wanted_.incarnation;
    state_ = State::kMember;
    Do(Joined{incarnation_, lease_, wanted_.secret});
    return;
  }
  store::Transaction join = OnThisView();
  const std::string key = MemberKey(config_.cluster, config_.node);
  const auto held = records_.find(config_.node);
  if (held == records_.end()) {
    join.IfAbsent(key);
  } else if (held->second.seat == config_.seat) {
    join.IfModifiedAt(key, metas_.at(config_.node).modified);
  } else {
    const auto host = held->second.attributes.find("host");
    Say("node " + std::to_string(config_.node) + " is held by another seat" +
        (host == held->second.attributes.end() ? "" : " on host " + host->second) +
        "; waiting until its lease ends");
    return;
  }
  View next = seen_.With({config_.node, seen_.next_incarnation, config_.digest});
  ++next.next_incarnation;
  const MemberRecord record{config_.node, seen_.next_incarnation, config_.seat, wanted_.secret,
                            wanted_.attributes};
  join.Put(ViewKey(config_.cluster), Encode(next)).Put(key, Encode(record), lease_);
  SendCommit(std::move(join), kPatience);
}

void Membership::InstallView() {
  if (seen_.epoch <= installed_.epoch)
    return;
  Install install{seen_, {}};
  for (const Member& member : installed_.members) {
    if (!seen_.Contains(member.node, member.incarnation))
      install.gone.push_back(member);
  }
  installed_ = seen_;
  if (!seen_.Contains(config_.node, incarnation_)) {
    LeaveLease();
    BecomeIdle();
    Do(Excluded{"a view without this incarnation is installed"});
    return;
  }
  Do(std::move(install));
}

// Authority needs the record as well: a lease that nothing is bound to proves nothing to others.
void Membership::TakeAuthority() {
  if (lease_ != store::kNoLease && OwnRecordStands())
    authority_until_ = std::max(authority_until_, kept_until_);
}

// The lease is a new one (the old was lost), or the daemon is and has other addresses: write the
// record anew.
void Membership::RepairRecord() {
  if (lease_ == store::kNoLease || OwnRecordStands() || pending_commit_ != 0)
    return;
  if (now_ < retry_at_) {
    WakeAt(retry_at_);
    return;
  }
  const std::string key = MemberKey(config_.cluster, config_.node);
  store::Transaction repair = OnThisView();
  const auto held = metas_.find(config_.node);
  if (held == metas_.end())
    repair.IfAbsent(key);
  else
    repair.IfModifiedAt(key, held->second.modified);
  const MemberRecord record{config_.node, incarnation_, config_.seat, wanted_.secret,
                            wanted_.attributes};
  repair.Put(key, Encode(record), lease_);
  SendCommit(std::move(repair), kPatience);
}

void Membership::RemoveTheDead() {
  std::erase_if(absent_since_, [this](const auto& entry) {
    return seen_.Find(entry.first) == nullptr || records_.contains(entry.first);
  });
  TimeMs rank = 0;  // of this node among those who could remove
  for (const Member& member : seen_.members) {
    if (member.node < config_.node && records_.contains(member.node))
      ++rank;
    if (member.node != config_.node && !records_.contains(member.node))
      absent_since_.try_emplace(member.node, now_);
  }
  // While the store was away for me it may have been away for all: an absence proves nothing then.
  if (absent_since_.empty() || !StoreIsSteady() || !OwnRecordStands())
    return;
  const TimeMs proves_from = steady_since_ + Grace(config_.ttl);
  View next = seen_;
  store::Transaction removal = OnThisView();
  for (const auto& [node, since] : absent_since_) {
    const TimeMs due = std::max(since, proves_from) + rank * kRankDelay;
    if (now_ < due) {
      WakeAt(due);
      continue;
    }
    removal.IfAbsent(MemberKey(config_.cluster, node));
    next = next.Without(node);
  }
  if (next.members.size() == seen_.members.size() || pending_commit_ != 0)
    return;
  if (now_ < retry_at_) {
    WakeAt(retry_at_);
    return;
  }
  removal.Put(ViewKey(config_.cluster), Encode(next));
  SendCommit(std::move(removal), kPatience);
}

// -- helpers ------------------------------------------------------------------------------------

void Membership::BecomeIdle() {
  state_ = State::kIdle;
  incarnation_ = 0;
  installed_ = {};
  authority_until_ = 0;
  pending_commit_ = 0;
  retry_at_ = 0;
  absent_since_.clear();
}

void Membership::LeaveLease() {
  if (lease_ != store::kNoLease)
    Do(EndLease{lease_});
  ForgetLease();
}

void Membership::ForgetLease() {
  lease_ = store::kNoLease;
  kept_until_ = 0;
  authority_until_ = 0;
  last_kept_ = kNever;
}

bool Membership::StoreIsSteady() const {
  return last_kept_ != kNever && now_ - last_kept_ <= Disturbance(config_.ttl);
}

store::Transaction Membership::OnThisView() const {
  store::Transaction transaction;
  if (seen_.epoch == 0)
    transaction.IfAbsent(ViewKey(config_.cluster));
  else
    transaction.IfModifiedAt(ViewKey(config_.cluster), seen_.epoch);
  return transaction;
}

void Membership::SendCommit(store::Transaction transaction, TimeMs patience) {
  pending_commit_ = next_commit_++;
  retry_at_ = now_ + patience;
  Do(Commit{pending_commit_, std::move(transaction)});
}

void Membership::WakeAt(TimeMs time) {
  next_tick_ = std::min(next_tick_, time);
}

void Membership::Say(const std::string& text) {
  if (text == last_said_)
    return;
  last_said_ = text;
  Do(Notice{text});
}

}  // namespace k42::view
