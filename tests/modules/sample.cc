// A module as the loader's tests load it: code, constants, data, zeroed data, a table of addresses,
// an import and a weak definition of its own.
#include <cstdint>

#include "abi/module.h"

extern "C" std::uint64_t kernel_service(std::uint64_t value);
extern const std::uint64_t kernel_constant;  // reached by address table, as any outside data

namespace {

constinit std::uint64_t calls = 7;
std::uint64_t zeroed[600];

std::uint64_t Twice(std::uint64_t value) {
  return 2 * value;
}
std::uint64_t Thrice(std::uint64_t value) {
  return 3 * value;
}

using Function = std::uint64_t (*)(std::uint64_t);
constinit Function const kTable[] = {Twice, Thrice};

}  // namespace

template <typename T>
T Weak(T value) {
  static T last = 5;
  last += value;
  return last;
}

extern "C" std::uint64_t SampleEntry(std::uint64_t which) {
  calls++;
  zeroed[which] += calls;
  volatile std::uint64_t index = which % 2;
  return kTable[index](which) + kernel_service(zeroed[which]) + kernel_constant +
         Weak<std::uint64_t>(1);
}

[[gnu::section(".k42.module"), gnu::used]] k42::abi::ModuleRecord record = {
    .magic = k42::abi::kModuleMagic,
    .from_version = 1,
    .to_version = 2,
    .class_name = "Sample",
    .build_id = {},
    .reserved = 0,
    // Of another type than a kernel's module: the test calls it with a number. Via void (*)(), for
    // which compilers do not warn.
    .entry = reinterpret_cast<k42::Status (*)(k42::cobj::ModuleOffer&)>(
        reinterpret_cast<void (*)()>(SampleEntry)),
};
