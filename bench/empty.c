#include "bench/empty.h"

/* Each at an address of its own: without a difference the compiler makes them one. */
#define EMPTY(name)                                                                                \
    void name(void)                                                                                \
    {                                                                                              \
        __asm__ volatile("# " #name);                                                              \
    }

EMPTY(bench_empty)
EMPTY(bench_empty_retain)
EMPTY(bench_empty_reset)
