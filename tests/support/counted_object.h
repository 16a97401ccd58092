// An object that lives as long as handles name it, and tells how often it has ended.
#pragma once

#include "cobj/counted.dispatch.h"
#include "cobj/handle_count.h"
#include "cobj/make.h"

namespace k42::test {

class CountedObject final : public cobj::ICounted {
 public:
  using Interface = cobj::ICounted;

  static cobj::ObjectRef Make(int* ends) {
    return {cobj::MakeShared<CountedObject>(ends).value().bits(), kAllRights, &cobj::kCountedInfo};
  }
  explicit CountedObject(int* ends) : ends_(ends) {}
  void SetSelf(cobj::Ref<cobj::ICounted> self) { self_ = self; }

  Status HandleAdded() override { return count_.Add(); }
  Status HandleDropped() override {
    if (!count_.Drop())
      return Status::kOk;
    ++*ends_;
    return cobj::Destroy(self_);
  }

 private:
  int* const ends_;
  cobj::HandleCount count_;
  cobj::Ref<cobj::ICounted> self_;
};

}  // namespace k42::test
