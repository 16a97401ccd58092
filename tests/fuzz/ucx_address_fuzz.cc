// libFuzzer: a worker's address out of the store. What is not whole does not get through: UCX would
// take it.
#include <cstdlib>

#include "fuzz/fuzz_input.h"
#include "interconnect/ucx_address.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace k42;
  using namespace k42::interconnect;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::vector<std::uint8_t> parsed = ParseUcxAddress(text);
  if (!parsed.empty() && PrintUcxAddress(parsed) != text)
    std::abort();

  // A whole one, with a character of the input's choice at a place of its choice.
  FuzzInput input(data, size);
  const auto place = input.Take<std::uint16_t>();
  const auto character = static_cast<char>(input.Take<std::uint8_t>());
  const auto rest = input.TakeBytes(kMaxUcxAddress);
  const std::vector<std::uint8_t> address(
      reinterpret_cast<const std::uint8_t*>(rest.data()),
      reinterpret_cast<const std::uint8_t*>(rest.data()) + rest.size());
  const std::string whole = PrintUcxAddress(address);
  if (ParseUcxAddress(whole) != address)
    std::abort();
  std::string damaged = whole;
  damaged[place % damaged.size()] = character;
  if (damaged != whole && !ParseUcxAddress(damaged).empty())
    std::abort();
  return 0;
}
