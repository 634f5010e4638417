/*
 * Fuzz target of the settings: the lines of the input are the environment, NAME=VALUE each. What
 * config_read makes of it must be acceptable whatever it was given, and everything it says must be
 * whole lines. parse_size and parse_word get every value, too, and the list of modules is
 * applied to a few modules; all three are compared with a plain second implementation.
 */
#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/page.h"
#include "base/parse.h"
#include "base/text.h"
#include "fuzz.h"
#include "next/next.h"
#include "route/modules.h"
#include "settings/config.h"

extern char **environ;

#define REQUIRE(condition) ((condition) ? (void)0 : failed(#condition, __LINE__))

static void failed(const char *condition, int line)
{
    dprintf(STDERR_FILENO, "fuzz_config.c:%d: not so: %s\n", line, condition);
    abort();
}

/* ---- config_read ----------------------------------------------------------------------------- */

static void check_config(const struct config *config)
{
    size_t page = page_size;
    REQUIRE(config->capacity % page == 0 && config->capacity >= CAPACITY_MIN &&
            config->capacity <= CAPACITY_MAX);
    REQUIRE(config->limit % page == 0 && config->limit >= config->capacity &&
            config->limit <= CAPACITY_MAX);
    REQUIRE(config->align >= ALIGN_MIN && config->align <= ALIGN_MAX &&
            (config->align & (config->align - 1)) == 0);
    REQUIRE(config->overflow <= OVERFLOW_ABORT && config->stats <= STATS_JSON);
    REQUIRE(memchr(config->modules, '\0', sizeof config->modules) != NULL);
    REQUIRE(memchr(config->stats_file, '\0', sizeof config->stats_file) != NULL);
    REQUIRE(*config->stats_file == '\0' || config->stats_at_exit);
}

/* Reads the settings, with stderr redirected (so is a report of a crash in there, but for
 * -close_fd_mask=2), and looks at what was said about them. */
static void read_config(struct config *config, char **entries)
{
    static char said[1 << 16];
    char **saved_environ = environ;
    int saved = dup(STDERR_FILENO);
    int file = memfd_create("said", MFD_CLOEXEC);
    REQUIRE(saved >= 0 && file >= 0 && dup2(file, STDERR_FILENO) == STDERR_FILENO);
    text_note_stderr();
    environ = entries;
    config_read(config);
    environ = saved_environ;
    dup2(saved, STDERR_FILENO);
    text_note_stderr();
    ssize_t length = pread(file, said, sizeof said - 1, 0);
    close(saved);
    close(file);
    REQUIRE(length >= 0);
    said[length] = '\0';
    if ((size_t)length == sizeof said - 1)
        return;
    REQUIRE(length == 0 || said[length - 1] == '\n');
    for (char *line = said; *line != '\0'; line = strchr(line, '\n') + 1)
        REQUIRE(strncmp(line, "arenashim: ", 11) == 0);
}

/* ---- parse ----------------------------------------------------------------------------------- */

static bool plain_parse_size(const char *text, size_t *value)
{
    unsigned __int128 number = 0;
    size_t digits = 0;
    for (; isdigit((unsigned char)text[digits]); digits++)
        if (number < (unsigned __int128)1 << 100)
            number = number * 10 + (unsigned)(text[digits] - '0');
    static const char suffixes[] = "KkMmGg";
    const char *rest = text + digits;
    const char *suffix = *rest != '\0' ? strchr(suffixes, *rest) : NULL;
    if (digits == 0 || (*rest != '\0' && (!suffix || rest[1] != '\0')))
        return false;
    if (suffix)
        number <<= 10 * ((suffix - suffixes) / 2 + 1);
    if (number > SIZE_MAX)
        return false;
    *value = (size_t)number;
    return true;
}

static void check_parse(const char *value)
{
    static const char *const words[] = {"grow", "fallback", "error", "abort", ""};
    size_t got = 99;
    size_t wanted = 99;
    bool parsed = parse_size(value, &got);
    REQUIRE(parsed == plain_parse_size(value, &wanted));
    REQUIRE(got == wanted);
    size_t index = 99;
    if (parse_word(value, words, 5, &index))
        REQUIRE(index < 5 && strcmp(words[index], value) == 0);
    else
        for (size_t i = 0; i < 5; i++)
            REQUIRE(strcmp(words[i], value) != 0 && index == 99);
}

/* ---- modules --------------------------------------------------------------------------------- */

/* What libarenashim(7) says about ARENASHIM_MODULES. */
static bool plain_participates(const struct module *module, const char *path, const char *list)
{
    bool all = false;
    bool main_named = false;
    bool marked = *list == '\0';
    bool decided = false;
    bool included = false;
    char copy[sizeof fixed.config.modules];
    strcpy(copy, list);
    char *rest = *copy != '\0' ? copy : NULL;
    for (char *item; (item = strsep(&rest, ",")) != NULL;) {
        if (strcmp(item, "all") == 0) {
            all = true;
        } else if (strcmp(item, "main") == 0) {
            main_named = true;
        } else if (strcmp(item, "marked") == 0) {
            marked = true;
        } else {
            bool exclude = *item == '-';
            const char *glob = exclude || *item == '+' ? item + 1 : item;
            if (fnmatch(glob, module->name, 0) != 0 && fnmatch(glob, path, 0) != 0)
                continue;
            decided = true;
            included = !exclude;
        }
    }
    if (decided)
        return included;
    return all || (main_named && module->is_main) ||
           (module->marked && (marked || (!all && !main_named)));
}

/* Whether the C library may read a character class or a collating element, which base/glob.h has
 * not. */
static bool has_classes(const char *list)
{
    return strstr(list, "[:") || strstr(list, "[.") || strstr(list, "[=");
}

static void check_modules(const char *list)
{
    static const struct {
        const char *name, *path;
        bool is_main, marked;
    } cases[] = {
        {"program", "", true, true},
        {"program", "", true, false},
        {"libone.so.1", "/usr/lib/libone.so.1", false, true},
        {"libtwo.so", "/opt/two/libtwo.so", false, false},
    };
    strcpy(fixed.config.modules, list);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct module module = {.is_main = cases[i].is_main, .marked = cases[i].marked};
        strcpy(module.name, cases[i].name);
        modules_apply_list(&module, cases[i].path);
        REQUIRE(modules_participates(&module, false) ==
                plain_participates(&module, cases[i].path, list));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { ENTRIES = 64 };
    static struct config config;
    char *entries[ENTRIES + 1];
    size_t count = 0;
    /* One byte to spare: glibc's getenv reads two bytes of every entry, also of an empty one. */
    char *text = malloc(size + 2);
    if (!text)
        return 0;
    page_ask();
    memcpy(text, data, size);
    memset(text + size, '\0', 2);
    char *rest = text;
    for (char *line; count < ENTRIES && (line = strsep(&rest, "\n")) != NULL;)
        entries[count++] = line;
    entries[count] = NULL;
    read_config(&config, entries);
    check_config(&config);
    if (!has_classes(config.modules))
        check_modules(config.modules);
    for (size_t i = 0; i < count; i++) {
        const char *value = strchr(entries[i], '=');
        check_parse(value ? value + 1 : entries[i]);
    }
    free(text);
    return 0;
}
