// The command line and environment of an MPI job: a pure function of where its ranks go.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cluster-services/support/outcome.h"

namespace k42::ctl {

struct MpiJob {
  bool mpich = false;      // else Open MPI
  bool from_host = false;  // the launcher runs here, not on the first node
  std::string programs;    // folder of k42-rsh, as the launcher sees it
  std::string path;        // from_host: PATH here
  // Nodes and how many ranks each has, in the order of the ranks.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> places;
  std::string directory;           // the ranks' working directory
  std::vector<std::string> words;  // the program and its words
};

struct MpiCommand {
  std::vector<std::string> words;
  std::vector<std::string> environment;  // K=V
};

MpiCommand CommandOf(const MpiJob& job);

// "n1:2,n2" -> places; a node without a number has one rank. kInvalidArgument with a sentence.
Outcome<std::vector<std::pair<std::uint32_t, std::uint32_t>>> ParsePlaces(const std::string& text);

// As a shell would be given it, for people.
std::string Text(const MpiCommand& command);

}  // namespace k42::ctl
