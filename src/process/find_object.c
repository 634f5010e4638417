/*
 * _dl_find_object, by which unwinders find the tables of the code that they are in: the C library's
 * knows the object files, this one the copies of code that wrapped functions have, too. Takes no
 * lock, as unwinding may have begun in a signal handler.
 */
#include <stddef.h>

#include "base/find_object.h"
#include "base/numbers.h"
#include "next/fixed.h"
#include "next/objects.h"

/* The copy that holds the address, or NULL. */
static const struct named_copy *find_copy(uintptr_t address)
{
    uintptr_t start = round_down(address, NAMED_CODE_BYTES);
    const struct named_code *code = fixed.named.code;
    for (size_t i = 0; code && i < NAMED_CODE_MAX; i++) {
        uintptr_t mapped = __atomic_load_n(&code[i].start, __ATOMIC_ACQUIRE);
        if (mapped == 0)
            break;
        if (mapped != start)
            continue;
        for (size_t grain = (address - start) / NAMED_CODE_GRAIN + 1; grain-- > 0;) {
            if (!(__atomic_load_n(&code[i].copies[grain / 64], __ATOMIC_ACQUIRE) >> grain % 64 & 1))
                continue;
            const struct named_copy *copy = (const void *)(start + grain * NAMED_CODE_GRAIN);
            return address - (uintptr_t)copy < copy->bytes ? copy : NULL;
        }
    }
    return NULL;
}

__attribute__((visibility("default"))) int _dl_find_object(void *address,
                                                           struct dl_find_object *result)
{
    if (objects_find(address, result) == 0)
        return 0;
    const struct named_copy *copy = find_copy((uintptr_t)address);
    if (!copy || objects_find((void *)(uintptr_t)&find_copy, result) != 0)
        return -1;
    result->dlfo_map_start = (void *)(uintptr_t)copy;
    result->dlfo_map_end = (char *)(uintptr_t)copy + copy->bytes;
    result->dlfo_eh_frame = (void *)(uintptr_t)(copy + 1);
    return 0;
}
