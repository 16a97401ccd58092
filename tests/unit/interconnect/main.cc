// The tests, or a node of theirs: --node-agent=FD, --node-agents=PORT (node_agent.h).
#include <gtest/gtest.h>

#include <cstdlib>
#include <string_view>

#include "interconnect/ucx_worker.h"
#include "unit/interconnect/node_agent.h"

int main(int argc, char** argv) {
  using namespace k42::interconnect;
  UcxWorker::PrepareProcess();
  if (argc == 2) {
    constexpr std::string_view kAgent = "--node-agent=";
    constexpr std::string_view kAgents = "--node-agents=";
    const std::string_view word = argv[1];
    if (word.starts_with(kAgent))
      return RunAgent(std::atoi(argv[1] + kAgent.size()));
    if (word.starts_with(kAgents))
      return ServeAgents(static_cast<std::uint16_t>(std::atoi(argv[1] + kAgents.size())));
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
