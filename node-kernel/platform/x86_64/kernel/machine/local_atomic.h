// See local_word.h of the shared part.
#pragma once

#include "local_word.h"
