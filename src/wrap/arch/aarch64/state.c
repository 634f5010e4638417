/* Which registers the processor has, for thunk.S. */
#include <stdbool.h>
#include <sys/auxv.h>

#define SVE (1UL << 22) /* of AT_HWCAP */

/* Vector registers are longer than 128 bits, and there are predicates. */
__attribute__((visibility("hidden"))) bool wrap_state_sve;

__attribute__((constructor)) static void look_for_sve(void)
{
    wrap_state_sve = (getauxval(AT_HWCAP) & SVE) != 0;
}
