#include "bench/empty.h"

void bench_empty(void)
{
}
