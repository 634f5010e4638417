/* Which registers the processor has, for thunk.S. */
#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>

/* Parts of the state that hold arguments and results: x87, SSE, AVX, and the three of AVX-512. */
enum { STATE_PARTS = 0xe7, FIRST_SIZED_PART = 2, LAST_PART = 7 };
enum { FXSAVE_BYTES = 512, HEADER_BYTES = 64 };
enum { KNOWS_COMPACT = 2, IS_ALIGNED = 2 }; /* bits of leaf 0xd */

/* What call_keeping_state saves with xsave, and the room for it; 0: the processor, or the kernel,
 * knows fxsave alone. Where the processor can it leaves no gaps (xsavec): signal stacks are small.
 */
__attribute__((visibility("hidden"))) bool wrap_state_compact;
__attribute__((visibility("hidden"))) uint32_t wrap_state_mask;
__attribute__((visibility("hidden"))) uint64_t wrap_state_bytes = FXSAVE_BYTES;

/* The instruction takes tens of microseconds in a virtual machine: once, and before any call. */
__attribute__((constructor)) static void measure_state(void)
{
    uint32_t a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE))
        return;
    uint32_t enabled;
    __asm__("xgetbv" : "=a"(enabled), "=d"(d) : "c"(0));
    enabled &= STATE_PARTS;
    uint64_t bytes = FXSAVE_BYTES + HEADER_BYTES;
    wrap_state_compact = __get_cpuid_count(0xd, 1, &a, &b, &c, &d) && (a & KNOWS_COMPACT);
    for (unsigned part = FIRST_SIZED_PART; part <= LAST_PART; part++) {
        if (!(enabled >> part & 1))
            continue;
        if (!__get_cpuid_count(0xd, part, &a, &b, &c, &d))
            return;
        if (wrap_state_compact)
            bytes = (c & IS_ALIGNED ? (bytes + 63) & -(uint64_t)64 : bytes) + a;
        else if (bytes < (uint64_t)b + a)
            bytes = (uint64_t)b + a;
    }
    wrap_state_bytes = bytes;
    wrap_state_mask = enabled;
}
