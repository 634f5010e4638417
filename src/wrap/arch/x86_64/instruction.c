/* Decoding by Zydis, which no other file knows, and the forms that instructions take elsewhere. */
#include "wrap/instruction.h"

#include <string.h>

#include <Zydis/Zydis.h>

#define OPERAND_SIZE_PREFIX 0x66

/* ---- decoding -------------------------------------------------------------------------------- */

static bool has_prefix(const ZydisDecodedInstruction *decoded, unsigned char prefix)
{
    for (size_t i = 0; i < decoded->raw.prefix_count; i++)
        if (decoded->raw.prefixes[i].value == prefix)
            return true;
    return false;
}

/* A direct branch. Processors disagree on what an operand size prefix makes of it. */
static bool is_relative(const ZydisDecodedInstruction *decoded)
{
    return decoded->raw.imm[0].is_relative && decoded->raw.imm[0].size != 16 &&
           !has_prefix(decoded, OPERAND_SIZE_PREFIX);
}

/* Memory named by its distance from the end of the instruction. */
static bool has_distance(const ZydisDecodedInstruction *decoded)
{
    return (decoded->attributes & ZYDIS_ATTRIB_HAS_MODRM) && decoded->raw.modrm.mod == 0 &&
           decoded->raw.modrm.rm == 5;
}

/* An operand that is the stack pointer, or lies at a distance from it. */
static bool uses_stack_pointer(const ZydisDecodedInstruction *decoded)
{
    const unsigned rsp = 4;
    bool extended = (decoded->attributes & ZYDIS_ATTRIB_HAS_REX) && decoded->raw.rex.B;
    if (decoded->raw.modrm.rm != rsp || extended)
        return false;
    return decoded->raw.modrm.mod == 3 || decoded->raw.sib.base == rsp;
}

static enum flow flow_of(const ZydisDecodedInstruction *decoded)
{
    switch (decoded->meta.category) {
    case ZYDIS_CATEGORY_CALL:
        return FLOW_CALL;
    case ZYDIS_CATEGORY_COND_BR:
        return FLOW_BRANCH;
    case ZYDIS_CATEGORY_UNCOND_BR:
        return decoded->raw.imm[0].is_relative ? FLOW_JUMP : FLOW_AWAY;
    case ZYDIS_CATEGORY_RET:
    case ZYDIS_CATEGORY_SYSRET:
        return FLOW_AWAY;
    default:
        break;
    }
    switch (decoded->mnemonic) {
    case ZYDIS_MNEMONIC_HLT:
    case ZYDIS_MNEMONIC_INT3:
    case ZYDIS_MNEMONIC_UD0:
    case ZYDIS_MNEMONIC_UD1:
    case ZYDIS_MNEMONIC_UD2:
        return FLOW_AWAY;
    default:
        return FLOW_ON;
    }
}

/* The form of a branch, call or return: the well-known encodings of them. */
static enum form form_of_transfer(const ZydisDecodedInstruction *decoded)
{
    unsigned char opcode = decoded->opcode;
    bool two_bytes = decoded->opcode_map == ZYDIS_OPCODE_MAP_0F;
    if (decoded->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY ||
        (!two_bytes && decoded->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT))
        return FORM_FIXED;
    if (two_bytes)
        return is_relative(decoded) && opcode >> 4 == 0x8 ? FORM_BRANCH : FORM_FIXED;
    if (is_relative(decoded)) {
        if (opcode == 0xe8)
            return FORM_CALL;
        if (opcode == 0xe9 || opcode == 0xeb)
            return FORM_JUMP;
        if (opcode >> 4 == 0x7)
            return FORM_BRANCH;
        return opcode >= 0xe0 && opcode <= 0xe3 ? FORM_COUNTED : FORM_FIXED;
    }
    if (has_prefix(decoded, OPERAND_SIZE_PREFIX))
        return FORM_FIXED;
    if (opcode == 0xc2 || opcode == 0xc3)
        return FORM_PLAIN;
    if (opcode == 0xff && decoded->raw.modrm.reg == 4)
        return FORM_PLAIN;
    if (opcode == 0xff && decoded->raw.modrm.reg == 2 && !uses_stack_pointer(decoded))
        return FORM_INDIRECT_CALL;
    return FORM_FIXED;
}

static enum form form_of(const ZydisDecodedInstruction *decoded)
{
    if (has_distance(decoded) && (decoded->address_width != 64 || decoded->raw.disp.size != 32))
        return FORM_FIXED;
    switch (decoded->meta.category) {
    case ZYDIS_CATEGORY_CALL:
    case ZYDIS_CATEGORY_COND_BR:
    case ZYDIS_CATEGORY_UNCOND_BR:
    case ZYDIS_CATEGORY_RET:
        return form_of_transfer(decoded);
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET:
        return FORM_FIXED;
    default:
        /* Traps, whose handlers look at the address; and whatever else reckons from its own. */
        return flow_of(decoded) == FLOW_AWAY || decoded->raw.imm[0].is_relative ? FORM_FIXED
                                                                                : FORM_PLAIN;
    }
}

bool instruction_decode(struct instruction *instruction, const unsigned char *bytes,
                        size_t available, uintptr_t address)
{
    ZydisDecoder decoder;
    ZydisDecodedInstruction decoded;
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(&decoder, NULL, bytes, available, &decoded)))
        return false;

    uintptr_t end = address + decoded.length;
    *instruction = (struct instruction){
        .bytes = bytes,
        .address = address,
        .length = decoded.length,
        .flow = flow_of(&decoded),
        .encoding =
            {
                .form = form_of(&decoded),
                .opcode = decoded.opcode,
                .modrm_at = decoded.raw.modrm.offset,
                .nop = decoded.mnemonic == ZYDIS_MNEMONIC_NOP,
                .landing = decoded.mnemonic == ZYDIS_MNEMONIC_ENDBR64,
            },
    };
    if (decoded.raw.imm[0].is_relative)
        instruction->target = end + (uintptr_t)decoded.raw.imm[0].value.s;
    if (has_distance(&decoded)) {
        instruction->operand = end + (uintptr_t)decoded.raw.disp.value;
        instruction->encoding.distance_at = decoded.raw.disp.offset;
    }
    return true;
}

/* ---- moving ---------------------------------------------------------------------------------- */

static bool in_reach(uintptr_t target, uintptr_t end)
{
    intptr_t distance = (intptr_t)(target - end);
    return distance == (int32_t)distance;
}

static void put_distance(unsigned char *out, uintptr_t target, uintptr_t end)
{
    int32_t distance = (int32_t)(target - end);
    memcpy(out, &distance, sizeof distance);
}

size_t instruction_jump(uintptr_t target, uintptr_t address, unsigned char out[JUMP_MAX])
{
    if (in_reach(target, address + JUMP_BYTES)) {
        out[0] = 0xe9;
        put_distance(out + 1, target, address + JUMP_BYTES);
        return JUMP_BYTES;
    }
    static const unsigned char through_next_word[] = {0xff, 0x25, 0, 0, 0, 0};
    memcpy(out, through_next_word, sizeof through_next_word);
    memcpy(out + sizeof through_next_word, &target, sizeof target);
    return JUMP_MAX;
}

/* The same bytes, with the distance as of the new address. False: out of reach. */
static bool copy(const struct instruction *instruction, uintptr_t address, unsigned char *out)
{
    memcpy(out, instruction->bytes, instruction->length);
    if (instruction->operand == 0)
        return true;
    uintptr_t end = address + instruction->length;
    put_distance(out + instruction->encoding.distance_at, instruction->operand, end);
    return in_reach(instruction->operand, end);
}

static size_t move_branch(const struct instruction *instruction, uintptr_t address,
                          unsigned char *out)
{
    const size_t length = 6;
    unsigned char condition = instruction->encoding.opcode & 0xf;
    if (in_reach(instruction->target, address + length)) {
        out[0] = 0x0f;
        out[1] = 0x80 | condition;
        put_distance(out + 2, instruction->target, address + length);
        return length;
    }
    /* The opposite condition skips a jump. */
    size_t jump = instruction_jump(instruction->target, address + 2, out + 2);
    out[0] = 0x70 | (condition ^ 1);
    out[1] = (unsigned char)jump;
    return 2 + jump;
}

/* The instruction to a jump to the target, in front of which a jump skips it. */
static size_t move_counted(const struct instruction *instruction, uintptr_t address,
                           unsigned char *out)
{
    size_t length = instruction->length;
    memcpy(out, instruction->bytes, length);
    out[length - 1] = 2;
    size_t jump = instruction_jump(instruction->target, address + length + 2, out + length + 2);
    out[length] = 0xeb;
    out[length + 1] = (unsigned char)jump;
    return length + 2 + jump;
}

/* A push of the original return address, which lies behind the jump: no unwinder ever sees an
 * address in the copy. */
static size_t move_call(const struct instruction *instruction, uintptr_t address,
                        unsigned char *out)
{
    const size_t push = INSTRUCTION_PUSH;
    size_t jump;
    if (instruction->encoding.form == FORM_CALL) {
        jump = instruction_jump(instruction->target, address + push, out + push);
    } else {
        if (!copy(instruction, address + push, out + push))
            return 0;
        jump = instruction->length;
        out[push + instruction->encoding.modrm_at] ^= 0x30; /* from /2, call, to /4, jmp */
    }
    out[0] = 0xff;
    out[1] = 0x35;
    put_distance(out + 2, address + push + jump, address + push);
    uintptr_t back = instruction->address + instruction->length;
    memcpy(out + push + jump, &back, sizeof back);
    return push + jump + sizeof back;
}

size_t instruction_move(const struct instruction *instruction, uintptr_t address,
                        unsigned char out[INSTRUCTION_MOVED_MAX])
{
    switch (instruction->encoding.form) {
    case FORM_PLAIN:
        return copy(instruction, address, out) ? instruction->length : 0;
    case FORM_JUMP:
        return instruction_jump(instruction->target, address, out);
    case FORM_BRANCH:
        return move_branch(instruction, address, out);
    case FORM_COUNTED:
        return move_counted(instruction, address, out);
    case FORM_CALL:
    case FORM_INDIRECT_CALL:
        return move_call(instruction, address, out);
    case FORM_FIXED:
        break;
    }
    return 0;
}
