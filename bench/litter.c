/* Litter: see litter.h. */
#include "bench/litter.h"

#include <err.h>
#include <stdlib.h>

#include "bench/sample.h"

void litter(size_t count, size_t (*size_of)(size_t index))
{
    void **blocks = malloc(count * sizeof *blocks);
    if (!blocks)
        err(1, "litter");
    for (size_t i = 0; i < count; i++) {
        blocks[i] = malloc(size_of(i));
        if (!blocks[i])
            err(1, "litter");
        touch(blocks[i]);
    }
    for (size_t i = count; i-- > 1;) {
        size_t other = sample_random(i) % (i + 1);
        void *block = blocks[i];
        blocks[i] = blocks[other];
        blocks[other] = block;
    }
    for (size_t i = 0; i < count / 2; i++)
        free(blocks[i]);
    free(blocks);
}
