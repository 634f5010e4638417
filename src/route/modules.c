#include "route/modules.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/find_object.h"
#include "base/glob.h"
#include "base/numbers.h"
#include "base/text.h"
#include "base/track.h"
#include "next/fixed.h"
#include "next/named_host.h"
#include "next/objects.h"

static struct module modules[MODULES_MAX];
static int used; /* entries from here on have never been taken */

static struct module_name {
    bool ready;
    char text[MODULE_NAME_MAX];
} names[MODULE_NAMES_MAX];
static int names_entered;

unsigned modules_unloads;

static unsigned last_generation = 1;

void modules_next_generation(void)
{
    unsigned next = __atomic_add_fetch(&last_generation, 1, __ATOMIC_RELAXED);
    __atomic_store_n(&wiped.generation, next, __ATOMIC_RELAXED);
}

bool modules_first_generation(void)
{
    unsigned unnoticed = 0;
    unsigned next = __atomic_add_fetch(&last_generation, 1, __ATOMIC_RELAXED);
    return __atomic_compare_exchange_n(&wiped.generation, &unnoticed, next, false, __ATOMIC_RELAXED,
                                       __ATOMIC_RELAXED);
}

/* ---- the user's list ------------------------------------------------------------------------- */

/* The program. musl has its path here, as other objects'; but one list, whose first it is. */
static bool is_program(const struct link_map *map)
{
#ifdef LM_ID_BASE
    return *map->l_name == '\0';
#else
    return !map->l_prev;
#endif
}

static void copy_name(struct module *module, const char *path)
{
    const char *name = module->is_main ? program_invocation_short_name : basename(path);
    text_append(module->name, sizeof module->name, name);
}

static bool is_word(const char *item, const char *end, const char *word)
{
    size_t length = (size_t)(end - item);
    return strlen(word) == length && memcmp(item, word, length) == 0;
}

/* Applies one item of ARENASHIM_MODULES. */
static void apply_item(struct module *module, const char *path, const char *item, const char *end,
                       bool *has_base)
{
    bool is_all = is_word(item, end, "all");
    bool is_main = is_word(item, end, "main");
    if (is_all || is_main) {
        if (is_all || module->is_main)
            module->included = true;
        *has_base = true;
        return;
    }
    bool exclude = *item == '-';
    const char *glob = exclude || *item == '+' ? item + 1 : item;
    if (glob_fits(glob, end, module->name) || glob_fits(glob, end, path)) {
        module->included = !exclude;
        module->excluded = exclude;
    }
}

bool modules_list_marked(void)
{
    const char *word = strstr(fixed.config.modules, "marked");
    for (; word; word = strstr(word + 1, "marked")) {
        char before = word == fixed.config.modules ? ',' : word[-1];
        char behind = word[sizeof "marked" - 1];
        if (before == ',' && (behind == ',' || behind == '\0'))
            return true;
    }
    return false;
}

void modules_apply_list(struct module *module, const char *path)
{
    bool without_marked = false;
    bool with_marked = false;
    for (const char *at = fixed.config.modules; *at != '\0';) {
        const char *end = at + strcspn(at, ",");
        if (is_word(at, end, "marked"))
            with_marked = true;
        else
            apply_item(module, path, at, end, &without_marked);
        at = end + (*end == ',');
    }
    if (without_marked && !with_marked && !module->included)
        module->excluded = true;
    /* Nothing is marked where a thread's whole body is the scope. */
    if (fixed.config.scopes == SCOPES_THREAD && module->is_main && !module->excluded)
        module->included = true;
}

/* ---- names ----------------------------------------------------------------------------------- */

int modules_names(void)
{
    return __atomic_load_n(&names_entered, __ATOMIC_ACQUIRE);
}

const char *modules_name(int number)
{
    return __atomic_load_n(&names[number].ready, __ATOMIC_ACQUIRE) ? names[number].text : NULL;
}

/* Two threads may enter the same name at once; reports merge them. */
static int number_of(const char *name)
{
    int count = modules_names();
    for (int i = 0; i < count; i++)
        if (modules_name(i) && text_same(names[i].text, name))
            return i;
    do {
        if (count == MODULE_NAMES_MAX)
            return MODULE_NAMES_MAX - 1;
    } while (!__atomic_compare_exchange_n(&names_entered, &count, count + 1, false,
                                          __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    strcpy(names[count].text, count == MODULE_NAMES_MAX - 1 ? "(further modules)" : name);
    __atomic_store_n(&names[count].ready, true, __ATOMIC_RELEASE);
    return count;
}

/* ---- the table ------------------------------------------------------------------------------- */

static size_t size_of(const struct module *module)
{
    return __atomic_load_n(&module->size, __ATOMIC_ACQUIRE);
}

static bool holds(const struct module *module, uintptr_t address)
{
    size_t size = size_of(module);
    return address - module->start < size;
}

static uint64_t hash(const char *text)
{
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3;
    return hash;
}

/* The loader may give a new object the address and the identity of one that was unloaded, so paths
 * are compared, too. */
static bool is_entry_of(const struct module *module, const struct dl_find_object *object)
{
    uintptr_t start = (uintptr_t)object->dlfo_map_start;
    return size_of(module) == (uintptr_t)object->dlfo_map_end - start && module->start == start &&
           module->identity == object->dlfo_link_map &&
           module->path == hash(object->dlfo_link_map->l_name);
}

/* An entry that is the caller's to fill, or NULL. */
static struct module *take_entry(void)
{
    for (int i = 0; i < MODULES_MAX; i++) {
        struct module *module = &modules[i];
        if (__atomic_load_n(&module->taken, __ATOMIC_RELAXED) ||
            __atomic_exchange_n(&module->taken, true, __ATOMIC_ACQUIRE))
            continue;
        int seen = __atomic_load_n(&used, __ATOMIC_RELAXED);
        while (seen <= i && !__atomic_compare_exchange_n(&used, &seen, i + 1, false,
                                                         __ATOMIC_RELEASE, __ATOMIC_RELAXED))
            continue;
        track_take_over(module);
        return module;
    }
    return NULL;
}

static void give_back(struct module *module)
{
    size_t size = size_of(module);
    if (size == 0 || !__atomic_compare_exchange_n(&module->size, &size, 0, false, __ATOMIC_RELEASE,
                                                  __ATOMIC_RELAXED))
        return;
    track_hand_over(module);
    __atomic_store_n(&module->taken, false, __ATOMIC_RELEASE);
}

static int entries(void)
{
    return __atomic_load_n(&used, __ATOMIC_ACQUIRE);
}

/* Files of modules that have been unloaded, for statistics; not of more, or with longer names. */
#define GONE_MOST 16
static struct gone {
    uintptr_t start, size, base;
    uint64_t path;
    char file[512];
} gone[GONE_MOST];
static unsigned gone_count;

static bool loaded_file(uintptr_t address, uint64_t path, char name[PATH_MAX], uintptr_t *offset)
{
    struct dl_find_object object;
    if (_dl_find_object((void *)address, &object) != 0 ||
        hash(object.dlfo_link_map->l_name) != path)
        return false;
    *offset = address - object.dlfo_link_map->l_addr;
    const char *loaded = object.dlfo_link_map->l_name;
    ssize_t length = 0;
    *name = '\0';
    if (is_program(object.dlfo_link_map)) {
        length = readlink("/proc/self/exe", name, PATH_MAX - 1);
    } else {
        if (*loaded != '/' && getcwd(name, PATH_MAX))
            text_append(name, PATH_MAX, "/");
        text_append(name, PATH_MAX, loaded);
    }
    if (length > 0)
        name[length] = '\0';
    return length >= 0;
}

static void note_gone(const struct module *module)
{
    char name[PATH_MAX];
    uintptr_t offset;
    for (unsigned i = 0; i < lower(gone_count, GONE_MOST); i++)
        if (gone[i].start == module->start && gone[i].path == module->path)
            return;
    if (!loaded_file(module->start, module->path, name, &offset) ||
        strlen(name) >= sizeof gone->file)
        return;
    unsigned place = __atomic_fetch_add(&gone_count, 1, __ATOMIC_RELAXED);
    if (place >= GONE_MOST)
        return;
    struct gone *entry = &gone[place];
    strcpy(entry->file, name);
    entry->base = module->start - offset;
    entry->size = module->size;
    entry->path = module->path;
    __atomic_store_n(&entry->start, module->start, __ATOMIC_RELEASE);
}

/* The program itself is never unloaded, though it says that it is when it ends. */
void modules_unload(uintptr_t address)
{
    for (int i = 0; i < entries(); i++)
        if (holds(&modules[i], address) && !modules[i].is_main) {
            note_gone(&modules[i]);
            give_back(&modules[i]);
        }
    objects_changed(true);
    __atomic_fetch_add(&modules_unloads, 1, __ATOMIC_RELAXED);
    modules_next_generation();
}

void modules_sweep(void)
{
    objects_changed(false);
    for (int i = 0; i < entries(); i++) {
        struct dl_find_object object;
        if (size_of(&modules[i]) != 0 && (_dl_find_object((void *)modules[i].start, &object) != 0 ||
                                          !is_entry_of(&modules[i], &object)))
            give_back(&modules[i]);
    }
    __atomic_fetch_add(&modules_unloads, 1, __ATOMIC_RELAXED);
    modules_next_generation();
}

bool modules_lie_at(uintptr_t start, size_t size)
{
    for (int i = 0; i < entries(); i++)
        if (size_of(&modules[i]) == size && modules[i].start == start)
            return true;
    return false;
}

static COLD void say_full(const char *name)
{
    static bool said;
    if (__atomic_exchange_n(&said, true, __ATOMIC_RELAXED))
        return;
    struct text line;
    text_message(&line);
    text_str(&line, "calls of ");
    text_str(&line, name);
    text_str(&line, " are not routed, nor those of further modules: at most ");
    text_uint(&line, MODULES_MAX);
    text_str(&line, " that are loaded can take part");
    text_end(&line);
}

/* Two threads may enter the same module at once; each has an entry of its own then. */
static struct module *enter(const struct dl_find_object *object)
{
    const char *path = object->dlfo_link_map->l_name;
    struct module *module = take_entry();
    static unsigned full; /* modules_unloads when a sweep had left no entry */
    if (!module && full != modules_unloads) {
        modules_sweep(); /* for those that nobody has told of */
        module = take_entry();
        full = modules_unloads;
    }
    if (!module) {
        say_full(basename(path));
        return NULL;
    }
    /* One by one: that it is taken must not be undone for an instant. */
    module->start = (uintptr_t)object->dlfo_map_start;
    module->marked = module->included = module->excluded = false;
    module->name[0] = '\0';
    module->identity = object->dlfo_link_map;
    module->path = hash(path);
    module->is_main = is_program(object->dlfo_link_map);
    copy_name(module, path);
    module->number = number_of(module->name);
    module->is_wrapper = strcmp(module->name, NAMED_PART) == 0;
    modules_apply_list(module, path);
    size_t size = (uintptr_t)object->dlfo_map_end - module->start;
    if ((uintptr_t)&enter - module->start < size)
        module->excluded = true; /* the shim itself */
    __atomic_store_n(&module->size, size, __ATOMIC_RELEASE);
    return module;
}

static struct module *find(uintptr_t address)
{
    struct dl_find_object object;
    if (_dl_find_object((void *)address, &object) != 0)
        return NULL;
    for (int i = 0; i < entries(); i++)
        if (is_entry_of(&modules[i], &object))
            return &modules[i];
    int saved_errno = errno;
    struct module *module = enter(&object);
    errno = saved_errno;
    return module;
}

struct module *modules_find(struct module_cache *cache, uintptr_t address)
{
    for (size_t i = 0; i < MODULE_CACHE_SIZE && cache->recent[i]; i++)
        if (holds(cache->recent[i], address))
            return cache->recent[i];
    struct module *module = find(address);
    if (module)
        cache->recent[cache->next++ % MODULE_CACHE_SIZE] = module;
    return module;
}

/* ---- participation --------------------------------------------------------------------------- */

void modules_mark(struct module *module)
{
    if (!__atomic_load_n(&module->marked, __ATOMIC_RELAXED)) /* spares other threads a cache miss */
        __atomic_store_n(&module->marked, true, __ATOMIC_RELAXED);
}

bool modules_participates(const struct module *module, bool all)
{
    return !module->excluded &&
           (all || module->included || __atomic_load_n(&module->marked, __ATOMIC_RELAXED));
}

void modules_describe(struct text *line, uintptr_t address)
{
    struct module_cache cache = {.next = 0};
    const struct module *module = modules_find(&cache, address);
    if (module) {
        text_name(line, module->name);
        text_str(line, "+");
        address -= module->start;
    }
    text_address(line, address);
}

bool modules_file(uintptr_t address, uint64_t path, char name[PATH_MAX], uintptr_t *offset)
{
    if (loaded_file(address, path, name, offset))
        return true;
    for (unsigned i = 0; i < GONE_MOST; i++) {
        uintptr_t start = __atomic_load_n(&gone[i].start, __ATOMIC_ACQUIRE);
        if (start == 0 || address - start >= gone[i].size || gone[i].path != path)
            continue;
        strcpy(name, gone[i].file);
        *offset = address - gone[i].base;
        return true;
    }
    return false;
}
