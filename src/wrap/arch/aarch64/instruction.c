/* Decoding by the encodings of the Arm Architecture Reference Manual, and the forms that
 * instructions take elsewhere. */
#include "wrap/instruction.h"

#include <string.h>

enum { X16 = 16, X17 = 17, X30 = 30 };

/* ---- decoding -------------------------------------------------------------------------------- */

/* The bits of a distance, `count` of them from `at` on, with their sign. */
static intptr_t distance(uint32_t word, unsigned at, unsigned count)
{
    return (intptr_t)((int64_t)((uint64_t)word << (64 - at - count)) >> (64 - count));
}

static void decode_address(struct instruction *instruction, uint32_t word)
{
    intptr_t value = distance(word, 5, 19) * 4 + (word >> 29 & 3);
    bool is_page = word >> 31;
    instruction->encoding.form = FORM_ADDRESS;
    instruction->operand =
        is_page ? (instruction->address & ~(uintptr_t)0xfff) + (uintptr_t)value * 0x1000
                : instruction->address + (uintptr_t)value;
}

/* ldr, ldrsw and prfm (literal), of general and vector registers. */
static void decode_load(struct instruction *instruction, uint32_t word)
{
    bool exists = word >> 30 != 3 || (word >> 26 & 1) == 0;
    instruction->encoding.form = exists ? FORM_LOAD : FORM_FIXED;
    instruction->operand = instruction->address + (uintptr_t)distance(word, 5, 19) * 4;
}

/* br, blr, ret and their kin, of which those that sign are not moved. */
static void decode_register_branch(struct instruction *instruction, uint32_t word)
{
    bool is_call = (word >> 21 & 7) == 1;
    bool is_blr = (word & 0xfffffc1f) == 0xd63f0000;
    bool is_plain = (word & 0xfffffc1f) == 0xd61f0000 || (word & 0xfffffc1f) == 0xd65f0000 ||
                    (word & 0xfffffbff) == 0xd65f0bff; /* br, ret; retaa, retab */
    instruction->flow = is_call ? FLOW_CALL : FLOW_AWAY;
    if (is_blr && (word >> 5 & 31) != X30)
        instruction->encoding.form = FORM_INDIRECT_CALL;
    else
        instruction->encoding.form = is_plain ? FORM_PLAIN : FORM_FIXED;
}

/* Exceptions, of which only those that call the kernel come back. */
static void decode_exception(struct instruction *instruction, uint32_t word)
{
    bool comes_back = (word & 0xffe0001c) == 0xd4000000;
    instruction->flow = comes_back ? FLOW_ON : FLOW_AWAY;
    instruction->encoding.form = FORM_FIXED;
}

static void decode_branch(struct instruction *instruction, enum flow flow, enum form form,
                          intptr_t words)
{
    instruction->flow = flow;
    instruction->encoding.form = form;
    instruction->target = instruction->address + (uintptr_t)words * 4;
}

static enum landing landing_of(uint32_t word)
{
    if ((word & 0xffffff3f) == 0xd503241f)
        return LANDING_PLAIN;
    return (word & 0xffffffbf) == 0xd503233f ? LANDING_SIGNS : LANDING_NONE; /* paciasp, pacibsp */
}

/* pacm, which is of the instruction behind it, and paciasppc, pacnbiasppc and their kin. */
static bool signs_its_address(uint32_t word)
{
    return word == 0xd50324ff || (word & 0xffffdbff) == 0xdac183fe;
}

bool instruction_decode(struct instruction *instruction, const unsigned char *bytes,
                        size_t available, uintptr_t address)
{
    uint32_t word;
    if (available < sizeof word)
        return false;
    memcpy(&word, bytes, sizeof word);
    *instruction = (struct instruction){
        .bytes = bytes,
        .address = address,
        .length = sizeof word,
        .flow = FLOW_ON,
        .encoding = {.form = FORM_PLAIN, .word = word, .landing = landing_of(word)},
    };
    if ((word & 0xffff0000) == 0) /* udf: a trap, or no code at all */
        instruction->flow = FLOW_AWAY, instruction->encoding.form = FORM_FIXED;
    else if ((word & 0x1f000000) == 0x10000000)
        decode_address(instruction, word);
    else if ((word & 0x3b000000) == 0x18000000)
        decode_load(instruction, word);
    else if ((word & 0x7c000000) == 0x14000000)
        decode_branch(instruction, word >> 31 ? FLOW_CALL : FLOW_JUMP,
                      word >> 31 ? FORM_CALL : FORM_JUMP, distance(word, 0, 26));
    else if ((word & 0xff000000) == 0x54000000 || (word & 0x7e000000) == 0x34000000)
        decode_branch(instruction, FLOW_BRANCH, FORM_BRANCH, distance(word, 5, 19));
    else if ((word & 0x7e000000) == 0x36000000)
        decode_branch(instruction, FLOW_BRANCH, FORM_BRANCH, distance(word, 5, 14));
    else if ((word & 0xfe000000) == 0xd6000000)
        decode_register_branch(instruction, word);
    else if ((word & 0xff000000) == 0xd4000000)
        decode_exception(instruction, word);
    else if ((word & 0x1c000000) == 0x14000000 && (word & 0xff000000) != 0xd5000000)
        instruction->encoding.form = FORM_FIXED; /* a branch that nobody knows yet */
    else if (signs_its_address(word))
        instruction->encoding.form = FORM_FIXED;
    return true;
}

/* ---- moving ---------------------------------------------------------------------------------- */

static size_t put(unsigned char *out, size_t at, uint32_t word)
{
    memcpy(out + at, &word, sizeof word);
    return at + sizeof word;
}

static size_t put_address(unsigned char *out, size_t at, uintptr_t address)
{
    memcpy(out + at, &address, sizeof address);
    return at + sizeof address;
}

/* b over so many bytes, of the instruction and what follows it */
static uint32_t skip(size_t bytes)
{
    return 0x14000000 | (uint32_t)bytes / 4;
}

/* ldr xN from so many bytes further on */
static uint32_t load(unsigned reg, size_t bytes)
{
    return 0x58000000 | (uint32_t)bytes / 4 << 5 | reg;
}

static uint32_t branch_to_register(unsigned reg)
{
    return 0xd61f0000 | reg << 5;
}

/* Through x16, as linkers do it. */
size_t instruction_jump(uintptr_t target, uintptr_t address, unsigned char out[JUMP_MAX])
{
    intptr_t words = (intptr_t)(target - address) / 4;
    if (words == distance((uint32_t)words, 0, 26))
        return put(out, 0, 0x14000000 | ((uint32_t)words & 0x3ffffff));
    size_t length = put(out, 0, load(X16, 8));
    length = put(out, length, branch_to_register(X16));
    return put_address(out, length, target);
}

/* To a jump to the target, over which another one leads. */
static size_t move_branch(const struct instruction *instruction, uintptr_t address,
                          unsigned char *out)
{
    uint32_t word = instruction->encoding.word;
    bool tests_bit = (word & 0x7e000000) == 0x36000000;
    uint32_t bits = tests_bit ? 0x3fff << 5 : 0x7ffff << 5;
    size_t jump = instruction_jump(instruction->target, address + 8, out + 8);
    put(out, 0, (word & ~bits) | 2 << 5);
    put(out, 4, skip(4 + jump));
    return 8 + jump;
}

/* x30 is where the original call returns to: no unwinder ever sees an address in the copy. */
static size_t move_call(const struct instruction *instruction, uintptr_t address,
                        unsigned char *out)
{
    size_t jump = 4;
    if (instruction->encoding.form == FORM_CALL)
        jump = instruction_jump(instruction->target, address + INSTRUCTION_PUSH,
                                out + INSTRUCTION_PUSH);
    else
        put(out, INSTRUCTION_PUSH, branch_to_register(instruction->encoding.word >> 5 & 31));
    put(out, 0, load(X30, INSTRUCTION_PUSH + jump));
    return put_address(out, INSTRUCTION_PUSH + jump, instruction->address + instruction->length);
}

static size_t move_address(const struct instruction *instruction, unsigned char *out)
{
    size_t length = put(out, 0, load(instruction->encoding.word & 31, 8));
    length = put(out, length, skip(12));
    return put_address(out, length, instruction->operand);
}

/* x17 is anything at a function's entry. */
static size_t move_load(const struct instruction *instruction, unsigned char *out)
{
    /* From [x17]: ldr w, x; ldrsw; prfm; ldr s, d, q. */
    static const uint32_t through[2][4] = {{0xb9400000, 0xf9400000, 0xb9800000, 0xf9800000},
                                           {0xbd400000, 0xfd400000, 0x3dc00000, 0}};
    uint32_t word = instruction->encoding.word;
    size_t length = put(out, 0, load(X17, 12));
    length = put(out, length, through[word >> 26 & 1][word >> 30] | X17 << 5 | (word & 31));
    length = put(out, length, skip(12));
    return put_address(out, length, instruction->operand);
}

size_t instruction_move(const struct instruction *instruction, uintptr_t address,
                        unsigned char out[INSTRUCTION_MOVED_MAX])
{
    switch (instruction->encoding.form) {
    case FORM_PLAIN:
        return put(out, 0, instruction->encoding.word);
    case FORM_JUMP:
        return instruction_jump(instruction->target, address, out);
    case FORM_BRANCH:
        return move_branch(instruction, address, out);
    case FORM_CALL:
    case FORM_INDIRECT_CALL:
        return move_call(instruction, address, out);
    case FORM_ADDRESS:
        return move_address(instruction, out);
    case FORM_LOAD:
        return move_load(instruction, out);
    case FORM_FIXED:
        break;
    }
    return 0;
}
