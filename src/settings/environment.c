#include "settings/environment.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/parse.h"
#include "base/text.h"
#include "settings/table.h"

extern char **environ;

/* The environment's entry for a variable, or NULL. */
static char **find(const char *name)
{
    size_t length = strlen(name);
    for (char **entry = environ; entry && *entry; entry++)
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
            return entry;
    return NULL;
}

static void drop(char **entry)
{
    for (; entry && *entry; entry++)
        entry[0] = entry[1];
}

bool environment_wants_memcheck(void)
{
    const char *value = secure_getenv(settings[SETTING_MEMCHECK].variable);
    return value && strcmp(value, "1") == 0;
}

/* ---- LD_PRELOAD ------------------------------------------------------------------------------ */

/* The length of what the dynamic linker replaces at the start of an item: $LIB, ${LIB}, and so on;
 * 0 when it is nothing. */
static size_t token_length(const char *item, const char *end)
{
    static const char *const tokens[] = {"$ORIGIN",   "$LIB",   "$PLATFORM",
                                         "${ORIGIN}", "${LIB}", "${PLATFORM}"};
    for (size_t i = 0; i < COUNT(tokens); i++) {
        size_t length = strlen(tokens[i]);
        if ((size_t)(end - item) >= length && memcmp(item, tokens[i], length) == 0)
            return length;
    }
    return 0;
}

/* Whether the item can have led to the path. What the dynamic linker put in the place of a token
 * only it knows: anything will do. */
static bool leads_to(const char *item, const char *end, const char *path)
{
    if (item == end)
        return *path == '\0';
    size_t token = token_length(item, end);
    if (token == 0)
        return *item == *path && leads_to(item + 1, end, path + 1);
    do
        if (leads_to(item + token, end, path))
            return true;
    while (*path++ != '\0');
    return false;
}

/* Whether an item of LD_PRELOAD names this library, which was loaded as `path`: by the same path,
 * or by a name that the dynamic linker looked up. */
static bool names(const char *item, size_t length, const char *path)
{
    const char *base = strrchr(path, '/');
    base = base ? base + 1 : path;
    return leads_to(item, item + length, path) || parse_is(item, length, base);
}

/* Takes this library out of the list that starts at `list`. */
static void take_out(char *list, const char *path)
{
    char *to = list;
    for (const char *from = list; *from != '\0';) {
        size_t length = strcspn(from, " :");
        size_t item = length + (from[length] != '\0');
        if (!names(from, length, path)) {
            memmove(to, from, item);
            to += item;
        }
        from += item;
    }
    /* No separator behind the new last item. */
    if (to > list && (to[-1] == ' ' || to[-1] == ':'))
        to--;
    *to = '\0';
}

static void stop_following(void)
{
    char **entry = find("LD_PRELOAD");
    Dl_info own;
    if (!entry || !dladdr((void *)environment_settle, &own) || !own.dli_fname)
        return;
    char *list = strchr(*entry, '=') + 1;
    take_out(list, own.dli_fname);
    if (*list == '\0')
        drop(entry);
}

/*
 * musl's dynamic linker ends a program into which it cannot load a preloaded library, and passes
 * over one that is not there. glibc's alone puts a directory in the place of $LIB: by way of it
 * children of glibc find this library, and those of musl find nothing.
 */
#define BY_WAY_OF "/$LIB/../../../.."

void environment_spare_others(void)
{
    static char bytes[sizeof "LD_PRELOAD=" + 2 * PATH_MAX];
    char path[PATH_MAX] = BY_WAY_OF;
    char **entry = find("LD_PRELOAD");
    Dl_info own;
    if (!entry || !dladdr((void *)environment_spare_others, &own) || !own.dli_fname ||
        *own.dli_fname != '/' || !text_append(path, sizeof path, own.dli_fname))
        return;
    if (!dlopen(path, RTLD_LAZY | RTLD_NOLOAD)) { /* there is no such directory here */
        dlerror();                                /* the program did not ask */
        return;
    }
    bool fits = text_append(bytes, sizeof bytes, "LD_PRELOAD=");
    for (const char *item = strchr(*entry, '=') + 1; *item != '\0' && fits;) {
        size_t length = strcspn(item, " :");
        bool is_own = parse_is(item, length, own.dli_fname);
        fits = (!is_own || text_append(bytes, sizeof bytes, BY_WAY_OF)) &&
               text_append_bytes(bytes, sizeof bytes, item, length + (item[length] != '\0'));
        item += length + (item[length] != '\0');
    }
    if (fits)
        *entry = bytes;
}

/* ---- ARENASHIM_STATS_FILE -------------------------------------------------------------------- */

#define STATS_FILE "ARENASHIM_STATS_FILE"

/* Whether processes have files of their own without a mark. What is no regular file, as a terminal,
 * a pipe or /dev/null, they share. */
static bool needs_mark(const char *pattern)
{
    struct stat status;
    bool is_own;
    if (setting_descriptor(pattern) >= 0 ||
        (stat(pattern, &status) == 0 && !S_ISREG(status.st_mode)))
        return false;
    for (const char *at = strchr(pattern, '%'); at; at = strchr(at, '%')) {
        if (at[1] == 'p' || at[1] == 'u' || setting_mark(at, &is_own) > 0)
            return false;
        at += at[1] == '\0' ? 1 : 2;
    }
    return true;
}

/* Whether a mark behind the pattern would become "%%{": a percent sign is the last, and means none.
 */
static bool ends_in_percent(const char *pattern)
{
    const char *at = strchr(pattern, '%');
    while (at && at[1] != '\0')
        at = strchr(at + 2, '%');
    return at != NULL;
}

/* Appends a mark of this process to the variable: "%{PID}" behind `separator`. The new entry lies
 * in `bytes`. Returns the mark in it, or NULL when there is no such variable or no room. */
static const char *mark(const char *variable, const char *separator, char *bytes, size_t size)
{
    char ending[sizeof ";%{}" + TEXT_NUMBER_SIZE];
    strcpy(ending, separator);
    strcat(ending, "%{");
    text_decimal(ending + strlen(ending), (uint64_t)getpid());
    strcat(ending, "}");
    char **entry = find(variable);
    if (!entry || strlen(*entry) + strlen(ending) >= size)
        return NULL;
    size_t length = strlen(*entry);
    memcpy(bytes, *entry, length);
    strcpy(bytes + length, ending);
    *entry = bytes;
    return bytes + length;
}

static void tell_processes_apart(struct config *config)
{
    static char bytes[sizeof STATS_FILE + sizeof config->stats_file]; /* "=" for one NUL */
    const char *separator = ends_in_percent(config->stats_file) ? "%" : "";
    const char *ending = mark(STATS_FILE, separator, bytes, sizeof bytes);
    if (ending)
        strcat(config->stats_file, ending);
}

/* ---- scopes named from outside --------------------------------------------------------------- */

#define SCOPES "ARENASHIM_SCOPES"
#define SCOPE_FILE "ARENASHIM_SCOPE_FILE"

static void mark_specs(const struct config *config)
{
    static char bytes[sizeof SCOPE_FILE "=" + sizeof config->scope_file];
    if (*config->specs != '\0')
        mark(SCOPES, ";", bytes, sizeof bytes);
    else
        mark(SCOPE_FILE, "", bytes, sizeof bytes);
}

void environment_settle(struct config *config)
{
    if (config->follow)
        environment_spare_others();
    else
        stop_following();
    if (config->memcheck)
        drop(find(settings[SETTING_MEMCHECK].variable));
    if (*config->stats_file != '\0' && needs_mark(config->stats_file))
        tell_processes_apart(config);
    if (config->follow && (*config->specs != '\0' || *config->scope_file != '\0') &&
        !config->specs_marked)
        mark_specs(config);
}
