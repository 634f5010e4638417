#include "advise/expect.h"

/* Of the time that the next allocator takes for a block: what a scope saves of it when the block
 * dies inside, and what it costs more when the block is freed later (README.md has 22 ns for 9.5).
 */
#define GAIN 0.5
#define LOSS 1.0
/* Seconds that beginning and ending a scope by a wrapper take. */
#define ACTIVATION 50e-9

double expect_ratio(const struct advice *advice, double inside, double outliving,
                    double activations)
{
    double cpu = (advice->plain[0].cpu + advice->plain[1].cpu) / 2;
    double scopes = cpu > 0 ? activations * ACTIVATION / cpu : 0;
    return 1 - advice->share * (GAIN * inside - LOSS * outliving) + scopes;
}
