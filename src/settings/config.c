#include "settings/config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/numbers.h"
#include "base/page.h"
#include "base/parse.h"
#include "base/text.h"
#include "settings/rank.h"
#include "settings/table.h"

#define PREFIX "ARENASHIM_"

extern char **environ;

/* Appends "NAME='VALUE'", of which the name has `length` bytes. */
static void name_value(struct text *line, const char *name, size_t length, const char *value)
{
    text_bytes(line, name, length);
    text_str(line, "='");
    text_name(line, value);
    text_str(line, "'");
}

static void refuse(const struct setting *setting, const char *value)
{
    struct text line;
    text_message(&line);
    name_value(&line, setting->variable, strlen(setting->variable), value);
    text_str(&line, " is not accepted and is ignored; it takes ");
    text_str(&line, setting->accepted);
    text_end(&line);
}

/* Both sizes in whole pages, and the limit at least the capacity. */
static void settle_sizes(struct config *config)
{
    const size_t default_limit = (size_t)1 << 30;
    config->capacity_is_set = config->capacity != 0;
    config->capacity =
        page_up(higher(config->capacity, CAPACITY_DEFAULT * !config->capacity_is_set));
    config->limit = page_up(config->limit);
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
    config->limit_is_set = config->limit != 0;
    if (!config->limit_is_set)
        config->limit = higher(config->capacity, default_limit);
}

/* Names every variable with our prefix that is no setting: most likely a typing error. */
static void name_unknown(void)
{
    for (char **entry = environ; entry && *entry; entry++) {
        if (strncmp(*entry, PREFIX, sizeof PREFIX - 1) != 0)
            continue;
        size_t length = strcspn(*entry, "=");
        size_t i = 0;
        while (i < SETTINGS && (strlen(settings[i].variable) != length ||
                                strncmp(*entry, settings[i].variable, length) != 0))
            i++;
        if (i < SETTINGS)
            continue;
        struct text line;
        text_message(&line);
        name_value(&line, *entry, length, (*entry)[length] == '=' ? *entry + length + 1 : "");
        text_str(&line, " is ignored: there is no such setting; there are ");
        for (size_t k = 0; k < SETTINGS; k++) {
            text_str(&line, k == 0 ? "" : k + 1 < SETTINGS ? ", " : " and ");
            text_str(&line, settings[k].variable);
        }
        text_end(&line);
    }
}

void config_read(struct config *config)
{
    *config = (struct config){
        .align = ALIGN_MIN,
        .overflow = OVERFLOW_GROW,
        .stats = STATS_TEXT,
        .follow = true,
        .stack = 256,
        .rank = rank_of_launcher(),
        .rank_listed = true,
    };
    for (size_t i = 0; i < SETTINGS; i++) {
        const char *value = secure_getenv(settings[i].variable);
        if (value && !settings[i].read(&settings[i], config, value))
            refuse(&settings[i], value);
    }
    if (!getauxval(AT_SECURE))
        name_unknown();

    settle_sizes(config);
}
