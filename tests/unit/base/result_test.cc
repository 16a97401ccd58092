#include "base/result.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace k42 {
namespace {

Result<std::uint32_t> Half(std::uint32_t value) {
  if (value % 2 != 0)
    return Status::kInvalidArgument;
  return value / 2;
}

Result<std::uint64_t> Quarter(std::uint32_t value) {
  std::uint32_t half = TRY(Half(value));
  return std::uint64_t{TRY(Half(half))};
}

Status Check(std::uint32_t value) {
  TRY(Half(value));
  return Status::kOk;
}

TEST(Result, CarriesAValueOrAnError) {
  EXPECT_EQ(Quarter(8).value(), 2u);
  EXPECT_EQ(Quarter(6).status(), Status::kInvalidArgument);
  EXPECT_EQ(Quarter(3).ValueOr(7), 7u);
  EXPECT_EQ(Check(2), Status::kOk);
  EXPECT_EQ(Check(3), Status::kInvalidArgument);
}

TEST(Result, ErrorOccupiesTheSameBitsForEveryType) {
  static_assert(sizeof(Result<std::uint8_t>) == 16);
  static_assert(sizeof(Result<void*>) == 16);
  Result<std::uint64_t> error = Status::kDeleted;
  EXPECT_EQ(*reinterpret_cast<std::int64_t*>(&error), static_cast<std::int64_t>(Status::kDeleted));
}

TEST(Status, HasAName) {
  EXPECT_STREQ(StatusName(Status::kNotFound), "kNotFound");
  EXPECT_STREQ(StatusName(static_cast<Status>(-5)), "unknown status");
}

}  // namespace
}  // namespace k42
