#include "thread/sites.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "base/track.h"

struct site sites_table[SITES_MAX];
static size_t entered;

unsigned sites_epoch;

/* Labels and files of all sites; texts beyond have pages of their own. */
static char strings[65536];
static size_t strings_used;

static char *room_for(size_t size)
{
    size_t offset = __atomic_fetch_add(&strings_used, size, __ATOMIC_RELAXED);
    if (offset <= sizeof strings && size <= sizeof strings - offset)
        return strings + offset;
    int saved_errno = errno;
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    errno = saved_errno;
    if (pages == MAP_FAILED)
        return NULL;
    track_trust(pages, size);
    return pages;
}

static const char *copy(const char *string)
{
    if (*string == '\0')
        return "";
    size_t size = strlen(string) + 1;
    char *room = room_for(size);
    return room ? memcpy(room, string, size) : "(no memory for its name)";
}

static bool is_ready(const struct site *site)
{
    return __atomic_load_n(&site->ready, __ATOMIC_ACQUIRE);
}

bool sites_equal(const struct site *a, const struct site *b)
{
    return a->line == b->line && text_same(a->label, b->label) && text_same(a->file, b->file);
}

size_t sites_find(const arena_scope_site *key)
{
    const struct site sought = {key->label ? key->label : "", key->file ? key->file : "", key->line,
                                true};
    size_t count = sites_count();
    for (size_t i = 0; i < count; i++)
        if (is_ready(&sites_table[i]) && sites_equal(&sites_table[i], &sought))
            return i;
    /* Two threads may enter the same site at once; the report merges them. */
    do {
        if (count == SITES_MAX)
            return SITES_MAX - 1;
    } while (!__atomic_compare_exchange_n(&entered, &count, count + 1, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    struct site *site = &sites_table[count];
    bool further = count == SITES_MAX - 1;
    site->label = further ? "(further sites)" : copy(sought.label);
    site->file = further ? "" : copy(sought.file);
    site->line = further ? 0 : sought.line;
    __atomic_store_n(&site->ready, true, __ATOMIC_RELEASE);
    return count;
}

size_t sites_count(void)
{
    return __atomic_load_n(&entered, __ATOMIC_ACQUIRE);
}

const struct site *sites_at(size_t index)
{
    return &sites_table[index];
}

void sites_describe(struct text *line, size_t index)
{
    const struct site *site = sites_at(index);
    text_str(line, "'");
    text_name(line, site->label);
    text_str(line, "' (");
    text_name(line, *site->file ? site->file : "unknown file");
    text_str(line, ":");
    text_uint(line, site->line);
    text_str(line, ")");
}
