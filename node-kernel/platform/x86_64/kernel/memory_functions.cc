#include "memory_functions.h"
