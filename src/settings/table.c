#include "settings/table.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/parse.h"
#include "base/text.h"
#include "settings/rank.h"

/* ---- values of one form ---------------------------------------------------------------------- */

/* Where the setting's value goes. */
static void *field(const struct setting *setting, struct config *config)
{
    return (char *)config + setting->field;
}

static bool read_bytes(const struct setting *setting, struct config *config, const char *value)
{
    size_t number;
    if (!parse_size(value, &number) || number < CAPACITY_MIN || number > CAPACITY_MAX)
        return false;
    *(size_t *)field(setting, config) = number;
    return true;
}

static bool read_name(const struct setting *setting, struct config *config, const char *value)
{
    if (*value == '\0' || strlen(value) >= CONFIG_NAME_SIZE)
        return false;
    strcpy(field(setting, config), value);
    return true;
}

/* Enters the number of the word, which is that of the enumerator. */
static bool read_word(const struct setting *setting, struct config *config, const char *value)
{
    size_t index;
    if (!parse_word(value, setting->words, setting->word_count, &index))
        return false;
    *(unsigned *)field(setting, config) = (unsigned)index;
    return true;
}

/* Enters the set of the words. */
static bool read_words(const struct setting *setting, struct config *config, const char *value)
{
    return parse_words(value, setting->words, setting->word_count, field(setting, config));
}

static bool read_flag(const struct setting *setting, struct config *config, const char *value)
{
    if ((*value != '0' && *value != '1') || value[1] != '\0')
        return false;
    *(bool *)field(setting, config) = *value == '1';
    return true;
}

/* ---- values of their own form ---------------------------------------------------------------- */

static bool read_align(const struct setting *setting, struct config *config, const char *value)
{
    size_t number;
    if (!parse_size(value, &number) || number < ALIGN_MIN || number > ALIGN_MAX ||
        (number & (number - 1)) != 0)
        return false;
    *(size_t *)field(setting, config) = number;
    return true;
}

static bool read_stack(const struct setting *setting, struct config *config, const char *value)
{
    size_t number;
    if (!parse_size(value, &number) || number > STACK_MAX || number % 16 != 0)
        return false;
    *(size_t *)field(setting, config) = number;
    return true;
}

static bool read_end(const struct setting *setting, struct config *config, const char *value)
{
    if (!read_word(setting, config, value))
        return false;
    config->end += END_RESET; /* the words begin there */
    return true;
}

static bool read_stats(const struct setting *setting, struct config *config, const char *value)
{
    if (!read_word(setting, config, value))
        return false;
    config->stats_at_exit = true;
    return true;
}

static bool read_stats_file(const struct setting *setting, struct config *config, const char *value)
{
    if (!read_name(setting, config, value))
        return false;
    config->stats_at_exit = true;
    config->attended = strncmp(value, STATS_ATTENDED, strlen(STATS_ATTENDED)) == 0;
    return true;
}

static bool read_rank(const struct setting *setting, struct config *config, const char *value)
{
    return rank_read(value, field(setting, config));
}

static bool read_ranks(const struct setting *setting, struct config *config, const char *value)
{
    return ranks_read(value, config->rank, field(setting, config));
}

/* Empty list items are refused: a stray comma is more likely a mistake than a wish. */
static bool read_modules(const struct setting *setting, struct config *config, const char *value)
{
    size_t length = strlen(value);
    if (length == 0 || length >= sizeof config->modules)
        return false;
    for (const char *item = value; item;) {
        const char *comma = strchr(item, ',');
        size_t size = comma ? (size_t)(comma - item) : strlen(item);
        if (*item == '+' || *item == '-')
            size--;
        if (size == 0)
            return false;
        item = comma ? comma + 1 : NULL;
    }
    strcpy(field(setting, config), value);
    return true;
}

size_t setting_mark(const char *text, bool *is_own)
{
    char own[TEXT_NUMBER_SIZE];
    if (strncmp(text, "%{", 2) != 0)
        return 0;
    size_t digits = strspn(text + 2, "0123456789");
    if (digits == 0 || text[2 + digits] != '}')
        return 0;
    text_decimal(own, (uint64_t)getpid());
    *is_own = parse_is(text + 2, digits, own);
    return digits + 3;
}

int setting_descriptor(const char *name)
{
    static const char *const directories[] = {"/dev/fd/", "/proc/self/fd/"};
    if (strcmp(name, "/dev/stdout") == 0)
        return STDOUT_FILENO;
    if (strcmp(name, "/dev/stderr") == 0)
        return STDERR_FILENO;
    for (size_t i = 0; i < COUNT(directories); i++) {
        size_t length = strlen(directories[i]), number;
        if (strncmp(name, directories[i], length) == 0 && parse_size(name + length, &number) &&
            number <= INT_MAX)
            return (int)number;
    }
    return -1;
}

/* Whether the `length` bytes of `text` are a mark. */
static bool read_mark(struct config *config, const char *text, size_t length)
{
    bool is_own;
    if (length == 0 || setting_mark(text, &is_own) != length)
        return false;
    config->specs_marked = true;
    config->specs_inherited = !is_own;
    return true;
}

/* The specs are read by src/wrap, which alone knows what they may look like. */
static bool read_scopes(const struct setting *setting, struct config *config, const char *value)
{
    char *specs = field(setting, config);
    if (*value == '\0' || strlen(value) >= CONFIG_NAME_SIZE)
        return false;
    for (const char *item = value; *item;) {
        size_t length = strcspn(item, ";");
        if (parse_is(item, length, "thread"))
            config->scopes = SCOPES_THREAD;
        else if (parse_is(item, length, "process"))
            config->scopes = SCOPES_PROCESS;
        else if (length > 0 && !read_mark(config, item, length))
            strncat(strcat(specs, *specs ? ";" : ""), item, length);
        item += length + (item[length] == ';');
    }
    return true;
}

static bool read_scope_file(const struct setting *setting, struct config *config, const char *value)
{
    const char *ending = strrchr(value, '%');
    if (!read_name(setting, config, value))
        return false;
    if (ending && read_mark(config, ending, strlen(ending)))
        config->scope_file[ending - value] = '\0';
    return true;
}

/* ---- the table ------------------------------------------------------------------------------- */

#define BYTES_ACCEPTED "a number of bytes from 4K to 1024G, with an optional suffix K, M or G"
#define NAME_ACCEPTED "a file name of at most 4095 bytes"
#define FLAG_ACCEPTED "0 or 1"

#define FIELD(name) .field = offsetof(struct config, name)
#define WORDS(names) .words = names, .word_count = COUNT(names)

static const char *const policies[] = {"grow", "fallback", "error", "abort"};
static const char *const ends[] = {"reset", "retain"};
static const char *const formats[] = {"text", "json"};
/* In the order of the bits of enum debug_switch. */
static const char *const switches[] = {"poison", "quarantine", "verify", "log"};

const struct setting settings[SETTINGS] = {
    [SETTING_CAPACITY] = {"ARENASHIM_CAPACITY", BYTES_ACCEPTED, read_bytes, FIELD(capacity),
                          .option = "capacity", .argument = "=SIZE",
                          .summary = "memory that each thread's arena keeps (1M)"},
    [SETTING_LIMIT] = {"ARENASHIM_LIMIT", BYTES_ACCEPTED, read_bytes, FIELD(limit),
                       .option = "limit", .argument = "=SIZE",
                       .summary = "size up to which an arena may grow (1G)"},
    [SETTING_OVERFLOW] = {"ARENASHIM_OVERFLOW", "grow, fallback, error or abort", read_word,
                          FIELD(overflow), WORDS(policies), .option = "overflow",
                          .argument = "=POLICY",
                          .summary = "past the capacity: grow, fallback, error or abort (grow)"},
    [SETTING_ALIGN] = {"ARENASHIM_ALIGN", "a power of two from 16 to 4096", read_align,
                       FIELD(align), .option = "align", .argument = "=SIZE",
                       .summary = "least alignment of a routed block: 16 to 4096 (16)"},
    [SETTING_MODULES] = {"ARENASHIM_MODULES",
                         "a comma list of marked, main, all and module name globs, each glob with "
                         "+ (the default) or - before it",
                         read_modules, FIELD(modules), .option = "modules", .argument = "=LIST",
                         .summary =
                             "whose calls are routed: marked, main, all, GLOB, -GLOB (marked)"},
    [SETTING_SCOPES] = {"ARENASHIM_SCOPES",
                        "thread, process and specs [MODULE!]NAME, separated by ;", read_scopes,
                        FIELD(specs), .option = "scope", .argument = "=SPEC",
                        .summary =
                            "each call of a function is a scope: [MODULE!]NAME; or thread, process",
                        .option_accepted =
                            "thread, process, [MODULE!]NAME or MODULE!+0xOFFSET, the latter two "
                            "with reset: or retain: before them when wanted",
                        .repeats = true},
    [SETTING_SCOPE_FILE] = {"ARENASHIM_SCOPE_FILE", NAME_ACCEPTED, read_scope_file,
                            FIELD(scope_file), .option = "scope-file", .argument = "=FILE",
                            .summary = "read further such functions from FILE, one a line",
                            .option_accepted = "a readable file", .is_path = true},
    [SETTING_SCOPE_STRICT] = {"ARENASHIM_SCOPE_STRICT", FLAG_ACCEPTED, read_flag,
                              FIELD(scope_strict), .option = "scope-strict", .argument = "",
                              .summary = "do not start when one of them cannot be a scope",
                              .bare = "1"},
    [SETTING_SCOPE_LIST] = {"ARENASHIM_SCOPE_LIST", FLAG_ACCEPTED, read_flag, FIELD(scope_list)},
    [SETTING_END] = {"ARENASHIM_END", "reset or retain", read_end, FIELD(end), WORDS(ends),
                     .option = "end", .argument = "=HOW",
                     .summary = "what their end does to live blocks: retain or reset (retain)",
                     .option_accepted = "retain or reset"},
    [SETTING_STACK] = {"ARENASHIM_STACK", "a multiple of 16 from 0 to 4096", read_stack,
                       FIELD(stack), .option = "stack", .argument = "=SIZE",
                       .summary = "arguments on the stack that they are passed (256)"},
    [SETTING_DEBUG] = {"ARENASHIM_DEBUG", "a comma list of poison, quarantine, verify and log",
                       read_words, FIELD(debug), WORDS(switches), .option = "debug",
                       .argument = "=LIST",
                       .summary = "look for misuse: poison, quarantine, verify, log"},
    [SETTING_STATS] = {"ARENASHIM_STATS", "text or json", read_stats, FIELD(stats), WORDS(formats),
                       .option = "stats", .argument = "[=FORMAT]",
                       .summary = "print statistics at exit, as text or json (text)",
                       .bare = "text", .not_checked = true},
    [SETTING_STATS_FILE] =
        {"ARENASHIM_STATS_FILE", NAME_ACCEPTED, read_stats_file, FIELD(stats_file),
         .option = "stats-file", .argument = "=FILE",
         .summary = "write them to FILE; %p is the process, %r the rank, %h the host (stderr)",
         .is_path = true, .is_pattern = true, .not_checked = true},
    [SETTING_RANK] = {"ARENASHIM_RANK", "a number from 0 to 2147483647", read_rank, FIELD(rank)},
    [SETTING_RANKS] = {"ARENASHIM_RANKS", "a comma list of ranks and ranges, such as 0,8-15",
                       read_ranks, FIELD(rank_listed), .option = "ranks", .argument = "=LIST",
                       .summary = "of a parallel job, only these ranks write them: 0,8-15 (all)",
                       .not_checked = true},
    [SETTING_FOLLOW] = {"ARENASHIM_FOLLOW", FLAG_ACCEPTED, read_flag, FIELD(follow),
                        .option = "no-follow", .argument = "",
                        .summary = "programs that PROGRAM starts run without the shim",
                        .bare = "0"},
    [SETTING_MEMCHECK] = {"ARENASHIM_MEMCHECK", FLAG_ACCEPTED, read_flag, FIELD(memcheck)},
    [SETTING_WATCH] = {"ARENASHIM_WATCH", NAME_ACCEPTED, read_name, FIELD(watch)},
    [SETTING_DISABLE] = {"ARENASHIM_DISABLE", FLAG_ACCEPTED, read_flag, FIELD(disabled)},
};
