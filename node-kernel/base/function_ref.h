// A borrowed callable: two words, no allocation, valid only while the callable lives (parameters).
#pragma once

#include <type_traits>
#include <utility>

#include "base/thread_annotations.h"

namespace k42 {

template <typename Signature>
class FunctionRef;

template <typename R, typename... Args>
class FunctionRef<R(Args...)> {
 public:
  template <typename F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef> &&
           std::is_invocable_r_v<R, F&, Args...>)
      FunctionRef(F&& callable)  // NOLINT: a parameter type, conversion is the point
      : object_(const_cast<void*>(static_cast<const void*>(__builtin_addressof(callable)))),
        // The callable may need a lock that its maker holds: the analysis cannot see that from
        // here.
        call_([](void* object, Args... args) K42_NO_THREAD_SAFETY_ANALYSIS -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}

  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

}  // namespace k42
