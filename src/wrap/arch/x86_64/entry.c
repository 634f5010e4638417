/* As many instructions as a jump takes, behind an endbr64. */
#include "wrap/entry.h"

#include <string.h>

#include "wrap/instruction.h"

#define TOO_SHORT "it is too short for a jump"
#define UNMOVABLE "its first instructions cannot be moved"

/* Compilers start functions at multiples of this; padding does not go on past one. */
#define FUNCTION_ALIGNMENT 16

/* Nops that a compiler put there to be overwritten. */
static bool find_nops(struct patch *patch, uintptr_t end)
{
    struct instruction nop;
    size_t length = 0;
    while (length < JUMP_BYTES && instruction_at(&nop, patch->entry + length, end) &&
           nop.encoding.nop)
        length += nop.length;
    if (length < JUMP_BYTES)
        return false;
    patch->length = length;
    patch->nops = true;
    return true;
}

/* The length of the nop or trap there that code is aligned with; 0 when it is none, or aligned. */
static size_t filler(uintptr_t address, uintptr_t end)
{
    struct instruction instruction;
    if (address % FUNCTION_ALIGNMENT == 0 || !instruction_at(&instruction, address, end))
        return 0;
    return instruction.encoding.nop || instruction.bytes[0] == 0xcc ? instruction.length : 0;
}

/* What lies between the end of a short function and the next one. */
static const char *add_padding(struct patch *patch, uintptr_t text_end)
{
    while (patch->length < JUMP_BYTES) {
        size_t bytes = filler(patch->entry + patch->length, text_end);
        if (bytes == 0)
            return TOO_SHORT;
        patch->length += bytes;
    }
    return NULL;
}

static const char *refuse(const struct instruction *instruction)
{
    if (instruction->bytes[0] == 0xcc)
        return "it begins with a breakpoint";
    if (instruction->encoding.form == FORM_FIXED)
        return UNMOVABLE;
    return NULL;
}

static const char *find_instructions(struct patch *patch, uintptr_t end, uintptr_t text_end)
{
    while (patch->length < JUMP_BYTES) {
        uintptr_t at = patch->entry + patch->length;
        struct instruction instruction;
        if (at >= end)
            return TOO_SHORT;
        if (!instruction_at(&instruction, at, text_end))
            return "it begins with bytes that are no instruction";
        const char *reason = refuse(&instruction);
        if (reason)
            return reason;
        patch->length += instruction.length;
        if (at + instruction.length > end)
            return TOO_SHORT;
        /* The call would return to bytes that are overwritten. */
        if (instruction.flow == FLOW_CALL && patch->length < JUMP_BYTES)
            return UNMOVABLE;
        if (instruction.flow == FLOW_JUMP || instruction.flow == FLOW_AWAY)
            return add_padding(patch, text_end);
    }
    return NULL;
}

const char *entry_choose(struct patch *patch, uintptr_t end, uintptr_t text_end)
{
    struct instruction first;
    patch->entry = patch->from;
    if (instruction_at(&first, patch->entry, end) && first.encoding.landing)
        patch->entry += first.length;
    patch->from = patch->entry;
    return find_nops(patch, end) ? NULL : find_instructions(patch, end, text_end);
}

/* mov %r11, -8(%rsp); mov $named, %r11; jmp *thunk(%rip); thunk: .quad */
void entry_stub(unsigned char out[STUB_BYTES], const struct patch *patch,
                const struct named_function *named, uintptr_t thunk)
{
    (void)patch;
    static const unsigned char code[STUB_BYTES] = {
        0x4c, 0x89, 0x5c, 0x24, 0xf8, 0x49, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0x25,
    };
    memcpy(out, code, sizeof code);
    memcpy(out + 7, &named, sizeof named);
    memcpy(out + 21, &thunk, sizeof thunk);
}

/* Behind an endbr64, in place of a return that is followed by filler up to the next multiple of 16.
 */
uintptr_t entry_of_empty(uintptr_t function)
{
    struct instruction first;
    size_t bytes;
    if (!instruction_at(&first, function, function + 16))
        return 0;
    uintptr_t place = function + (first.encoding.landing ? first.length : 0);
    const unsigned char *code = (const unsigned char *)place;
    size_t prefixes = *code == 0xf3;
    if (code[prefixes] != 0xc3)
        return 0;
    uintptr_t at = place + prefixes + 1;
    while ((bytes = filler(at, (at | 15) + 1)) > 0)
        at += bytes;
    return at - place >= JUMP_BYTES ? place : 0;
}
