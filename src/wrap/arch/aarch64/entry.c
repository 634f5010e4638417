/* One instruction, behind a bti, or behind what signs the return address: that is left in its
 * place, too, since indirect calls may land on it, undone in the stub, and done again in the copy.
 * There the stack pointer is the thunk's, as it is where the function checks what it has signed. */
#include "wrap/entry.h"

#include <string.h>

#include "wrap/instruction.h"

#define NOP 0xd503201f
#define RET 0xd65f03c0
#define BREAKPOINT 0xd4200000 /* and a number */

const char *entry_choose(struct patch *patch, uintptr_t end, uintptr_t text_end)
{
    struct instruction first = {0}, instruction;
    patch->entry = patch->from;
    if (instruction_at(&first, patch->entry, end) && first.encoding.landing != LANDING_NONE)
        patch->entry += first.length;
    if (first.encoding.landing != LANDING_SIGNS)
        patch->from = patch->entry;
    if (patch->entry >= end)
        return "it is too short for a jump";
    if (patch->entry % 4 != 0 || !instruction_at(&instruction, patch->entry, text_end))
        return "it begins with bytes that are no instruction";
    if ((instruction.encoding.word & 0xffe0001f) == BREAKPOINT)
        return "it begins with a breakpoint";
    if (instruction.encoding.form == FORM_FIXED)
        return "its first instructions cannot be moved";
    patch->length = instruction.length;
    return NULL;
}

/* What takes back a signature: autiasp, autibsp. */
static uint32_t undo(const struct patch *patch)
{
    uint32_t word;
    memcpy(&word, (const void *)patch->from, sizeof word);
    return word | 0x80;
}

/* undo; ldr x17, named; ldr x16, thunk; br x16; named: .quad; thunk: .quad */
void entry_stub(unsigned char out[STUB_BYTES], const struct patch *patch,
                const struct named_function *named, uintptr_t thunk)
{
    bool is_signed = patch && patch->from != patch->entry;
    const uint32_t code[] = {is_signed ? undo(patch) : NOP, 0x58000071, 0x58000090, 0xd61f0200};
    memcpy(out, code, sizeof code);
    memcpy(out + sizeof code, &named, sizeof named);
    memcpy(out + sizeof code + sizeof named, &thunk, sizeof thunk);
}

/* In place of a return, behind a bti. */
uintptr_t entry_of_empty(uintptr_t function)
{
    struct instruction first, second;
    if (!instruction_at(&first, function, function + 8) ||
        !instruction_at(&second, function + 4, function + 8))
        return 0;
    if (first.encoding.word == RET)
        return function;
    return first.encoding.landing == LANDING_PLAIN && second.encoding.word == RET ? function + 4
                                                                                  : 0;
}
