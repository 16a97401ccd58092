#include "cobj/module_loader.h"

#include <cstring>

#include "base/sha256.h"

namespace k42::cobj {

namespace {

std::string_view NameIn(const char (&name)[48]) {
  const void* end = std::memchr(name, 0, sizeof name);
  return {name, end == nullptr ? sizeof name
                               : static_cast<std::size_t>(static_cast<const char*>(end) - name)};
}

}  // namespace

std::string_view ModuleClaim::name() const {
  return NameIn(class_name);
}

Result<LoadedModule*> ModuleLoader::Load(Bytes file, const ModuleClaim& claim, Allocator& allocator,
                                         Sentence& why) {
  const Sha256Digest digest = Sha256(file);
  if (std::memcmp(digest.data(), claim.digest.bytes, digest.size()) != 0) {
    why.Say("the file's digest is not the one it is named by");
    return Status::kCorrupt;
  }
  const Result<ModuleImage*> made = allocator.Make<ModuleImage>(file);  // too large for a stack
  if (!made.ok()) {
    why.Say("no memory");
    return made.status();
  }
  ModuleImage& image = *made.value();
  const Result<ModuleLayout const*> layout = image.Inspect();
  Status status = layout.status();
  if (status != Status::kOk)
    why.Say("the file is no module of a kind we take: {}", status);
  else
    status = Check(*layout.value(), claim, why);
  Result<LoadedModule*> module = Status::kNoMemory;
  if (status == Status::kOk) {
    module = allocator.Make<LoadedModule>();
    status = module.status();
  }
  if (status == Status::kOk) {
    module.value()->digest = claim.digest;
    module.value()->version = claim.to_version;
    module.value()->layout = *layout.value();
    status = Place(image, *module.value(), why);
    if (status == Status::kOk)
      status = Introduce(*module.value(), allocator, why);
    if (status != Status::kOk)
      Unload(module.value(), allocator);
  }
  allocator.Destroy(&image);
  if (status != Status::kOk)
    return status;
  return module.value();
}

Status ModuleLoader::Check(const ModuleLayout& layout, const ModuleClaim& claim,
                           Sentence& why) const {
  const abi::ModuleRecord& record = layout.record;
  if (build_id_.size() != sizeof record.build_id ||
      std::memcmp(record.build_id, build_id_.data(), sizeof record.build_id) != 0) {
    why.Say("the module was built for another kernel (build id)");
    return Status::kVersionMismatch;
  }
  if (NameIn(record.class_name) != claim.name()) {
    why.Say("the module is of class {}, not {}", NameIn(record.class_name), claim.name());
    return Status::kRefused;
  }
  if (record.from_version != claim.from_version || record.to_version != claim.to_version) {
    why.Say("the module leads from version {} to {}, not from {} to {}", record.from_version,
            record.to_version, claim.from_version, claim.to_version);
    return Status::kVersionMismatch;
  }
  return Status::kOk;
}

Status ModuleLoader::Place(ModuleImage& image, LoadedModule& module, Sentence& why) {
  const ModuleLayout& layout = module.layout;
  const Result<ModuleMemory::Range> range = memory_.Reserve(layout.TotalSize());
  if (!range.ok()) {
    why.Say("no room for a module of {} bytes: {}", layout.TotalSize(), range.status());
    return range.status();
  }
  module.memory = range.value();
  const Result<std::uint64_t> entry =
      image.Load({module.memory.start, module.memory.size},
                 reinterpret_cast<std::uint64_t>(module.memory.start), exports_);
  if (!entry.ok()) {
    const std::span<const char> missing = image.missing_symbol();
    if (entry.status() == Status::kNotFound)
      why.Say("the kernel exports no {}", std::string_view(missing.data(), missing.size()));
    else
      why.Say("the module cannot be placed: {}", entry.status());
    return entry.status();
  }
  entry_ = entry.value();
  memory_.Seal(module.memory, layout.code_size, layout.read_only_size);
  return Status::kOk;
}

Status ModuleLoader::Introduce(LoadedModule& module, Allocator& allocator, Sentence& why) {
  ModuleOffer offer;
  const auto entry = reinterpret_cast<Status (*)(ModuleOffer&)>(entry_);
  Status status = entry(offer);
  if (status == Status::kOk && (offer.maker == nullptr || offer.self_test == nullptr))
    status = Status::kRefused;
  if (status != Status::kOk) {
    why.Say("the module's entry offers no maker and self-test: {}", status);
    return status;
  }
  status = offer.self_test(allocator);
  if (status != Status::kOk) {
    why.Say("the module's self-test failed: {}", status);
    return Status::kRefused;
  }
  module.code.SetMaker(offer.maker);
  return Status::kOk;
}

void ModuleLoader::Unload(LoadedModule* module, Allocator& allocator) {
  if (module->memory.start != nullptr)
    memory_.Release(module->memory);
  allocator.Destroy(module);
}

}  // namespace k42::cobj
