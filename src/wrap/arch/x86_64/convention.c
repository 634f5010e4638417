/* Stacks that grow in pieces. */
#include "wrap/convention.h"

#include <string.h>

/* Whether the function begins, behind an endbr64 and a lea, with cmp %fs:0x70: compilers do so for
 * stacks that grow in pieces (-fsplit-stack, gccgo), with no room for a wrapper behind the limit.
 */
static bool looks_for_room(const struct object *object, uintptr_t address)
{
    static const unsigned char limit[] = {0x25, 0x70, 0, 0, 0};
    enum { PREFIX = 4, LATEST = 12 };
    if (!object_segment(object, address + LATEST + PREFIX + sizeof limit))
        return false;
    for (const unsigned char *at = (const void *)address; (uintptr_t)at <= address + LATEST; at++)
        if (at[0] == 0x64 && at[2] == 0x3b && memcmp(at + PREFIX, limit, sizeof limit) == 0)
            return true;
    return false;
}

const char *convention_refuse(const struct object *object, const struct symbol *symbol)
{
    return looks_for_room(object, symbol->address)
               ? "it makes room on a stack that grows in pieces (split stack)"
               : NULL;
}
