/* Planning a jump at an entry, and putting it there. */
#include "wrap/patch.h"

#include <string.h>

#include "base/track.h"
#include "wrap/code.h"
#include "wrap/describe.h"
#include "wrap/instruction.h"

#define UNWRITABLE "code cannot be changed through /proc/thread-self/mem"

/* ---- planning -------------------------------------------------------------------------------- */

const char *patch_plan(const struct patch_function *function, struct patch *patch)
{
    *patch = (struct patch){.from = function->start};
    const char *reason = entry_choose(patch, patch_function_end(function), function->text_end);
    if (!reason)
        reason = branches_forbid(function, patch->entry, patch->entry + patch->length);
    if (!reason)
        memcpy(patch->before, (const void *)patch->from, patch_copied(patch));
    return reason;
}

void patch_planned(void)
{
    branches_forget();
}

/* ---- applying -------------------------------------------------------------------------------- */

size_t patch_copy(const struct patch *patch, uintptr_t address, unsigned char out[PATCH_COPY_MAX])
{
    size_t done = 0, length = 0;
    size_t copied = patch_copied(patch);
    while (done < copied) {
        struct instruction instruction;
        if (!instruction_decode(&instruction, patch->before + done, copied - done,
                                patch->from + done))
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
    return length + instruction_jump(patch->from + done, address + length, out + length);
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
    entry_stub(code, patch, named, thunk);
    if (!patch->nops) {
        length = patch_copy(patch, stub + STUB_BYTES, code + STUB_BYTES);
        if (length == 0)
            return "something its first instructions refer to is out of reach";
    }
    if (memcmp((const void *)patch->from, patch->before, patch_copied(patch)) != 0)
        return "its code has changed meanwhile";
    const struct described described = {
        .from = patch->from,
        .entry = patch->entry,
        .before = patch->before,
        .length = patch->nops ? 0 : patch_copied(patch),
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

const char *patch_try(const struct patch *patch)
{
    return code_write(patch->entry, (const void *)patch->entry, 1) ? NULL : UNWRITABLE;
}

uintptr_t patch_stub(struct named_function *named, uintptr_t thunk)
{
    unsigned char code[STUB_BYTES];
    entry_stub(code, NULL, named, thunk);
    uintptr_t place = code_place((uintptr_t)&patch_stub);
    if (place != 0 && code_fill(place, code, sizeof code))
        return place;
    return code_alone(code, sizeof code);
}
