/* Planning a jump at an entry, and putting it there. */
#include "wrap/patch.h"

#include <string.h>

#include "base/track.h"
#include "wrap/code.h"
#include "wrap/describe.h"
#include "wrap/instruction.h"

#define TOO_SHORT "it is too short for a jump"
#define UNMOVABLE "its first instructions cannot be moved"
#define UNWRITABLE "code cannot be changed through /proc/thread-self/mem"

/* ---- planning -------------------------------------------------------------------------------- */

/* Nops that a compiler put there to be overwritten. */
static bool find_nops(struct patch *patch, uintptr_t end)
{
    struct instruction nop;
    size_t length = 0;
    while (length < JUMP_BYTES && instruction_at(&nop, patch->entry + length, end) && nop.nop)
        length += nop.length;
    if (length < JUMP_BYTES)
        return false;
    patch->length = length;
    patch->nops = true;
    return true;
}

/* What lies between the end of a short function and the next one. */
static const char *add_padding(struct patch *patch, uintptr_t text_end)
{
    while (patch->length < JUMP_BYTES) {
        size_t filler = instruction_filler(patch->entry + patch->length, text_end);
        if (filler == 0)
            return TOO_SHORT;
        patch->length += filler;
    }
    return NULL;
}

static const char *refuse(const struct instruction *instruction)
{
    if (instruction->bytes[0] == 0xcc)
        return "it begins with a breakpoint";
    if (instruction->form == FORM_FIXED)
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

const char *patch_plan(const struct patch_function *function, struct patch *patch)
{
    *patch = (struct patch){.entry = function->start};
    uintptr_t end = patch_function_end(function);
    struct instruction first;
    if (instruction_at(&first, function->start, end) && first.landing)
        patch->entry += first.length;

    const char *reason = NULL;
    if (!find_nops(patch, end))
        reason = find_instructions(patch, end, function->text_end);
    if (!reason)
        reason = branches_forbid(function, patch->entry, patch->entry + patch->length);
    if (!reason)
        memcpy(patch->before, (const void *)patch->entry, patch->length);
    return reason;
}

void patch_planned(void)
{
    branches_forget();
}

/* ---- applying -------------------------------------------------------------------------------- */

#define STUB_BYTES 32

/* mov %r11, -8(%rsp); mov $named, %r11; jmp *thunk(%rip); thunk: .quad */
static void write_stub(unsigned char out[STUB_BYTES], const struct named_function *named,
                       uintptr_t thunk)
{
    static const unsigned char code[STUB_BYTES] = {
        0x4c, 0x89, 0x5c, 0x24, 0xf8, 0x49, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0x25,
    };
    memcpy(out, code, sizeof code);
    memcpy(out + 7, &named, sizeof named);
    memcpy(out + 21, &thunk, sizeof thunk);
}

size_t patch_copy(const struct patch *patch, uintptr_t address, unsigned char out[PATCH_COPY_MAX])
{
    size_t done = 0, length = 0;
    while (done < patch->length) {
        struct instruction instruction;
        if (!instruction_decode(&instruction, patch->before + done, patch->length - done,
                                patch->entry + done))
            return 0;
        size_t moved = instruction_move(&instruction, address + length, out + length);
        if (moved == 0)
            return 0;
        length += moved;
        done += instruction.length;
        /* Padding follows, or the call returns to where the function goes on. */
        if (instruction.flow == FLOW_JUMP || instruction.flow == FLOW_AWAY ||
            instruction.flow == FLOW_CALL)
            return length;
    }
    return length + instruction_jump(patch->entry + done, address + length, out + length);
}

/* The jump, and traps in what is left of the overwritten instructions. */
static bool write_jump(const struct patch *patch, uintptr_t stub)
{
    unsigned char code[PATCH_BYTES_MAX];
    memset(code, 0xcc, sizeof code);
    return instruction_jump(stub, patch->entry, code) == JUMP_BYTES &&
           code_write(patch->entry, code, patch->length);
}

const char *patch_apply(struct patch *patch, struct named_function *named, uintptr_t thunk)
{
    uintptr_t place = code_place(patch->entry);
    if (place == 0)
        return "there is no memory near it";
    unsigned char all[DESCRIPTION_BYTES + STUB_BYTES + PATCH_COPY_MAX];
    unsigned char *code = all + DESCRIPTION_BYTES;
    uintptr_t stub = place + DESCRIPTION_BYTES;
    size_t length = 0;
    write_stub(code, named, thunk);
    if (!patch->nops) {
        length = patch_copy(patch, stub + STUB_BYTES, code + STUB_BYTES);
        if (length == 0)
            return "something its first instructions refer to is out of reach";
    }
    if (memcmp((const void *)patch->entry, patch->before, patch->length) != 0)
        return "its code has changed meanwhile";
    const struct described described = {
        .entry = patch->entry,
        .before = patch->before,
        .length = patch->nops ? 0 : patch->length,
        .stub = stub,
        .copy = stub + STUB_BYTES,
        .end = stub + STUB_BYTES + length,
    };
    describe(&described, all);
    if (!code_fill(place, all, DESCRIPTION_BYTES + STUB_BYTES + length))
        return UNWRITABLE;

    /* A call may come as soon as the jump is there. */
    __atomic_store_n(&named->target, patch->nops ? patch->entry + patch->length : stub + STUB_BYTES,
                     __ATOMIC_RELEASE);
    if (!write_jump(patch, stub)) {
        code_release(stub);
        return UNWRITABLE;
    }
    patch->stub = stub;
    return NULL;
}

uintptr_t patch_stub(struct named_function *named, uintptr_t thunk)
{
    unsigned char code[STUB_BYTES];
    write_stub(code, named, thunk);
    uintptr_t place = code_place((uintptr_t)&patch_stub);
    if (place != 0 && code_fill(place, code, sizeof code))
        return place;
    return code_alone(code, sizeof code);
}
