#include "cluster-services/agent/change_name.h"

namespace k42::agent {
namespace {

using Standing = std::optional<names::Binding>;

// Others may change the name at the same time: after so many of them we say so.
constexpr int kTries = 4;

bool Overtaken(Status status) {
  return status == Status::kAlreadyExists || status == Status::kNotFound;
}

template <typename Change>
Outcome<Done> OnWhatStands(const ClusterAgent& agent, const std::string& path, Change change) {
  Standing standing = agent.Lookup(path);
  Outcome<Done> done = change(standing);
  for (int tries = 1; tries < kTries && Overtaken(done.status()); ++tries) {
    const Outcome<Standing> read = agent.Read(path);
    if (!read.ok())
      return Outcome<Done>::From(read);
    if (read.value() == standing)
      return done;  // it is what we thought: refused for another reason
    standing = read.value();
    done = change(standing);
  }
  return done;
}

}  // namespace

Outcome<Done> PutName(ClusterAgent& agent, const std::string& path, const std::string& value) {
  return OnWhatStands(agent, path, [&](const Standing& standing) {
    const auto bound = agent.Bind(path, value, false, standing ? standing->version : 0);
    return bound.ok() ? Outcome<Done>(Done{}) : Outcome<Done>::From(bound);
  });
}

Outcome<Done> DeleteName(ClusterAgent& agent, const std::string& path) {
  return OnWhatStands(agent, path, [&](const Standing& standing) -> Outcome<Done> {
    if (!standing)
      return {Status::kNotFound, "no name '" + path + "'"};
    return agent.Unbind(path, standing->version);
  });
}

}  // namespace k42::agent
