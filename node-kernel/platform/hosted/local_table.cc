#include "machine/local_table.h"

namespace k42::machine {

constinit thread_local unsigned char* cpu_area_base = nullptr;

}  // namespace k42::machine
