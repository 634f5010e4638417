#include "route/modules.h"

#include <dlfcn.h>
#include <errno.h>
#include <fnmatch.h>
#include <link.h>
#include <string.h>

#include "base/compiler.h"
#include "base/text.h"
#include "next/fixed.h"
#include "next/named_host.h"

static struct module modules[MODULES_MAX];
static int entered;

unsigned modules_generation;

void modules_unloaded(void)
{
    __atomic_fetch_add(&modules_generation, 1, __ATOMIC_RELAXED);
}

static void copy_name(struct module *module, const char *path)
{
    const char *name = module->is_main ? program_invocation_short_name : basename(path);
    text_append(module->name, sizeof module->name, name);
}

/* Applies one item of ARENASHIM_MODULES. */
static void apply_item(struct module *module, const char *path, const char *item, bool *has_base)
{
    bool is_all = strcmp(item, "all") == 0;
    bool is_main = strcmp(item, "main") == 0;
    if (is_all || is_main || strcmp(item, "marked") == 0) {
        if (is_all || (is_main && module->is_main))
            module->included = true;
        *has_base = *has_base || strcmp(item, "marked") != 0;
        return;
    }
    bool exclude = *item == '-';
    const char *glob = exclude || *item == '+' ? item + 1 : item;
    if (fnmatch(glob, module->name, 0) == 0 || fnmatch(glob, path, 0) == 0) {
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
        char item[sizeof fixed.config.modules];
        size_t length = strcspn(at, ",");
        memcpy(item, at, length);
        item[length] = '\0';
        at += length + (at[length] == ',');
        with_marked = with_marked || strcmp(item, "marked") == 0;
        apply_item(module, path, item, &without_marked);
    }
    if (without_marked && !with_marked && !module->included)
        module->excluded = true;
    /* Nothing is marked where a thread's whole body is the scope. */
    if (fixed.config.scopes == SCOPES_THREAD && module->is_main && !module->excluded)
        module->included = true;
}

/* The loader may give a new object the address and the identity of one that was unloaded, so names
 * are compared, too. */
static bool is_entry_of(const struct module *module, const struct dl_find_object *object)
{
    const char *name = basename(object->dlfo_link_map->l_name);
    return __atomic_load_n(&module->ready, __ATOMIC_ACQUIRE) &&
           module->start == (uintptr_t)object->dlfo_map_start &&
           module->end == (uintptr_t)object->dlfo_map_end &&
           module->identity == object->dlfo_link_map &&
           (module->is_main || strncmp(module->name, name, MODULE_NAME_MAX - 1) == 0);
}

/* Two threads may enter the same module at once; reports merge entries of one name. */
static struct module *enter(const struct dl_find_object *object)
{
    int index = __atomic_load_n(&entered, __ATOMIC_RELAXED);
    do {
        if (index == MODULES_MAX)
            return NULL;
    } while (!__atomic_compare_exchange_n(&entered, &index, index + 1, false, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    struct module *module = &modules[index];
    const char *path = object->dlfo_link_map->l_name;
    module->start = (uintptr_t)object->dlfo_map_start;
    module->end = (uintptr_t)object->dlfo_map_end;
    module->identity = object->dlfo_link_map;
    module->index = index;
    module->is_main = *path == '\0';
    copy_name(module, path);
    module->is_wrapper = strcmp(module->name, NAMED_PART) == 0;
    modules_apply_list(module, path);
    uintptr_t here = (uintptr_t)&enter;
    if (here >= module->start && here < module->end)
        module->excluded = true; /* the shim itself */
    __atomic_store_n(&module->ready, true, __ATOMIC_RELEASE);
    return module;
}

static struct module *find(uintptr_t address)
{
    struct dl_find_object object;
    if (_dl_find_object((void *)address, &object) != 0)
        return NULL;
    int count = modules_count();
    for (int i = 0; i < count; i++)
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
        if (address - cache->recent[i]->start < cache->recent[i]->end - cache->recent[i]->start)
            return cache->recent[i];
    struct module *module = find(address);
    if (module)
        cache->recent[cache->next++ % MODULE_CACHE_SIZE] = module;
    return module;
}

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

int modules_count(void)
{
    return __atomic_load_n(&entered, __ATOMIC_ACQUIRE);
}

const struct module *modules_at(int index)
{
    return &modules[index];
}

void modules_describe(struct text *line, uintptr_t address)
{
    struct module_cache cache = {.next = 0};
    const struct module *module = modules_find(&cache, address);
    if (module) {
        text_str(line, module->name);
        text_str(line, "+");
        address -= module->start;
    }
    text_address(line, address);
}
