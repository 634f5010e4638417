/* By decoding both in full, by Zydis. */
#include "tests/wrap/copies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <Zydis/Zydis.h>

struct decoded {
    ZydisDecodedInstruction is;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    const unsigned char *bytes;
    uintptr_t address;
};

static ZydisDecoder decoder;

__attribute__((constructor)) static void start(void)
{
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
}

static bool decode(struct decoded *decoded, const unsigned char *bytes, size_t available,
                   uintptr_t address)
{
    decoded->bytes = bytes;
    decoded->address = address;
    return ZYAN_SUCCESS(
        ZydisDecoderDecodeFull(&decoder, bytes, available, &decoded->is, decoded->operands));
}

/* The absolute address of an operand that names one; 0: it does not. */
static uintptr_t names(const struct decoded *decoded, int operand)
{
    const ZydisDecodedOperand *is = &decoded->operands[operand];
    bool relative = is->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && is->imm.is_relative;
    bool distance = is->type == ZYDIS_OPERAND_TYPE_MEMORY && is->mem.base == ZYDIS_REGISTER_RIP;
    ZyanU64 address = 0;
    if (relative || distance)
        ZydisCalcAbsoluteAddress(&decoded->is, is, decoded->address, &address);
    return address;
}

static bool next(struct copy *copy, struct decoded *decoded)
{
    if (copy->at >= copy->length ||
        !decode(decoded, copy->bytes + copy->at, copy->length - copy->at, copy->address + copy->at))
        return false;
    copy->at += decoded->is.length;
    return true;
}

static bool word_at(const struct copy *copy, uintptr_t address, uintptr_t *word)
{
    size_t offset = address - copy->address;
    if (offset > copy->length - sizeof *word)
        return false;
    memcpy(word, copy->bytes + offset, sizeof *word);
    return true;
}

/* The next thing is a jump to the target: direct, or through a word behind it. */
static bool jumps_to(struct copy *copy, uintptr_t target)
{
    struct decoded jump;
    uintptr_t word;
    if (!next(copy, &jump) || jump.is.mnemonic != ZYDIS_MNEMONIC_JMP)
        return false;
    if (jump.operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return names(&jump, 0) == target;
    if (names(&jump, 0) != copy->address + copy->at || !word_at(copy, names(&jump, 0), &word))
        return false;
    copy->at += sizeof word;
    return word == target;
}

static bool same_operand(const struct decoded *a, const struct decoded *b, int i)
{
    const ZydisDecodedOperand *x = &a->operands[i], *y = &b->operands[i];
    if (x->type != y->type || x->size != y->size || names(a, i) != names(b, i))
        return false;
    switch (x->type) {
    case ZYDIS_OPERAND_TYPE_REGISTER:
        return x->reg.value == y->reg.value;
    case ZYDIS_OPERAND_TYPE_MEMORY:
        return x->mem.base == y->mem.base && x->mem.index == y->mem.index &&
               x->mem.scale == y->mem.scale && x->mem.segment == y->mem.segment &&
               (x->mem.base == ZYDIS_REGISTER_RIP || x->mem.disp.value == y->mem.disp.value);
    case ZYDIS_OPERAND_TYPE_IMMEDIATE:
        return x->imm.is_relative || x->imm.value.u == y->imm.value.u;
    default:
        return true;
    }
}

static bool same_operands(const struct decoded *a, const struct decoded *b)
{
    if (a->is.operand_count_visible != b->is.operand_count_visible)
        return false;
    for (int i = 0; i < a->is.operand_count_visible; i++)
        if (!same_operand(a, b, i))
            return false;
    return true;
}

/* The same instruction; of a distance only what it names is compared, all other bytes are. */
static bool same(const struct decoded *a, const struct decoded *b)
{
    if (a->is.mnemonic != b->is.mnemonic || a->is.length != b->is.length || !same_operands(a, b))
        return false;
    for (int i = 0; i < a->is.length; i++) {
        bool distance = a->is.attributes & ZYDIS_ATTRIB_IS_RELATIVE && i >= a->is.raw.disp.offset &&
                        i < a->is.raw.disp.offset + 4;
        if (!distance && a->bytes[i] != b->bytes[i])
            return false;
    }
    return true;
}

static bool same_call(const struct decoded *call, struct copy *copy)
{
    struct decoded push, jump;
    uintptr_t back;
    if (!next(copy, &push) || push.is.mnemonic != ZYDIS_MNEMONIC_PUSH ||
        !word_at(copy, names(&push, 0), &back) || back != call->address + call->is.length)
        return false;
    uintptr_t target = names(call, 0);
    if (call->operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
        return jumps_to(copy, target) && (copy->at += sizeof back);
    if (!next(copy, &jump) || jump.is.mnemonic != ZYDIS_MNEMONIC_JMP)
        return false;
    copy->at += sizeof back;
    return same_operands(call, &jump);
}

/* A conditional branch: the same one to the same place, or the opposite one over a jump there, or
 * the same one to a jump there, over which another jumps. */
static bool same_branch(const struct decoded *branch, struct copy *copy)
{
    struct decoded moved, skip;
    uintptr_t target = names(branch, 0);
    if (!next(copy, &moved))
        return false;
    uintptr_t goes = names(&moved, 0);
    if (moved.is.mnemonic == branch->is.mnemonic && goes == target)
        return true;
    if (moved.is.mnemonic != branch->is.mnemonic)
        return (moved.is.opcode ^ branch->is.opcode) % 16 == 1 && jumps_to(copy, target) &&
               goes == copy->address + copy->at;
    if (!next(copy, &skip) || skip.is.mnemonic != ZYDIS_MNEMONIC_JMP)
        return false;
    return goes == copy->address + copy->at && jumps_to(copy, target) &&
           names(&skip, 0) == copy->address + copy->at;
}

const char *copies_judge(const struct patch *patch, struct copy *copy, const struct listed *listed,
                         bool *reckons)
{
    (void)listed;
    size_t done = 0;
    while (done < patch->length) {
        struct decoded original, moved;
        if (!decode(&original, patch->before + done, patch->length - done, patch->entry + done))
            return "an original instruction cannot be decoded";
        done += original.is.length;
        for (int i = 0; i < original.is.operand_count_visible; i++)
            *reckons |=
                original.operands[i].type == ZYDIS_OPERAND_TYPE_MEMORY && names(&original, i) != 0;
        if (copy->length == 0)
            continue;
        bool relative = original.operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
                        original.operands[0].imm.is_relative;
        bool ends = original.is.meta.category == ZYDIS_CATEGORY_RET ||
                    original.is.meta.category == ZYDIS_CATEGORY_UNCOND_BR;
        bool right;
        if (original.is.meta.category == ZYDIS_CATEGORY_CALL)
            return done == patch->length && same_call(&original, copy) && copy->at == copy->length
                       ? NULL
                       : "a call is copied wrongly";
        if (ends && relative)
            right = jumps_to(copy, names(&original, 0));
        else if (relative)
            right = same_branch(&original, copy);
        else
            right = next(copy, &moved) && same(&original, &moved);
        if (!right)
            return "an instruction is copied wrongly";
        if (ends)
            return copy->at == copy->length ? NULL : "there is more in the copy";
    }
    if (copy->length == 0)
        return NULL;
    if (!jumps_to(copy, patch->entry + patch->length))
        return "the copy does not go on in the function";
    return copy->at == copy->length ? NULL : "there is more in the copy";
}

/* ---- what objdump says ----------------------------------------------------------------------- */

uintptr_t copies_list(struct listed *listed, char *text)
{
    char mnemonic[16], operand[64], *end;
    (void)listed;
    if (sscanf(text, " %15s %63s", mnemonic, operand) != 2 ||
        (strcmp(mnemonic, "bnd") == 0 && sscanf(text, " bnd %15s %63s", mnemonic, operand) != 2))
        return 0;
    bool branches = mnemonic[0] == 'j' || strncmp(mnemonic, "call", 4) == 0 ||
                    strncmp(mnemonic, "loop", 4) == 0 || strcmp(mnemonic, "xbegin") == 0;
    uintptr_t target = strtoul(operand, &end, 16);
    return branches && end != operand ? target : 0;
}

/* To objdump, a wait is a part of the next instruction. */
size_t copies_step(const struct patch *patch, size_t done, bool *joined)
{
    struct decoded original;
    if (!decode(&original, patch->before + done, patch->length - done, patch->entry + done))
        return 0;
    *joined = original.is.mnemonic == ZYDIS_MNEMONIC_FWAIT;
    bool ends = original.is.meta.category == ZYDIS_CATEGORY_RET ||
                original.is.meta.category == ZYDIS_CATEGORY_UNCOND_BR;
    return ends ? 0 : original.is.length;
}
