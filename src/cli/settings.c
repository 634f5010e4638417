#include "cli/settings.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/parse.h"
#include "cli/cli.h"

#define BYTES_MIN ((size_t)4096)
#define BYTES_MAX ((size_t)1 << 40)
#define BYTES_ACCEPTED "a number of bytes from 4K to 1024G, with an optional suffix K, M or G"
#define CAPACITY_DEFAULT "1M"

/* The shim keeps these in arrays of one byte more. */
#define MODULES_LENGTH_MAX 1023
#define FILE_LENGTH_MAX 4095

static bool parse_bytes(const char *value, size_t *bytes)
{
    return parse_size(value, bytes) && *bytes >= BYTES_MIN && *bytes <= BYTES_MAX;
}

static bool accepts_bytes(const char *value)
{
    size_t bytes;
    return parse_bytes(value, &bytes);
}

static bool accepts_align(const char *value)
{
    size_t bytes;
    return parse_size(value, &bytes) && bytes >= 16 && bytes <= 4096 && (bytes & (bytes - 1)) == 0;
}

static bool accepts_overflow(const char *value)
{
    static const char *const names[] = {"grow", "fallback", "error", "abort"};
    size_t index;
    return parse_word(value, names, sizeof names / sizeof names[0], &index);
}

/* The shim reads specs; what can be no spec at all is refused here. */
static bool accepts_scope(const char *value)
{
    static const char *const prefixes[] = {"reset:", "retain:"};
    if (strchr(value, ';'))
        return false;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        size_t length = strlen(prefixes[i]);
        if (strncmp(value, prefixes[i], length) == 0 && value[length] != ':')
            value += length;
    }
    size_t length = strlen(value);
    return length > 0 && *value != '!' && *value != '+' &&
           (value[length - 1] != '!' || strstr(value, "operator!"));
}

static bool accepts_scope_file(const char *value)
{
    return *value != '\0' && access(value, R_OK) == 0;
}

static bool accepts_end(const char *value)
{
    static const char *const names[] = {"retain", "reset"};
    size_t index;
    return parse_word(value, names, sizeof names / sizeof names[0], &index);
}

static bool accepts_stack(const char *value)
{
    size_t bytes;
    return parse_size(value, &bytes) && bytes <= 4096 && bytes % 16 == 0;
}

static bool accepts_debug(const char *value)
{
    static const char *const names[] = {"poison", "quarantine", "verify", "log"};
    unsigned set;
    return parse_words(value, names, sizeof names / sizeof names[0], &set);
}

static bool accepts_stats(const char *value)
{
    static const char *const names[] = {"text", "json"};
    size_t index;
    return parse_word(value, names, sizeof names / sizeof names[0], &index);
}

static bool accepts_file(const char *value)
{
    size_t length = strlen(value);
    return length > 0 && length <= FILE_LENGTH_MAX;
}

/* Every item of the comma list holds something besides its sign. */
static bool accepts_modules(const char *value)
{
    if (strlen(value) > MODULES_LENGTH_MAX)
        return false;
    for (;;) {
        if (*value == '+' || *value == '-')
            value++;
        size_t length = strcspn(value, ",");
        if (length == 0)
            return false;
        if (value[length] == '\0')
            return true;
        value += length + 1;
    }
}

const struct setting settings[SETTINGS] = {
    [SETTING_CAPACITY] = {"capacity", "ARENASHIM_CAPACITY", "--capacity=SIZE",
                          "memory that each thread's arena keeps (1M)", BYTES_ACCEPTED, NULL,
                          .accepts = accepts_bytes},
    [SETTING_LIMIT] = {"limit", "ARENASHIM_LIMIT", "--limit=SIZE",
                       "size up to which an arena may grow (1G)", BYTES_ACCEPTED, NULL,
                       .accepts = accepts_bytes},
    [SETTING_OVERFLOW] = {"overflow", "ARENASHIM_OVERFLOW", "--overflow=POLICY",
                          "past the capacity: grow, fallback, error or abort (grow)",
                          "grow, fallback, error or abort", NULL, .accepts = accepts_overflow},
    [SETTING_ALIGN] = {"align", "ARENASHIM_ALIGN", "--align=SIZE",
                       "least alignment of a routed block: 16 to 4096 (16)",
                       "a power of two from 16 to 4096", NULL, .accepts = accepts_align},
    [SETTING_MODULES] = {"modules", "ARENASHIM_MODULES", "--modules=LIST",
                         "whose calls are routed: marked, main, all, GLOB, -GLOB (marked)",
                         "a comma list of marked, main, all and module name globs, each glob with "
                         "+ (the default) or - before it",
                         NULL, .accepts = accepts_modules},
    [SETTING_SCOPE] = {"scope", "ARENASHIM_SCOPES", "--scope=SPEC",
                       "each call of a function is a scope: [MODULE!]NAME; or thread, process",
                       "thread, process, [MODULE!]NAME or MODULE!+0xOFFSET, the latter two with "
                       "reset: or retain: before them when wanted",
                       NULL, .accepts = accepts_scope, .repeats = true},
    [SETTING_SCOPE_FILE] = {"scope-file", "ARENASHIM_SCOPE_FILE", "--scope-file=FILE",
                            "read further such functions from FILE, one a line", "a readable file",
                            NULL, .accepts = accepts_scope_file, .is_path = true},
    [SETTING_SCOPE_STRICT] = {"scope-strict", "ARENASHIM_SCOPE_STRICT", "--scope-strict",
                              "do not start when one of them cannot be a scope", "no value", "1",
                              .accepts = NULL},
    [SETTING_END] = {"end", "ARENASHIM_END", "--end=HOW",
                     "what their end does to live blocks: retain or reset (retain)",
                     "retain or reset", NULL, .accepts = accepts_end},
    [SETTING_STACK] = {"stack", "ARENASHIM_STACK", "--stack=SIZE",
                       "arguments on the stack that they are passed (256)",
                       "a multiple of 16 from 0 to 4096", NULL, .accepts = accepts_stack},
    [SETTING_DEBUG] = {"debug", "ARENASHIM_DEBUG", "--debug=LIST",
                       "look for misuse: poison, quarantine, verify, log",
                       "a comma list of poison, quarantine, verify and log", NULL,
                       .accepts = accepts_debug},
    [SETTING_STATS] = {"stats", "ARENASHIM_STATS", "--stats[=FORMAT]",
                       "print statistics at exit, as text or json (text)", "text or json", "text",
                       .accepts = accepts_stats},
    [SETTING_STATS_FILE] = {"stats-file", "ARENASHIM_STATS_FILE", "--stats-file=FILE",
                            "write them to FILE; %p is the process, %h the host (stderr)",
                            "a file name of at most 4095 bytes", NULL, .accepts = accepts_file,
                            .is_path = true, .is_pattern = true},
    [SETTING_NO_FOLLOW] = {"no-follow", "ARENASHIM_FOLLOW", "--no-follow",
                           "programs that PROGRAM starts run without the shim", "no value", "0",
                           .accepts = NULL},
};

static bool applied[SETTINGS];

/* The value to be set: as given, absolute, or behind the ones before. */
static char *final_value(const struct setting *setting, const char *value, bool further)
{
    const char *before = further && setting->repeats ? getenv(setting->variable) : NULL;
    char *made = NULL, *directory = NULL;
    int length = -1;
    if (before)
        length = asprintf(&made, "%s;%s", before, value);
    else if (!setting->is_path || *value == '/')
        length = asprintf(&made, "%s", value);
    else if ((directory = getcwd(NULL, 0)) != NULL)
        length = setting->is_pattern && strchr(directory, '%') /* would be a part of it */
                     ? asprintf(&made, "%s", value)
                     : asprintf(&made, "%s/%s", directory, value);
    free(directory);
    return length < 0 ? NULL : made;
}

static noreturn void refuse(const struct setting *setting, const char *value)
{
    errx(EXIT_CANCELED, "--%s='%s' is not accepted; it takes %s", setting->option, value,
         setting->accepted);
}

void setting_apply(enum setting_id id, const char *value)
{
    const struct setting *setting = &settings[id];
    if (!value)
        value = setting->bare;
    if (setting->accepts && !setting->accepts(value))
        refuse(setting, value);
    char *made = final_value(setting, value, applied[id]);
    if (made && setting->is_path && !setting->accepts(made))
        refuse(setting, made); /* too long with the directory */
    if (!made || setenv(setting->variable, made, 1) != 0)
        err(EXIT_CANCELED, "cannot set %s", setting->variable);
    free(made);
    applied[id] = true;
}

bool settings_name_functions(void)
{
    const char *file = getenv(settings[SETTING_SCOPE_FILE].variable);
    const char *list = getenv(settings[SETTING_SCOPE].variable);
    if (file && *file != '\0')
        return true;
    while (list && *list != '\0') {
        size_t length = strcspn(list, ";");
        bool is_word = (length == strlen("thread") && strncmp(list, "thread", length) == 0) ||
                       (length == strlen("process") && strncmp(list, "process", length) == 0);
        if (length > 0 && !is_word)
            return true;
        list += length + (list[length] != '\0');
    }
    return false;
}

/* What the shim will use, given a default for when it is told nothing that it accepts. */
static const char *effective_bytes(enum setting_id id, const char *otherwise, size_t *bytes)
{
    const char *value = getenv(settings[id].variable);
    if (value && parse_bytes(value, bytes))
        return value;
    parse_bytes(otherwise, bytes);
    return otherwise;
}

void settings_check(void)
{
    /* Two inherited values are for the shim to judge. */
    if (!applied[SETTING_CAPACITY] && !applied[SETTING_LIMIT])
        return;
    size_t capacity_bytes = 0, limit_bytes = 0;
    const char *capacity = effective_bytes(SETTING_CAPACITY, CAPACITY_DEFAULT, &capacity_bytes);
    const char *limit = effective_bytes(SETTING_LIMIT, capacity, &limit_bytes);
    if (limit_bytes < capacity_bytes)
        errx(EXIT_CANCELED,
             "--limit (ARENASHIM_LIMIT) '%s' is not accepted with --capacity (ARENASHIM_CAPACITY) "
             "'%s'; it takes at least the capacity",
             limit, capacity);
}
