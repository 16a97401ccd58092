// What a daemon and its kernel say about classes that change their version (link_control.h, kinds
// kUpgrade...).
//
//   daemon  kUpgradeStep     load this module, or go back
//   kernel  kUpgradeWant     a piece of its file, one at a time, from the front
//   daemon  kUpgradePiece    exactly that piece
//   kernel  kUpgradeEnd      how it ended, then kUpgradeState
//
// The kernel's words may be lost (it has no memory for them). So the daemon asks again while it
// waits: kUpgradeQuery with the step's number has the kernel say again what it said last of that
// step: kUpgradeWant or kUpgradeEnd (kNotFound: it knows no such step); nothing while it is at
// work. It remembers the last end only. A piece that it has already is ignored. kUpgradeQuery with
// number 0 asks for kUpgradeState.
//
// A step that comes while another's file is being fetched takes its place (a new daemon knows
// nothing of the old one's); while one is being carried out it is refused as busy. Whoever breaks
// these rules gets kInvalidArgument, and nothing has happened.
#pragma once

#include <cstdint>

#include "abi/module.h"

namespace k42::abi {

inline constexpr std::uint32_t kUpgradePieceSize = 4096;

struct UpgradeStep {
  std::uint8_t digest[kModuleDigestSize];  // SHA-256 of the file; back: zeros
  char class_name[48];                     // zero-terminated
  std::uint32_t from_version;              // which the daemon believes to be present
  std::uint32_t to_version;
  std::uint32_t size;  // of the file, at most kModuleFileLimit; 0: back to the version before
  std::uint32_t reserved;
};
static_assert(sizeof(UpgradeStep) == 96);

struct UpgradeWant {
  std::uint32_t offset;
  std::uint32_t length;
};

struct UpgradeEnd {
  std::int64_t status;  // k42::Status
};

struct UpgradeState {
  std::uint32_t class_count;
  std::uint32_t left_modules;  // withdrawn, and kept because something still runs on their code
};
struct UpgradeClass {
  char name[48];
  std::uint32_t built_in_version;
  std::uint32_t module_count;  // UpgradeModule[module_count] follows: the way it has come
  std::uint64_t objects;
  std::uint64_t outdated;  // of them, not yet of the present version
};
static_assert(sizeof(UpgradeClass) == 72);
struct UpgradeModule {
  std::uint8_t digest[kModuleDigestSize];
  std::uint32_t version;
  std::uint32_t reserved;
};
static_assert(sizeof(UpgradeModule) == 40);

}  // namespace k42::abi
