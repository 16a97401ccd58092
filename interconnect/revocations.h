// Revocations: of own windows that are being closed, who may still touch each. A holder is who a
// window was handed to: a connection, a peer.
#pragma once

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "interconnect/transport.h"

namespace k42::interconnect {

template <typename Holder>
class Revocations {
 public:
  // `waiting` is not empty. The same window may be revoked more than once.
  void Add(abi::WindowId window, Token token, std::set<Holder> waiting) {
    open_.emplace(window, Open{token, std::move(waiting)});
  }
  // `holder` has let go of one window, or (nullptr) of everything. What has ended by that.
  std::vector<Token> Returned(Holder holder, const abi::WindowId* window) {
    std::vector<Token> done;
    for (auto it = open_.begin(); it != open_.end();) {
      bool matches = window == nullptr || it->first == *window;
      if (matches && it->second.waiting.erase(holder) != 0 && it->second.waiting.empty()) {
        done.push_back(it->second.token);
        it = open_.erase(it);
      } else {
        ++it;
      }
    }
    return done;
  }

 private:
  struct Open {
    Token token;
    std::set<Holder> waiting;
  };
  std::multimap<abi::WindowId, Open> open_;
};

}  // namespace k42::interconnect
