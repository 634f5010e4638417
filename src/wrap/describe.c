/* Call frame information (DWARF, as in .eh_frame and .eh_frame_hdr) for stubs and copies. */
#include "wrap/describe.h"

#include <stdbool.h>
#include <string.h>

#include "base/numbers.h"
#include "wrap/instruction.h"
#include "wrap/memory.h"

enum { ADVANCE_LOC1 = 0x02, DEF_CFA = 0x0c, DEF_CFA_OFFSET = 0x0e, VAL_EXPRESSION = 0x16 };
enum { CONST8U = 0x0e, PCREL_SDATA4 = 0x1b, UDATA4 = 0x03, DATAREL_SDATA4 = 0x3b };

/* The table that unwinders look into first, with one entry. */
struct table {
    unsigned char version, frame_encoding, count_encoding, table_encoding;
    int32_t frame;
    uint32_t count;
    int32_t function, entry; /* from the start of this */
};

/* What entries have in common: the stack is as it is. */
struct common {
    uint32_t length, id;
    unsigned char rest[20];
};

struct entry {
    uint32_t length, common;
    int32_t function;
    uint32_t size;
    unsigned char rules[];
};

struct description {
    struct named_copy copy;
    struct table table;
    struct common common;
    struct entry entry;
};

_Static_assert(sizeof(struct table) == 20 && offsetof(struct description, table) == 4,
               "as the format has it");

static const unsigned char common_rest[] = {
    1, 'z', 'R', 0, 1, 0x78, RETURN_ADDRESS, 1, PCREL_SDATA4, DEF_CFA, STACK_POINTER, 0,
};

/* From `advance` bytes further on, the instruction is the one at `original`, with `pushed` bytes
 * more on the stack. Unwinders take it for a call and look one byte in front of where it returns
 * to: not so for a frame as after a signal, but that one could not be told from the signal's own.
 */
static unsigned char *add_rule(unsigned char *rules, size_t advance, uintptr_t original,
                               unsigned char pushed)
{
    const unsigned char rule[] = {
        ADVANCE_LOC1,
        (unsigned char)advance,
        DEF_CFA_OFFSET,
        pushed,
        VAL_EXPRESSION,
        RETURN_ADDRESS,
        9,
        CONST8U,
    };
    uintptr_t behind = original + 1;
    memcpy(rules, rule, sizeof rule);
    memcpy(rules + sizeof rule, &behind, sizeof behind);
    return rules + sizeof rule + sizeof original;
}

static void add_rules(const struct described *described, unsigned char *rules)
{
    rules = add_rule(rules, 0, described->entry, 0);
    size_t advance = described->copy - described->stub;
    if (described->from != described->entry) {
        rules = add_rule(rules, STUB_UNDO, described->from, 0);
        advance -= STUB_UNDO;
    }
    uintptr_t address = described->copy;
    for (size_t done = 0; done < described->length;) {
        struct instruction instruction;
        unsigned char moved[INSTRUCTION_MOVED_MAX];
        uintptr_t original = described->from + done;
        if (!instruction_decode(&instruction, described->before + done, described->length - done,
                                original))
            return;
        rules = add_rule(rules, advance, original, 0);
        if (instruction.flow == FLOW_CALL) /* moved to a push and a jump */
            add_rule(rules, INSTRUCTION_PUSH, original, INSTRUCTION_PUSHED);
        if (instruction.flow == FLOW_CALL || instruction.flow == FLOW_JUMP ||
            instruction.flow == FLOW_AWAY)
            return;
        advance = instruction_move(&instruction, address, moved);
        address += advance;
        done += instruction.length;
    }
    if (described->length > 0)
        add_rule(rules, advance, described->from + described->length, 0);
}

void describe(const struct described *described, unsigned char out[DESCRIPTION_BYTES])
{
    uint32_t bytes = (uint32_t)(described->end - described->stub);
    memset(out, 0, DESCRIPTION_BYTES); /* behind the rules: no operation */
    struct description *description = (void *)out;
    const int32_t from_stub = DESCRIPTION_BYTES;
    const int32_t table_at = offsetof(struct description, table);
    const int32_t common_at = offsetof(struct description, common);
    const int32_t entry_at = offsetof(struct description, entry);
    description->copy.bytes = DESCRIPTION_BYTES + bytes;
    description->table = (struct table){
        1,
        PCREL_SDATA4,
        UDATA4,
        DATAREL_SDATA4,
        common_at - table_at - (int32_t)offsetof(struct table, frame),
        1,
        from_stub - table_at,
        entry_at - table_at,
    };
    description->common.length = sizeof description->common - sizeof description->common.length;
    memcpy(description->common.rest, common_rest, sizeof common_rest);
    struct entry *entry = &description->entry;
    entry->length = (uint32_t)(DESCRIPTION_BYTES - entry_at - (int32_t)sizeof entry->length);
    entry->common = (uint32_t)(entry_at + (int32_t)offsetof(struct entry, common) - common_at);
    entry->function = from_stub - entry_at - (int32_t)offsetof(struct entry, function);
    entry->size = bytes;
    add_rules(described, entry->rules + 1); /* behind an empty augmentation */
}

static size_t grain_of(uintptr_t stub)
{
    return (stub - DESCRIPTION_BYTES) % NAMED_CODE_BYTES / NAMED_CODE_GRAIN;
}

static bool is_empty(const struct named_code *code)
{
    for (size_t i = 0; code->copies && i < NAMED_CODE_WORDS; i++)
        if (code->copies[i] != 0)
            return false;
    return true;
}

/* That of the mapping, or one that serves none. */
static struct named_code *find_code(struct named_code *code, uintptr_t start)
{
    struct named_code *unused = NULL;
    for (size_t i = 0; i < NAMED_CODE_MAX; i++) {
        if (code[i].start == start)
            return &code[i];
        if (!unused && is_empty(&code[i]))
            unused = &code[i];
        if (code[i].start == 0)
            break;
    }
    return unused;
}

void describe_publish(struct named_code *code, uintptr_t stub)
{
    uintptr_t start = round_down(stub, NAMED_CODE_BYTES);
    struct named_code *own = find_code(code, start);
    if (own && !own->copies)
        own->copies = memory_take(NAMED_CODE_WORDS * sizeof *own->copies);
    if (!own || !own->copies)
        return; /* unwinders find none there, as in other generated code */
    uint64_t bit = (uint64_t)1 << grain_of(stub) % 64;
    __atomic_store_n(&own->start, start, __ATOMIC_RELEASE);
    __atomic_fetch_or(&own->copies[grain_of(stub) / 64], bit, __ATOMIC_RELEASE);
}

void describe_forget(struct named_code *code, uintptr_t stub)
{
    struct named_code *own = find_code(code, round_down(stub, NAMED_CODE_BYTES));
    uint64_t bit = (uint64_t)1 << grain_of(stub) % 64;
    if (own && own->copies)
        __atomic_fetch_and(&own->copies[grain_of(stub) / 64], ~bit, __ATOMIC_RELAXED);
}
