// See cycles.h of the shared part.
#pragma once

#include "cycles.h"
