/*
 * Contenders take turns, in another order in each round, so that what the machine does beside falls
 * on all of them; each is compared with the plain run of its round.
 */
#ifndef ADVISE_MEASURE_H
#define ADVISE_MEASURE_H

#include "advise/advice.h"

/* Appends a contender for each allocator that the dynamic linker finds here. */
void measure_add_peers(struct advice *advice);

/* Rounds that can be wished for. */
#define ROUNDS_MOST 99

/* Measures all contenders, in as many rounds as were wished, or ROUNDS_LEAST. Then, unless rounds
 * were wished, there are more, up to a limit, of those that the verdict depends on. */
void measure_all(struct advice *advice);

#endif
