#include "report/json.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/looks.h"
#include "engine/trace.h"
#include "next/fixed.h"
#include "settings/rank.h"
#include "settings/table.h"

/* Goes up where a reader of an older format would misunderstand the JSON. 1 had no number. */
#define JSON_FORMAT 2

static void member(struct text *out, const char *separator, const char *key, uint64_t value)
{
    text_str(out, separator);
    text_str(out, "\"");
    text_str(out, key);
    text_str(out, "\": ");
    text_uint(out, value);
}

static void string_member(struct text *out, const char *separator, const char *key,
                          const char *value)
{
    text_str(out, separator);
    text_str(out, "\"");
    text_str(out, key);
    text_str(out, "\": \"");
    text_json(out, value);
    text_str(out, "\"");
}

static void json_passed(struct text *out, const struct stats *stats)
{
    text_str(out, ",\n  \"passed_in_scope\": {\n");
    member(out, "    ", "total", stats_passed(stats));
    member(out, ",\n    ", "paused", stats->paused);
    member(out, ",\n    ", "interrupted", stats->interrupted);
    member(out, ",\n    ", "overflow", stats->all_sites.fallbacks);
    member(out, ",\n    ", "unknown_caller", stats->unknown);
    member(out, ",\n    ", "not_participating", stats->not_participating);
    text_str(out, ",\n    \"modules\": [");
    const char *separator = "\n";
    uint64_t calls = UINT64_MAX;
    for (int i = -1; (i = stats_next_module(stats, calls, i)) >= 0; separator = ",\n") {
        calls = stats->by_module[i];
        text_str(out, separator);
        string_member(out, "      {", "name", modules_name(i));
        member(out, ", ", "calls", calls);
        text_str(out, "}");
    }
    text_str(out, "\n    ]\n  }");
}

static void json_site(struct text *out, const char *separator, const struct site *site)
{
    string_member(out, separator, "label", site->label);
    string_member(out, ", ", "file", site->file);
    member(out, ", ", "line", site->line);
}

/* Up to the largest that there is. */
static void json_sizes(struct text *out, size_t site)
{
    const char *separator = "";
    uint64_t rest = 0;
    for (unsigned i = 0; i < LOOKS_SIZES; i++)
        rest += stats_of_size(site, i);
    text_str(out, ",\n     \"histogram\": [");
    for (unsigned i = 0; i < LOOKS_SIZES && rest > 0; i++, separator = ", ") {
        uint64_t scopes = stats_of_size(site, i);
        rest -= scopes < rest ? scopes : rest; /* other threads go on */
        text_str(out, separator);
        text_uint(out, scopes);
    }
    text_str(out, "]");
}

/* By size and time the reader tells that the file is another one by then. */
static void json_caller(struct text *out, const char *separator, const struct trace_caller *caller,
                        const char *module, uint64_t offset)
{
    struct stat file = {0};
    stat(module, &file);
    string_member(out, separator, "module", module);
    member(out, ", ", "file_bytes", (uint64_t)file.st_size);
    member(out, ", ", "file_time",
           (uint64_t)file.st_mtim.tv_sec * 1000000 + (uint64_t)file.st_mtim.tv_nsec / 1000);
    member(out, ", ", "offset", offset);
    member(out, ", ", "blocks", caller->blocks);
    member(out, ", ", "bytes", caller->bytes);
    text_str(out, "}");
}

/* Those of the site, and of sites equal to it. */
static void json_callers(struct text *out, size_t site, char module[PATH_MAX])
{
    const char *separator = "\n      {";
    text_str(out, ",\n     \"callers\": [");
    for (unsigned i = 0; i < TRACE_CALLERS; i++) {
        struct trace_caller caller = trace_caller(i);
        uintptr_t offset;
        if (caller.key == 0 || !sites_equal(sites_at(trace_site(&caller)), sites_at(site)) ||
            !modules_file(trace_address(&caller), caller.path, module, &offset))
            continue;
        json_caller(out, separator, &caller, module, offset);
        separator = ",\n      {";
    }
    text_str(out, "]");
}

static void json_nesting(struct text *out)
{
    const char *separator = "\n";
    text_str(out, ",\n  \"nesting\": [");
    for (uint32_t i = 1; i < LOOKS_NODES; i++) {
        struct look_node node = looks_node(i);
        if (node.key == 0)
            continue;
        text_str(out, separator);
        separator = ",\n";
        member(out, "    {", "node", i);
        member(out, ", ", "in", node.key >> 32);
        json_site(out, ", ", sites_at((uint32_t)node.key - 1));
        member(out, ", ", "scopes", node.scopes);
        text_str(out, "}");
    }
    text_str(out, "\n  ]");
}

static void json_sites(struct text *out, char path[PATH_MAX])
{
    text_str(out, ",\n  \"sites\": [");
    const char *separator = "\n";
    for (size_t i = 0; i < sites_count(); i++) {
        struct site_stats sum;
        if (!stats_of_site(i, &sum))
            continue;
        text_str(out, separator);
        separator = ",\n";
        json_site(out, "    {", sites_at(i));
        member(out, ",\n     ", "scopes", sum.scopes);
        member(out, ", ", "routed_calls", sum.calls);
        member(out, ", ", "routed_bytes", sum.bytes);
        member(out, ", ", "peak_bytes", sum.peak);
        member(out, ", ", "passed", sum.passed + sum.fallbacks);
        member(out, ",\n     ", "overflows", sum.overflows);
        member(out, ", ", "fallbacks", sum.fallbacks);
        member(out, ", ", "live_at_end", sum.live_at_end);
        member(out, ",\n     ", "survivors", sum.survivors);
        member(out, ", ", "left_open", sum.left_open);
        member(out, ", ", "bytes_pinned", sum.pinned);
        json_sizes(out, i);
        json_callers(out, i, path);
        text_str(out, "}");
    }
    text_str(out, "\n  ]");
}

/* A setting that is not the default's, by its option. */
static void json_setting(struct text *out, const char **separator, enum setting_id setting,
                         const char *value)
{
    string_member(out, *separator, settings[setting].option, value);
    *separator = ", ";
}

static void json_size(struct text *out, const char **separator, enum setting_id setting,
                      uint64_t value)
{
    char digits[TEXT_NUMBER_SIZE];
    text_decimal(digits, value);
    json_setting(out, separator, setting, digits);
}

/* Those that decide what is routed, and where to. */
static void json_settings(struct text *out)
{
    static const char *const automatic[] = {"", "thread", "process"};
    const struct config *config = &fixed.config;
    const char *separator = "";
    text_str(out, ",\n  \"settings\": {");
    if (config->capacity_is_set)
        json_size(out, &separator, SETTING_CAPACITY, config->capacity);
    if (config->limit_is_set)
        json_size(out, &separator, SETTING_LIMIT, config->limit);
    if (config->overflow != OVERFLOW_GROW)
        json_setting(out, &separator, SETTING_OVERFLOW,
                     settings[SETTING_OVERFLOW].words[config->overflow]);
    if (config->align != ALIGN_MIN)
        json_size(out, &separator, SETTING_ALIGN, config->align);
    if (*config->modules != '\0')
        json_setting(out, &separator, SETTING_MODULES, config->modules);
    if (config->end != END_DEFAULT)
        json_setting(out, &separator, SETTING_END, settings[SETTING_END].words[config->end - 1]);
    if (*config->scope_file != '\0')
        json_setting(out, &separator, SETTING_SCOPE_FILE, config->scope_file);
    if (config->scopes != SCOPES_NONE || *config->specs != '\0') {
        text_str(out, separator);
        text_str(out, "\"scope\": \"");
        text_str(out, automatic[config->scopes]);
        text_str(out, ";");
        text_json(out, config->specs);
        text_str(out, "\"");
    }
    text_str(out, "}");
}

void report_json(struct text *out, const struct stats *stats, char path[PATH_MAX])
{
    char host[HOST_NAME_MAX + 1] = "";
    gethostname(host, sizeof host - 1);
    member(out, "{\n  ", "format", JSON_FORMAT);
    string_member(out, ",\n  ", "version", PACKAGE_VERSION);
    string_member(out, ",\n  ", "host", host);
    string_member(out, ",\n  ", "program", program_invocation_short_name);
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = '\0';
    string_member(out, ",\n  ", "executable", path);
    json_settings(out);
    member(out, ",\n  ", "pid", (uint64_t)getpid());
    if (fixed.config.rank != RANK_NONE) {
        char digits[TEXT_NUMBER_SIZE];
        text_decimal(digits, (uint64_t)fixed.config.rank);
        string_member(out, ",\n  ", "rank", digits);
    }
    member(out, ",\n  ", "threads", stats->threads);
    member(out, ",\n  ", "scopes", stats->all_sites.scopes);
    member(out, ",\n  ", "routed_calls", stats_routed_calls(stats));
    member(out, ",\n  ", "routed_bytes", stats->all_sites.bytes);
    json_passed(out, stats);
    member(out, ",\n  ", "freed_in_scope", stats->freed);
    member(out, ",\n  ", "ignored_frees", stats->ignored_frees);
    member(out, ",\n  ", "late_frees", stats->late_frees);
    member(out, ",\n  ", "overflows", stats->all_sites.overflows);
    member(out, ",\n  ", "fallbacks", stats->all_sites.fallbacks);
    member(out, ",\n  ", "capacity_bytes", fixed.config.capacity);
    member(out, ",\n  ", "high_water_bytes", stats->high_water);
    member(out, ",\n  ", "recommended_capacity_bytes", stats_recommended_capacity(stats));
    member(out, ",\n  ", "left_open", stats->left_open);
    member(out, ",\n  ", "other_stacks", stats->other_stacks);
    member(out, ",\n  ", "misuses", stats->misuses);
    json_sites(out, path);
    json_nesting(out);
    text_str(out, "\n}\n");
}
