/* Branches, and addresses in one or two instructions. */
#include "wrap/scan.h"

#include "wrap/instruction.h"

void scan_branches(uintptr_t start, uintptr_t end, scan_see *see)
{
    struct instruction instruction;
    for (uintptr_t at = (start + 3) & ~(uintptr_t)3; instruction_at(&instruction, at, end); at += 4)
        if (instruction.target != 0)
            see(instruction.target, instruction.flow == FLOW_BRANCH);
}

/* adr, or adrp and what adds the rest in one of the next instructions. */
#define NEXT_ONES 16

bool scan_names(uintptr_t start, uintptr_t end, uintptr_t address, bool fixed)
{
    (void)fixed; /* an address is too long for one instruction */
    uint32_t rest = (uint32_t)(address & 0xfff);
    unsigned page_is_near = 0; /* for so many instructions */
    struct instruction instruction;
    for (uintptr_t at = (start + 3) & ~(uintptr_t)3; instruction_at(&instruction, at, end);
         at += 4) {
        if (instruction.encoding.form == FORM_ADDRESS) {
            if (instruction.operand == address)
                return true;
            if (instruction.operand == address - rest)
                page_is_near = NEXT_ONES;
        }
        bool adds = (instruction.encoding.word & 0xffc00000) == 0x91000000;
        if (page_is_near > 0 && adds && (instruction.encoding.word >> 10 & 0xfff) == rest)
            return true;
        page_is_near -= page_is_near > 0;
    }
    return false;
}
