#include "advise/expect.h"

#include <math.h>

/* Calibrated on programs whose advice was measured, so that more is gained than is promised: in
 * glibc a block costs from 13 ns, drawn and freed again at once, which a scope does not better, up;
 * of what it costs beyond, and beyond touching new memory, a scope saves half or more. */
#define SECONDS_LEAST 13e-9
#define SECONDS_FAULT 1.2e-6
#define GAIN 0.5
#define GAIN_LEAST 0.1 /* of what is faster: a scope is still faster than that */
/* What a block costs more that is drawn in a scope and freed outside of any (at worst twice that,
 * see README.md), and what it takes to begin and end a scope by a wrapper, to find and wrap a
 * function at start, and to start at all. */
#define SECONDS_OUTLIVING 6e-9
#define SECONDS_ACTIVATION 50e-9
#define SECONDS_FUNCTION 1.5e-3
#define SECONDS_START 0.3e-3

double expect_ratio(const struct advice *advice, double inside, double outliving,
                    double activations, size_t functions)
{
    double cpu = (advice->plain[0].cpu + advice->plain[1].cpu) / 2;
    double calls = (double)advice->counted.calls;
    if (cpu <= 0 || calls <= 0)
        return 1;
    double each = (advice->share * cpu - SECONDS_FAULT * (double)advice->plain[1].faults) / calls;
    double saved = fmax(fmax(GAIN * (each - SECONDS_LEAST), GAIN_LEAST * each), 0);
    double gained = calls * (saved * inside - SECONDS_OUTLIVING * outliving);
    double spent =
        SECONDS_START + (double)functions * SECONDS_FUNCTION + activations * SECONDS_ACTIVATION;
    return 1 - (gained - spent) / cpu;
}
