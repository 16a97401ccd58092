#include "cluster-services/store/store.h"

namespace k42::store {

Transaction& Transaction::IfAbsent(std::string key) {
  conditions.push_back({Condition::Kind::kAbsent, std::move(key), 0});
  return *this;
}

Transaction& Transaction::IfModifiedAt(std::string key, Revision revision) {
  conditions.push_back({Condition::Kind::kModified, std::move(key), revision});
  return *this;
}

Transaction& Transaction::IfCreatedAt(std::string key, Revision revision) {
  conditions.push_back({Condition::Kind::kCreated, std::move(key), revision});
  return *this;
}

Transaction& Transaction::Put(std::string key, std::string value, LeaseId lease) {
  changes.push_back({Change::Kind::kPut, std::move(key), std::move(value), lease});
  return *this;
}

Transaction& Transaction::Delete(std::string key) {
  changes.push_back({Change::Kind::kDelete, std::move(key), {}, kNoLease});
  return *this;
}

}  // namespace k42::store
