/* growth.c with a memory resource of C++, whose adapter is no C. */
#define ADAPTER "bench/adapters/pmr.h"
#include "bench/growth.c"
