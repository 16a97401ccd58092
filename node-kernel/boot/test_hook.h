// The test kernel's one difference: it links this function, and the start list calls it instead of
// starting programs. Weak, so that the ordinary kernel does without.
#pragma once

namespace k42::boot {

[[gnu::weak]] void RunGuestTests();

}  // namespace k42::boot
