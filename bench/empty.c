#include "bench/empty.h"

/* Each at an address of its own. */
#define FUNCTION __attribute__((noipa))

FUNCTION void bench_empty(void)
{
}

FUNCTION void bench_empty_retain(void)
{
}

FUNCTION void bench_empty_reset(void)
{
}
