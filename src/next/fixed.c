#include "next/fixed.h"

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/block.h"

union fixed_pages fixed_pages = {.values = {
                                     .next = NEXT_UNRESOLVED,
                                     .outside = OUTSIDE_UNRESOLVED,
                                     .region = REGION_UNSETTLED,
                                     .bias = BLOCK_BIAS(ALIGN_MIN),
                                     .mask = BLOCK_MASK(ALIGN_MIN),
                                 }};

void fixed_seal(void)
{
    if (sysconf(_SC_PAGESIZE) <= FIXED_ALIGN)
        mprotect(&fixed_pages, sizeof fixed_pages, PROT_READ);
}
