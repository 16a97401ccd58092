// GCC sees that these calls cannot happen in an image and drops them, Clang keeps them.
#include "library_failures.h"
