#include "boot/start_modules.h"

#include "base/assert.h"
#include "boot/kernel_exports.h"
#include "boot/start_memory.h"
#include "boot/test_hook.h"
#include "machine/kernel_layout.h"
#include "mem/heap.h"
#include "mem/kernel_space.h"

namespace k42::boot {
namespace {

// Modules in their part of the kernel's address space, at most 2 GiB from the image.
class ModuleArea final : public cobj::ModuleMemory {
 public:
  explicit ModuleArea(mem::FrameAllocator& frames)
      : space_(frames, machine::kModuleAreaBase, machine::kModuleAreaEnd) {}

  Result<Range> Reserve(std::uint64_t size) override {
    mem::KernelRange* range = TRY(space_.Reserve(size));
    const Status status = space_.Grow(range, size);
    if (status != Status::kOk) {
      space_.Release(range);
      return status;
    }
    return Range{static_cast<std::byte*>(range->data()), range->backed, range};
  }
  void Seal(const Range& range, std::uint64_t code, std::uint64_t constants) override {
    auto* owner = static_cast<mem::KernelRange*>(range.owner);
    space_.Protect(owner, 0, code, mem::KernelAccess::kReadExecute);
    space_.Protect(owner, code, constants, mem::KernelAccess::kReadOnly);
  }
  void Release(const Range& range) override {
    space_.Release(static_cast<mem::KernelRange*>(range.owner));
  }

 private:
  mem::KernelSpace space_;
};

struct Modules {
  ModuleArea area{Frames()};
  KernelExports exports;
  cobj::ModuleLoader loader{area, KernelBuildId(), exports};
  cobj::Upgrader upgrader{loader};
};
constinit Modules* modules = nullptr;

}  // namespace

void StartModules() {
  const Result<Modules*> made = mem::New<Modules>();
  K42_ASSERT(made.ok(), "memory for the upgrader");
  modules = made.value();
  if (RegisterTestClasses != nullptr)
    RegisterTestClasses(modules->upgrader);
}

cobj::Upgrader& TheUpgrader() {
  return modules->upgrader;
}

}  // namespace k42::boot
