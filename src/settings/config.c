#include "settings/config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/text.h"

#define PREFIX "ARENASHIM_"

extern char **environ;

struct setting {
    const char *name;
    const char *accepted;
    bool (*read)(struct config *, const char *value);
};

static bool read_bytes(const char *value, size_t *bytes)
{
    size_t number;
    if (!parse_size(value, &number) || number < CAPACITY_MIN || number > CAPACITY_MAX)
        return false;
    *bytes = number;
    return true;
}

static bool read_capacity(struct config *config, const char *value)
{
    return read_bytes(value, &config->capacity);
}

static bool read_limit(struct config *config, const char *value)
{
    return read_bytes(value, &config->limit);
}

static bool read_align(struct config *config, const char *value)
{
    size_t number;
    if (!parse_size(value, &number) || number < ALIGN_MIN || number > ALIGN_MAX ||
        (number & (number - 1)) != 0)
        return false;
    config->align = number;
    return true;
}

static bool read_overflow(struct config *config, const char *value)
{
    static const char *const names[] = {"grow", "fallback", "error", "abort"};
    size_t index;
    if (!parse_word(value, names, sizeof names / sizeof names[0], &index))
        return false;
    config->overflow = (enum overflow_policy)index;
    return true;
}

static bool read_stats(struct config *config, const char *value)
{
    static const char *const names[] = {"text", "json"};
    size_t index;
    if (!parse_word(value, names, sizeof names / sizeof names[0], &index))
        return false;
    config->stats = (enum stats_format)index;
    config->stats_at_exit = true;
    return true;
}

static bool read_name(char name[4096], const char *value)
{
    if (*value == '\0' || strlen(value) >= 4096)
        return false;
    strcpy(name, value);
    return true;
}

static bool read_stats_file(struct config *config, const char *value)
{
    if (!read_name(config->stats_file, value))
        return false;
    config->stats_at_exit = true;
    return true;
}

/* Empty list items are refused: a stray comma is more likely a mistake than a wish. */
static bool read_modules(struct config *config, const char *value)
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
    strcpy(config->modules, value);
    return true;
}

static bool is_word(const char *item, size_t length, const char *word)
{
    return length == strlen(word) && memcmp(item, word, length) == 0;
}

/* Whether the text is "%{PID}", which a process has left (environment.h). */
static bool read_mark(struct config *config, const char *text, size_t length)
{
    char own[TEXT_DECIMAL_SIZE];
    if (length < 4 || memcmp(text, "%{", 2) != 0 || text[length - 1] != '}' ||
        strspn(text + 2, "0123456789") != length - 3)
        return false;
    text_decimal(own, (uint64_t)getpid());
    config->specs_marked = true;
    config->specs_inherited = !is_word(text + 2, length - 3, own);
    return true;
}

/* The specs are read by src/wrap, which alone knows what they may look like. */
static bool read_scopes(struct config *config, const char *value)
{
    if (*value == '\0' || strlen(value) >= sizeof config->specs)
        return false;
    for (const char *item = value; *item;) {
        size_t length = strcspn(item, ";");
        if (is_word(item, length, "thread"))
            config->scopes = SCOPES_THREAD;
        else if (is_word(item, length, "process"))
            config->scopes = SCOPES_PROCESS;
        else if (length > 0 && !read_mark(config, item, length))
            strncat(strcat(config->specs, *config->specs ? ";" : ""), item, length);
        item += length + (item[length] == ';');
    }
    return true;
}

static bool read_scope_file(struct config *config, const char *value)
{
    const char *ending = strrchr(value, '%');
    if (!read_name(config->scope_file, value))
        return false;
    if (ending && read_mark(config, ending, strlen(ending)))
        config->scope_file[ending - value] = '\0';
    return true;
}

static bool read_end(struct config *config, const char *value)
{
    static const char *const names[] = {"reset", "retain"};
    size_t index;
    if (!parse_word(value, names, sizeof names / sizeof names[0], &index))
        return false;
    config->end = (enum scope_end)(END_RESET + index);
    return true;
}

static bool read_stack(struct config *config, const char *value)
{
    size_t number;
    if (!parse_size(value, &number) || number > STACK_MAX || number % 16 != 0)
        return false;
    config->stack = number;
    return true;
}

static bool read_debug(struct config *config, const char *value)
{
    /* In the order of the bits of enum debug_switch. */
    static const char *const names[] = {"poison", "quarantine", "verify", "log"};
    return parse_words(value, names, sizeof names / sizeof names[0], &config->debug);
}

static bool read_flag(const char *value, bool *flag)
{
    static const char *const names[] = {"0", "1"};
    size_t index;
    if (!parse_word(value, names, sizeof names / sizeof names[0], &index))
        return false;
    *flag = index == 1;
    return true;
}

static bool read_follow(struct config *config, const char *value)
{
    return read_flag(value, &config->follow);
}

static bool read_scope_strict(struct config *config, const char *value)
{
    return read_flag(value, &config->scope_strict);
}

static bool read_scope_list(struct config *config, const char *value)
{
    return read_flag(value, &config->scope_list);
}

static bool read_disable(struct config *config, const char *value)
{
    return read_flag(value, &config->disabled);
}

#define BYTES_ACCEPTED "a number of bytes from 4K to 1024G, with an optional suffix K, M or G"

static const struct setting settings[] = {
    {PREFIX "CAPACITY", BYTES_ACCEPTED, read_capacity},
    {PREFIX "LIMIT", BYTES_ACCEPTED, read_limit},
    {PREFIX "OVERFLOW", "grow, fallback, error or abort", read_overflow},
    {PREFIX "ALIGN", "a power of two from 16 to 4096", read_align},
    {PREFIX "MODULES",
     "a comma list of marked, main, all and module name globs, each glob with + (the default) "
     "or - before it",
     read_modules},
    {PREFIX "SCOPES", "thread, process and specs [MODULE!]NAME, separated by ;", read_scopes},
    {PREFIX "SCOPE_FILE", "a file name of at most 4095 bytes", read_scope_file},
    {PREFIX "SCOPE_STRICT", "0 or 1", read_scope_strict},
    {PREFIX "SCOPE_LIST", "0 or 1", read_scope_list},
    {PREFIX "END", "reset or retain", read_end},
    {PREFIX "STACK", "a multiple of 16 from 0 to 4096", read_stack},
    {PREFIX "DEBUG", "a comma list of poison, quarantine, verify and log", read_debug},
    {PREFIX "STATS", "text or json", read_stats},
    {PREFIX "STATS_FILE", "a file name of at most 4095 bytes", read_stats_file},
    {PREFIX "FOLLOW", "0 or 1", read_follow},
    {PREFIX "DISABLE", "0 or 1", read_disable},
};
#define SETTINGS (sizeof settings / sizeof settings[0])

/* Appends "NAME='VALUE'", of which the name has `length` bytes. */
static void name_value(struct text *line, const char *name, size_t length, const char *value)
{
    text_bytes(line, name, length);
    text_str(line, "='");
    text_str(line, value);
    text_str(line, "'");
}

static void refuse(const struct setting *setting, const char *value)
{
    struct text line;
    text_message(&line);
    name_value(&line, setting->name, strlen(setting->name), value);
    text_str(&line, " is not accepted and is ignored; it takes ");
    text_str(&line, setting->accepted);
    text_end(&line);
}

/* Both sizes in whole pages, and the limit at least the capacity. */
static void settle_sizes(struct config *config)
{
    const size_t default_limit = (size_t)1 << 30;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    config->capacity = (config->capacity + page - 1) & ~(page - 1);
    config->limit = (config->limit + page - 1) & ~(page - 1);
    if (config->limit != 0 && config->limit < config->capacity) {
        struct text line;
        text_message(&line);
        name_value(&line, PREFIX "LIMIT", sizeof PREFIX "LIMIT" - 1, secure_getenv(PREFIX "LIMIT"));
        text_str(&line, " is less than the capacity and is ignored; it takes at least ");
        text_uint(&line, config->capacity);
        text_str(&line, " bytes");
        text_end(&line);
        config->limit = 0;
    }
    if (config->limit == 0)
        config->limit = config->capacity > default_limit ? config->capacity : default_limit;
}

/* Names every variable with our prefix that is no setting: most likely a typing error. */
static void name_unknown(void)
{
    for (char **entry = environ; entry && *entry; entry++) {
        if (strncmp(*entry, PREFIX, sizeof PREFIX - 1) != 0)
            continue;
        size_t length = strcspn(*entry, "=");
        size_t i = 0;
        while (i < SETTINGS && (strlen(settings[i].name) != length ||
                                strncmp(*entry, settings[i].name, length) != 0))
            i++;
        if (i < SETTINGS)
            continue;
        struct text line;
        text_message(&line);
        name_value(&line, *entry, length, (*entry)[length] == '=' ? *entry + length + 1 : "");
        text_str(&line, " is ignored: there is no such setting; there are ");
        for (size_t k = 0; k < SETTINGS; k++) {
            text_str(&line, k == 0 ? "" : k + 1 < SETTINGS ? ", " : " and ");
            text_str(&line, settings[k].name);
        }
        text_end(&line);
    }
}

void config_read(struct config *config)
{
    *config = (struct config){
        .capacity = (size_t)1 << 20,
        .align = ALIGN_MIN,
        .overflow = OVERFLOW_GROW,
        .stats = STATS_TEXT,
        .follow = true,
        .stack = 256,
    };
    for (size_t i = 0; i < SETTINGS; i++) {
        const char *value = secure_getenv(settings[i].name);
        if (value && !settings[i].read(config, value))
            refuse(&settings[i], value);
    }
    if (!getauxval(AT_SECURE))
        name_unknown();

    settle_sizes(config);
}
