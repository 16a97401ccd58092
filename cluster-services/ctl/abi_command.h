// k42ctl abi: which system calls programs on a node asked for in vain.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "cluster-services/control/places.h"

namespace k42::ctl {

struct AbiOptions {
  std::string node;
  bool json = false;
};
CLI::App* AddAbi(CLI::App& app, AbiOptions& options);
// A line for each call and program, most often first. 1: an error, in words on standard error.
int Abi(const control::Cluster& cluster, const AbiOptions& options);

}  // namespace k42::ctl
