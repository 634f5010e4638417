#include "thread/sites.h"

#include <string.h>

static struct site sites[SITES_MAX];
static size_t entered;

unsigned sites_epoch;

/* Labels and files of all sites; texts beyond are cut to "". */
static char strings[65536];
static size_t strings_used;

static const char *copy(const char *string)
{
    size_t size = string ? strlen(string) + 1 : 1;
    size_t offset = __atomic_fetch_add(&strings_used, size, __ATOMIC_RELAXED);
    if (size == 1 || offset > sizeof strings || size > sizeof strings - offset)
        return "";
    return memcpy(strings + offset, string, size);
}

static void fill(struct site *site, const arena_scope_site *key)
{
    site->key = *key;
    site->label = copy(key->label);
    site->file = copy(key->file);
    __atomic_store_n(&site->ready, true, __ATOMIC_RELEASE);
}

size_t sites_find(const arena_scope_site *key)
{
    size_t count = sites_count();
    for (size_t i = 0; i < count; i++)
        if (__atomic_load_n(&sites[i].ready, __ATOMIC_ACQUIRE) && site_same(&sites[i].key, key))
            return i;
    /* Two threads may enter the same site at once; the report merges them. */
    do {
        if (count == SITES_MAX)
            return SITES_MAX - 1;
    } while (!__atomic_compare_exchange_n(&entered, &count, count + 1, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    static const arena_scope_site further = {"(further sites)", NULL, 0, 0};
    fill(&sites[count], count == SITES_MAX - 1 ? &further : key);
    return count;
}

size_t sites_count(void)
{
    return __atomic_load_n(&entered, __ATOMIC_ACQUIRE);
}

const struct site *sites_at(size_t index)
{
    return &sites[index];
}

void sites_describe(struct text *line, size_t index)
{
    const struct site *site = sites_at(index);
    text_str(line, "'");
    text_str(line, site->label);
    text_str(line, "' (");
    text_str(line, *site->file ? site->file : "unknown file");
    text_str(line, ":");
    text_uint(line, site->key.line);
    text_str(line, ")");
}
