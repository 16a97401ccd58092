// The type alone, for interfaces that pass entries on (entry.h).
#pragma once

namespace k42::fs {
class Entry;
}
