/* By what objdump says that the first instruction is and names. */
#include "tests/wrap/copies.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { X16 = 16, X17 = 17, X30 = 30 };

/* ---- what objdump says ----------------------------------------------------------------------- */

static const struct {
    const char *mnemonic;
    char kind;
} kinds[] = {
    {"b", 'j'},   {"bl", 'c'},    {"cbz", '?'},   {"cbnz", '?'},  {"tbz", '?'},  {"tbnz", '?'},
    {"adr", 'a'}, {"adrp", 'a'},  {"ldr", 'l'},   {"ldrsw", 'l'}, {"prfm", 'l'}, {"ret", 'r'},
    {"br", 'r'},  {"retaa", 'r'}, {"retab", 'r'}, {"blr", 'i'},
};

/* An address that is named stands in front of a symbol's name. */
uintptr_t copies_list(struct listed *listed, char *text)
{
    char mnemonic[16];
    char *symbol = strstr(text, " <");
    if (sscanf(text, " %15s", mnemonic) != 1)
        return 0;
    if (symbol) {
        *symbol = '\0';
        char *number = strrchr(text, '\t'), *blank = strrchr(text, ' ');
        listed->names = (uint32_t)strtoul(blank > number ? blank : number, NULL, 16);
    }
    if (mnemonic[0] == 'b' && mnemonic[1] == '.')
        listed->kind = '?';
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(mnemonic, kinds[i].mnemonic) == 0 && (kinds[i].kind != 'l' || symbol))
            listed->kind = kinds[i].kind;
    return strchr("jc?", listed->kind) ? listed->names : 0;
}

size_t copies_step(const struct patch *patch, size_t done, bool *joined)
{
    (void)patch, (void)done, (void)joined;
    return 4;
}

/* ---- copies ---------------------------------------------------------------------------------- */

/* Reads the next word, 0 behind the end. */
static uint32_t next(struct copy *copy)
{
    uint32_t word = 0;
    if (copy->at + sizeof word <= copy->length)
        memcpy(&word, copy->bytes + copy->at, sizeof word);
    copy->at += sizeof word;
    return word;
}

static bool holds_word(struct copy *copy, uintptr_t wanted)
{
    uintptr_t word = next(copy);
    return (word | (uintptr_t)next(copy) << 32) == wanted;
}

/* ldr of a general register from so far behind it */
static bool loads(struct copy *copy, unsigned reg, size_t distance)
{
    return next(copy) == (0x58000000 | (uint32_t)distance << 3 | reg);
}

static bool jumps_over(struct copy *copy, size_t bytes)
{
    return next(copy) == (0x14000000 | ((uint32_t)bytes / 4 + 1));
}

/* Direct, or by x16 and a word behind that. */
static bool jumps_to(struct copy *copy, uintptr_t target)
{
    struct copy start = *copy;
    uint32_t word = next(copy);
    if (word >> 26 == 5)
        return start.address + start.at + (uintptr_t)(intptr_t)((int32_t)(word << 6) >> 4) ==
               target;
    *copy = start;
    return loads(copy, X16, 8) && next(copy) == (0xd61f0000 | X16 << 5) && holds_word(copy, target);
}

static size_t jump_length(const struct copy *copy)
{
    struct copy start = *copy;
    return next(&start) >> 26 == 5 ? 4 : 16;
}

/* The same condition, over a jump that is taken when it does not hold. */
static bool branches(struct copy *copy, uint32_t word, uintptr_t target)
{
    uint32_t distance = word >> 25 == 0x1b || word >> 25 == 0x5b ? 0x7ffe0 : 0xffffe0;
    if (next(copy) != ((word & ~distance) | 8 / 4 << 5))
        return false;
    struct copy jump = *copy;
    next(&jump);
    return jumps_over(copy, jump_length(&jump)) && jumps_to(copy, target);
}

/* Through x17, as the literal form of the same size and kind of register. */
static bool loads_through(struct copy *copy, uint32_t word, uintptr_t from)
{
    static const uint32_t through[] = {0xb94, 0xf94, 0xb98, 0xf98, 0xbd4, 0xfd4, 0x3dc};
    uint32_t index = word >> 30 | (word >> 26 & 1) << 2;
    return loads(copy, X17, 12) && next(copy) == (through[index] << 20 | X17 << 5 | (word & 31)) &&
           jumps_over(copy, 8) && holds_word(copy, from);
}

static bool calls(struct copy *copy, const struct patch *patch, uintptr_t target)
{
    struct copy jump = *copy;
    next(&jump);
    return loads(copy, X30, 4 + jump_length(&jump)) && jumps_to(copy, target) &&
           holds_word(copy, patch->entry + 4);
}

static bool calls_register(struct copy *copy, const struct patch *patch, uint32_t word)
{
    return loads(copy, X30, 8) && next(copy) == (0xd61f0000 | (word & 0x3e0)) &&
           holds_word(copy, patch->entry + 4);
}

static bool is_right(const struct patch *patch, struct copy *copy, char kind, uint32_t word,
                     uintptr_t names)
{
    switch (kind) {
    case 'j':
        return jumps_to(copy, names);
    case 'c':
        return calls(copy, patch, names);
    case 'i':
        return calls_register(copy, patch, word);
    case 'r':
        return next(copy) == word;
    case '?':
        return branches(copy, word, names) && jumps_to(copy, patch->entry + 4);
    case 'a':
        return loads(copy, word & 31, 8) && jumps_over(copy, 8) && holds_word(copy, names) &&
               jumps_to(copy, patch->entry + 4);
    case 'l':
        return loads_through(copy, word, names) && jumps_to(copy, patch->entry + 4);
    default:
        return next(copy) == word && jumps_to(copy, patch->entry + 4);
    }
}

const char *copies_judge(const struct patch *patch, struct copy *copy, const struct listed *listed,
                         bool *reckons)
{
    (void)reckons;
    uint32_t words[2];
    memcpy(words, patch->before, patch_copied(patch));
    if (patch->from != patch->entry && next(copy) != words[0])
        return "what signs is not copied";
    uint32_t word = words[patch->from != patch->entry];
    if (!is_right(patch, copy, listed->kind, word, listed->names + copy->base))
        return "the instruction is copied wrongly";
    return copy->at == copy->length ? NULL : "there is more in the copy";
}
