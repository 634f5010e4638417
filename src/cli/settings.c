#include "cli/settings.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "cli/cli.h"

#define BYTES_MIN ((size_t)4096)
#define BYTES_MAX ((size_t)1 << 40)
#define BYTES_ACCEPTED "a number of bytes from 4K to 1024G, with an optional suffix K, M or G"
#define CAPACITY_DEFAULT "1M"

/* The shim keeps these two in arrays of one byte more. */
#define MODULES_LENGTH_MAX 1023
#define STATS_FILE_LENGTH_MAX 4095

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

static bool accepts_scope(const char *value)
{
    static const char *const names[] = {"thread", "process"};
    size_t index;
    return parse_word(value, names, sizeof names / sizeof names[0], &index);
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

static bool accepts_stats_file(const char *value)
{
    size_t length = strlen(value);
    return length > 0 && length <= STATS_FILE_LENGTH_MAX;
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
                          accepts_bytes},
    [SETTING_LIMIT] = {"limit", "ARENASHIM_LIMIT", "--limit=SIZE",
                       "size up to which an arena may grow (1G)", BYTES_ACCEPTED, NULL,
                       accepts_bytes},
    [SETTING_OVERFLOW] = {"overflow", "ARENASHIM_OVERFLOW", "--overflow=POLICY",
                          "past the capacity: grow, fallback, error or abort (grow)",
                          "grow, fallback, error or abort", NULL, accepts_overflow},
    [SETTING_ALIGN] = {"align", "ARENASHIM_ALIGN", "--align=SIZE",
                       "least alignment of a routed block: 16 to 4096 (16)",
                       "a power of two from 16 to 4096", NULL, accepts_align},
    [SETTING_MODULES] = {"modules", "ARENASHIM_MODULES", "--modules=LIST",
                         "whose calls are routed: marked, main, all, GLOB, -GLOB (marked)",
                         "a comma list of marked, main, all and module name globs, each glob with "
                         "+ (the default) or - before it",
                         NULL, accepts_modules},
    [SETTING_SCOPE] = {"scope", "ARENASHIM_SCOPES", "--scope=WHAT",
                       "without marks: the process or each thread is a scope", "thread or process",
                       NULL, accepts_scope},
    [SETTING_DEBUG] = {"debug", "ARENASHIM_DEBUG", "--debug=LIST",
                       "look for misuse: poison, quarantine, verify, log",
                       "a comma list of poison, quarantine, verify and log", NULL, accepts_debug},
    [SETTING_STATS] = {"stats", "ARENASHIM_STATS", "--stats[=FORMAT]",
                       "print statistics at exit, as text or json (text)", "text or json", "text",
                       accepts_stats},
    [SETTING_STATS_FILE] = {"stats-file", "ARENASHIM_STATS_FILE", "--stats-file=FILE",
                            "write them to FILE; %p is the process, %h the host (stderr)",
                            "a file name of at most 4095 bytes", NULL, accepts_stats_file},
    [SETTING_NO_FOLLOW] = {"no-follow", "ARENASHIM_FOLLOW", "--no-follow",
                           "programs that PROGRAM starts run without the shim", "no value", "0",
                           NULL},
};

static bool applied[SETTINGS];

void setting_apply(enum setting_id id, const char *value)
{
    const struct setting *setting = &settings[id];
    if (!value)
        value = setting->bare;
    if (setting->accepts && !setting->accepts(value))
        errx(EXIT_CANCELED, "--%s='%s' is not accepted; it takes %s", setting->option, value,
             setting->accepted);
    if (setenv(setting->variable, value, 1) != 0)
        err(EXIT_CANCELED, "cannot set %s", setting->variable);
    applied[id] = true;
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
