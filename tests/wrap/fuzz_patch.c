/*
 * Plans a patch of every function of the files that are named, and checks each copy against the
 * original: by decoding both in full, apart from the decoding in src/wrap, and, for where
 * instructions begin and branches go, against what objdump says of the whole file.
 *
 * usage: fuzz_patch FILE...    prints what was found, a line for each error; exits 1 when there is
 * any
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <Zydis/Zydis.h>

#include "tests/wrap/library.h"
#include "wrap/patch.h"

/* What is accepted of the functions that have the room, in percent; a few are always refused (the
 * linker's stubs are a loop, as it were). */
#define ACCEPTED_MIN 90
#define FEW 2

static ZydisDecoder decoder;
static const char *path;
static unsigned long errors;

static void error(uintptr_t function, const char *what)
{
    printf("%s: %#" PRIxPTR ": %s\n", path, function, what);
    errors++;
}

/* ---- copies ---------------------------------------------------------------------------------- */

struct decoded {
    ZydisDecodedInstruction is;
    ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
    const unsigned char *bytes;
    uintptr_t address;
};

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

/* A copy that is read from front to back. */
struct copy {
    const unsigned char *bytes;
    size_t length, at;
    uintptr_t address;
};

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

/* NULL, or what is wrong with a copy. Sets *reckons when an instruction names memory by distance.
 */
static const char *judge(const struct patch *patch, struct copy *copy, bool *reckons)
{
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

static void check_copy(const struct patch *patch, uintptr_t function, uintptr_t address, bool far)
{
    unsigned char bytes[PATCH_COPY_MAX];
    bool reckons = false;
    struct copy copy = {.bytes = bytes, .address = address};
    copy.length = patch_copy(patch, address, bytes);
    const char *wrong = judge(patch, &copy, &reckons);
    if (wrong)
        error(function, wrong);
    if ((copy.length == 0) != (far && reckons))
        error(function, far ? "a copy far away" : "there is no copy");
}

/* ---- what objdump says ----------------------------------------------------------------------- */

enum { BEGINS = 1, TARGET = 2 };

/* For each byte of the file's addresses: whether an instruction begins there, or a branch goes
 * there. */
static unsigned char *disassemble(const struct library *library)
{
    char command[4096], line[1024];
    unsigned char *marks = calloc(library->end, 1);
    unsigned long instructions = 0;
    snprintf(command, sizeof command, "objdump -d -w --no-show-raw-insn '%s'", path);
    FILE *lines = popen(command, "r");
    if (!marks || !lines)
        abort();
    while (fgets(line, sizeof line, lines)) {
        char *end, mnemonic[16], operand[64];
        uintptr_t address = strtoul(line, &end, 16);
        if (end == line || *end != ':' || address >= library->end)
            continue;
        marks[address] |= BEGINS;
        instructions++;
        char *text = strtok(end + 1, "\n");
        if (!text || sscanf(text, " %15s %63s", mnemonic, operand) != 2)
            continue;
        if (strcmp(mnemonic, "bnd") == 0 && sscanf(text, " bnd %15s %63s", mnemonic, operand) != 2)
            continue;
        bool branches = mnemonic[0] == 'j' || strncmp(mnemonic, "call", 4) == 0 ||
                        strncmp(mnemonic, "loop", 4) == 0 || strcmp(mnemonic, "xbegin") == 0;
        uintptr_t target = strtoul(operand, &end, 16);
        if (branches && end != operand && target < library->end)
            marks[target] |= TARGET;
    }
    if (pclose(lines) != 0 || instructions == 0) {
        printf("%s: objdump failed\n", path);
        errors++;
    }
    return marks;
}

static void check_boundaries(const struct patch *patch, uintptr_t base, const unsigned char *marks)
{
    uintptr_t entry = patch->entry - base;
    for (size_t i = 1; i < patch->length; i++)
        if (marks[entry + i] & TARGET)
            error(entry, "objdump sees a branch to the overwritten bytes");
    struct decoded original;
    for (size_t done = 0; done < patch->length;) {
        /* To objdump, a wait is a part of the next instruction. */
        if (!(marks[entry + done] & BEGINS) &&
            (done == 0 || original.is.mnemonic != ZYDIS_MNEMONIC_FWAIT)) {
            error(entry, "objdump sees no instruction where one is copied");
            return;
        }
        if (!decode(&original, patch->before + done, patch->length - done, patch->entry + done))
            return;
        done += original.is.length;
        if (original.is.meta.category == ZYDIS_CATEGORY_RET ||
            original.is.meta.category == ZYDIS_CATEGORY_UNCOND_BR)
            return; /* padding follows */
    }
}

/* ---- a file ---------------------------------------------------------------------------------- */

static struct reason {
    const char *text;
    unsigned long count;
} reasons[16];

static void count_reason(const char *text)
{
    int i = 0;
    while (reasons[i].text && strcmp(reasons[i].text, text) != 0)
        i++;
    reasons[i].text = text;
    reasons[i].count++;
}

static void check_file(void)
{
    struct library library;
    unsigned long accepted = 0, refused = 0, small = 0, roomy = 0, nops = 0, unseen = 0, parts = 0;
    library_read(&library, path);
    uintptr_t base = library_map(&library);
    unsigned char *marks = disassemble(&library);
    memset(reasons, 0, sizeof reasons);

    for (size_t i = 0; i < library.count; i++) {
        const struct library_function *known = &library.functions[i];
        struct patch_function function = {base + known->start, known->size,
                                          base + known->text_start, base + known->text_end};
        struct patch patch;
        const char *reason = patch_plan(&function, &patch);
        if (known->size < 5)
            small++;
        if (reason) {
            refused++;
            parts += !known->named && strstr(reason, "part of another");
            count_reason(reason);
            continue;
        }
        accepted++;
        nops += patch.nops;
        roomy += known->size >= 5;
        if (!known->named && !(marks[known->start] & BEGINS))
            unseen++;
        else
            check_boundaries(&patch, base, marks);
        if (!patch.nops) {
            check_copy(&patch, known->start, base - 4096, false);
            check_copy(&patch, known->start, patch.entry + ((uintptr_t)1 << 40), true);
        }
    }
    printf("%s: %zu functions (%lu below 5 bytes), %lu accepted (%lu of nops), %lu refused\n", path,
           library.count, small, accepted, nops, refused);
    for (int i = 0; reasons[i].text; i++)
        printf("    %6lu %s\n", reasons[i].count, reasons[i].text);
    printf("    %6lu parts without a symbol in which objdump sees no instructions\n", unseen);
    if (unseen > FEW + library.count / 1000)
        error(0, "too little is compared");
    if (accepted + refused != library.count)
        error(0, "the counts do not add up");
    if ((roomy + FEW) * 100 < (library.count - small - parts) * ACCEPTED_MIN)
        error(0, "too few are accepted");
    patch_planned();
    free(marks);
}

int main(int argc, char **argv)
{
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    for (int i = 1; i < argc; i++) {
        path = argv[i];
        check_file();
    }
    return errors != 0 || argc < 2;
}
