// /sys: as much as MPI's libraries look at: the network interfaces and the machine's topology.
#pragma once

#include "fs/synthetic.h"

namespace k42::fs {

Status FillSystemFiles(SyntheticDirectory& root);

}  // namespace k42::fs
