// Taking paths apart. A path is bytes without zeros; components are separated by any number of
// slashes.
#pragma once

#include <string_view>

namespace k42::fs {

inline bool IsAbsolute(std::string_view path) {
  return !path.empty() && path.front() == '/';
}

// Takes the first component off `path`; empty when there is none left.
inline std::string_view TakeComponent(std::string_view& path) {
  while (!path.empty() && path.front() == '/') {
    path.remove_prefix(1);
  }
  const std::size_t end = path.find('/') == std::string_view::npos ? path.size() : path.find('/');
  const std::string_view component = path.substr(0, end);
  path.remove_prefix(end);
  return component;
}

inline bool OnlySlashes(std::string_view path) {
  return path.find_first_not_of('/') == std::string_view::npos;
}

}  // namespace k42::fs
