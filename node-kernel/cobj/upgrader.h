// Upgrader: the classes of this kernel whose versions can change while they are in use, and the
// path each has come: the version it was built with, then one module after another.
//
//   built in --Load(module)--> module 1 --Load(module)--> module 2 ...    and Back, one at a time
//
// A step is all or nothing. Load: the module is checked and tries itself (module_loader.h), the
// class's factory makes it the present version, and every living object is swapped, again and again
// until none is left or patience ends; then the class is taken back to where it was, and the step
// has failed. Back needs no file: what a class can go back to stays in memory.
//
// The code of a version that was left is kept until no root made by it is left (code_use.h) and a
// further grace period has passed. A method of an upgradable class must not wait by BlockExternal:
// a thread that does is inactive, and only its stack would know that it still returns into the
// code.
//
// One thread at a time may be in Load, Back and Collect: thread context, outside all objects.
// Register before the first of them. Describe is safe from that thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/function_ref.h"
#include "cobj/module_loader.h"

namespace k42::cobj {

class Upgrader {
 public:
  static constexpr std::uint32_t kMaxClasses = 16;
  static constexpr std::uint32_t kMaxModules = 12;  // of one class, above the built-in version
  static constexpr std::uint64_t kPatienceNs = 8'000'000'000;  // for all objects of a class

  explicit constexpr Upgrader(ModuleLoader& loader) : loader_(loader) {}

  // `name` and `target` live for ever. Only what is registered can be upgraded.
  Status Register(const char* name, UpgradableClass& target);

  // kNotFound: no such class; kVersionMismatch: it does not run claim.from_version; kTimedOut: some
  // object could not be swapped; and what ModuleLoader says. `why` is a sentence.
  Status Load(Bytes file, const ModuleClaim& claim, Sentence& why);
  // To the version before; `from_version` is what the asker believes to be present.
  Status Back(std::string_view class_name, std::uint32_t from_version, Sentence& why);
  // For tests of what cannot be done.
  void SetPatience(std::uint64_t ns) { patience_ns_ = ns; }
  // Frees what nothing runs on any more; to be tried after each step and later again. Waits for
  // grace periods. Returns how many left modules are still kept.
  std::uint32_t Collect();

  struct ClassState {
    std::string_view name;
    std::uint32_t built_in;
    std::uint64_t objects, outdated;
    std::uint32_t modules;  // how far it has come
    const LoadedModule* const* path;
    std::uint32_t version() const { return modules == 0 ? built_in : path[modules - 1]->version; }
  };
  void Describe(FunctionRef<void(const ClassState&)> show);
  std::uint32_t left_modules() const { return left_count_; }

 private:
  struct Entry {
    const char* name = nullptr;
    UpgradableClass* target = nullptr;
    ClassVersion built_in;
    std::uint32_t depth = 0;
    LoadedModule* path[kMaxModules] = {};

    ClassVersion At(std::uint32_t level) {
      return level == 0 ? built_in : path[level - 1]->AsVersion();
    }
  };
  Entry* Find(std::string_view name);
  // Every object becomes `next`; on failure, of `before` again, as far as that goes.
  Status Change(Entry& entry, const ClassVersion& before, const ClassVersion& next, Sentence& why);
  Status Converge(UpgradableClass& target, const ClassVersion& version, std::uint64_t* left);
  void Leave(LoadedModule* module);

  ModuleLoader& loader_;
  std::uint64_t patience_ns_ = kPatienceNs;
  std::uint32_t count_ = 0;
  std::uint32_t left_count_ = 0;
  Entry entries_[kMaxClasses];
  IntrusiveList<LoadedModule> left_;
};

}  // namespace k42::cobj
