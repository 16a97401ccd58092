// k42ctl object and k42ctl ping.
#pragma once

#include <CLI/CLI.hpp>

#include "cluster-services/control/places.h"

namespace k42::ctl {

struct ObjectOptions {
  std::string action;
  std::string name;
  std::uint64_t number = 1;
  std::string kind = "counter";
  std::string node;  // whose kernel makes the call; empty: the first there is
  std::uint64_t budget_ms = 5000;
  bool json = false;  // of a list
};
// Says what came back. 1: an error, in words on standard error.
int Object(const control::Cluster& cluster, const ObjectOptions& options);

struct PingOptions {
  std::string from;
  std::string to;
  std::uint32_t count = 100;
  std::uint32_t size = 64;
  std::string way = "echo";
  bool json = false;
};
int Ping(const control::Cluster& cluster, const PingOptions& options);

// The subcommands and where their options go; both must outlive the parse.
CLI::App* AddObject(CLI::App& app, ObjectOptions& options);
CLI::App* AddPing(CLI::App& app, PingOptions& options);

}  // namespace k42::ctl
