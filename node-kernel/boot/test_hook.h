// The test kernel's one difference: it links these functions, and the start list calls them. Weak,
// so that the ordinary kernel does without.
#pragma once

namespace k42::cobj {
class Upgrader;
}

namespace k42::boot {

// Instead of starting programs.
[[gnu::weak]] void RunGuestTests();
// When the upgrader is there.
[[gnu::weak]] void RegisterTestClasses(cobj::Upgrader& upgrader);

}  // namespace k42::boot
