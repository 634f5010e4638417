/* Branches with a 32-bit distance, and addresses. */
#include "wrap/scan.h"

#include <string.h>

static uintptr_t behind(const unsigned char *distance)
{
    int32_t value;
    memcpy(&value, distance, sizeof value);
    return (uintptr_t)distance + sizeof value + (uintptr_t)value;
}

/* jmp, call, and the jumps on a condition, with a 32-bit distance. */
void scan_branches(uintptr_t start, uintptr_t end, scan_see *see)
{
    const unsigned char *stop = (const unsigned char *)end;
    for (const unsigned char *at = (const unsigned char *)start; stop - at >= 5; at++) {
        if (*at == 0xe8 || *at == 0xe9)
            see(behind(at + 1), false);
        if (*at == 0x0f && at[1] >> 4 == 0x8 && stop - at >= 6)
            see(behind(at + 2), true);
    }
}

/* lea distance(%rip), or the address itself. */
bool scan_names(uintptr_t start, uintptr_t end, uintptr_t address, bool fixed)
{
    const unsigned char *stop = (const unsigned char *)end;
    for (const unsigned char *at = (const unsigned char *)start; stop - at >= 6; at++) {
        uint32_t word;
        memcpy(&word, at + 2, sizeof word);
        bool is_lea = at[0] == 0x8d && (at[1] & 0xc7) == 0x05;
        if ((is_lea && behind(at + 2) == address) || (fixed && word == address))
            return true;
    }
    return false;
}
