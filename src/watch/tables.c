#include "watch/tables.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "watch/heap.h"
#include "watch/state.h"

/* Hash tables with open addressing; a slot has the number of an entry, and an entry begins with its
 * key. */
struct table {
    uint32_t *slots;
    uint32_t slot_count; /* a power of two, more than `limit` */
    uint32_t limit;
    uint32_t *used;
    char *entries;
    size_t entry_bytes;
    size_t key_bytes; /* of 8 */
};

static uint64_t hash(const void *key, size_t bytes)
{
    const uint64_t *words = key;
    uint64_t value = 0;
    for (size_t i = 0; i < bytes / sizeof *words; i++) {
        value = (value ^ words[i]) * UINT64_C(0x9e3779b97f4a7c15);
        value ^= value >> 32;
    }
    return value;
}

/* A further entry, which no slot has yet. It is lost when another thread enters the same. */
static uint32_t take(const struct table *table, const void *key)
{
    uint32_t number = __atomic_load_n(table->used, __ATOMIC_RELAXED);
    do {
        if (number >= table->limit)
            return 0;
    } while (!__atomic_compare_exchange_n(table->used, &number, number + 1, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    memcpy(table->entries + number * table->entry_bytes, key, table->key_bytes);
    return number;
}

/* The number of the entry with that key; 0: the table is full. */
static uint32_t intern(const struct table *table, const void *key)
{
    uint32_t own = 0;
    for (uint64_t at = hash(key, table->key_bytes);; at++) {
        uint32_t *slot = &table->slots[at & (table->slot_count - 1)];
        uint32_t number = __atomic_load_n(slot, __ATOMIC_ACQUIRE);
        if (number == 0) {
            if (own == 0 && (own = take(table, key)) == 0)
                return 0;
            if (__atomic_compare_exchange_n(slot, &number, own, false, __ATOMIC_RELEASE,
                                            __ATOMIC_ACQUIRE))
                return own;
        }
        if (memcmp(table->entries + number * table->entry_bytes, key, table->key_bytes) == 0)
            return number;
    }
}

/* ---- modules --------------------------------------------------------------------------------- */

static uint32_t program; /* number of the program's own executable */

/* The path is too large for a small stack. 0: the table is full, or there is no memory. */
static uint32_t intern_module(const char *path, size_t length)
{
    struct record *record = watch_record;
    bool clean;
    struct record_module *module =
        length < RECORD_PATH ? heap_take(sizeof *module, 16, &clean) : NULL;
    if (!module)
        return 0;
    memcpy(module->path, path, length);
    memset(module->path + length, 0, RECORD_PATH - length);
    uint32_t number =
        intern(&(struct table){record->module_slots, RECORD_MODULE_SLOTS, RECORD_MODULES,
                               &record->modules_used, (char *)record->modules, sizeof *module,
                               sizeof *module},
               module);
    heap_give(module);
    return number;
}

void tables_start(void)
{
    char path[RECORD_PATH];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    program = length > 0 ? intern_module(path, (size_t)length) : 0;
}

static bool is_own(const char *path)
{
    const char *slash = strrchr(path, '/'), own[] = "libarenashim";
    return strncmp(slash ? slash + 1 : path, own, sizeof own - 1) == 0;
}

/* A linker's record of a module may come to be another's, so a number is believed with its path. */
uint32_t tables_module(const struct link_map *module)
{
    static uint32_t known[4096];
    const char *path = module->l_name;
    if (*path == '\0')
        return program;
    uint32_t *last = &known[((uintptr_t)module >> 4 ^ (uintptr_t)module >> 16) % 4096];
    uint32_t number = __atomic_load_n(last, __ATOMIC_RELAXED);
    if (number == 0 || strcmp(watch_record->modules[number].path, path) != 0) {
        if (is_own(path))
            return TABLES_OWN;
        number = intern_module(path, strlen(path));
        __atomic_store_n(last, number, __ATOMIC_RELAXED);
    }
    return number;
}

/* ---- frames and lives ------------------------------------------------------------------------ */

uint32_t tables_frame(const struct record_frame *frame)
{
    struct record *record = watch_record;
    return intern(&(struct table){record->frame_slots, RECORD_FRAME_SLOTS, RECORD_FRAMES,
                                  &record->frames_used, (char *)record->frames,
                                  sizeof *record->frames, offsetof(struct record_frame, calls)},
                  frame);
}

bool tables_live(const struct record_life *life)
{
    struct record *record = watch_record;
    uint32_t number =
        intern(&(struct table){record->life_slots, RECORD_LIFE_SLOTS, RECORD_LIVES,
                               &record->lives_used, (char *)record->lives, sizeof *record->lives,
                               offsetof(struct record_life, calls)},
               life);
    if (number == 0)
        return false;
    state_add(&record->lives[number].calls, life->calls);
    state_add(&record->lives[number].bytes, life->bytes);
    return true;
}
