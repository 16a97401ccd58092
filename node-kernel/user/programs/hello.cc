// The first program: says so, and exits with the number of its words.
#include "machine/log.h"
#include "user/runtime/runtime.h"

int k42::runtime::Main(std::span<const std::string_view> words) {
  machine::Log("hello from task {} of node {}, {} words", Start().task, Start().node, words.size());
  for (const std::string_view word : words) machine::Log("word \"{}\"", word);
  return static_cast<int>(words.size());
}
