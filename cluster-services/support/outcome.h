// Outcome<T>: what a host daemon's function returns: a T, or a Status with words for an operator.
//
// base/result.h's Result<T> crosses address spaces and so holds only trivially copyable values; the
// daemons' results are strings and lists, and their errors end on a terminal or in a journal, so
// they carry a sentence. No exception crosses a public interface of cluster-services.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "base/status.h"

namespace k42 {

struct Done {};  // Outcome<Done>: nothing to return but success

template <typename T>
class [[nodiscard]] Outcome {
 public:
  Outcome(T value) : status_(Status::kOk), value_(std::move(value)) {}  // NOLINT: `return value;`
  Outcome(Status error, std::string detail) : status_(error), detail_(std::move(detail)) {}

  // The same failure under another result type.
  template <typename U>
  static Outcome From(const Outcome<U>& failed) {
    return Outcome(failed.status(), failed.detail());
  }

  bool ok() const { return status_ == Status::kOk; }
  Status status() const { return status_; }
  const std::string& detail() const { return detail_; }
  // "kUnavailable: etcd has no leader", for messages.
  std::string Describe() const {
    return detail_.empty() ? std::string(StatusName(status_))
                           : std::string(StatusName(status_)) + ": " + detail_;
  }

  // Precondition of all three: ok().
  const T& value() const { return *value_; }
  T& value() { return *value_; }
  const T* operator->() const { return &*value_; }

 private:
  Status status_;
  std::string detail_;
  std::optional<T> value_;
};

}  // namespace k42
