#pragma once

#include <cstdint>
#include <string>

namespace k42::ctl {

// As Linux has it on x86-64; "call N" if it has none.
std::string NameOfCall(std::uint32_t number);

}  // namespace k42::ctl
