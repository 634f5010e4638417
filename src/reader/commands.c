#include "reader/commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "advise/need.h"
#include "advise/quote.h"
#include "base/runtimes.h"
#include "reader/members.h"

/* Takes possession of both texts. */
static void add(json_t *list, char *why, char *command)
{
    json_array_append_new(list, json_pack("{s:s, s:s}", "why", why, "command", command));
    free(why);
    free(command);
}

static const char *module_worth_routing(const json_t *sum)
{
    json_t *module;
    size_t i;
    json_array_foreach(list_of(json_object_get(sum, "passed_in_scope"), "modules"), i, module)
        if (!is_runtime(text_of(module, "name")))
            return text_of(module, "name");
    return NULL;
}

const json_t *commands_process(const json_t *sum)
{
    const json_t *most = NULL;
    json_t *process;
    size_t i;
    json_array_foreach(list_of(sum, "processes"), i, process)
        if (!most || number_of(process, "routed_calls") > number_of(most, "routed_calls"))
            most = process;
    return most;
}

static char *program_of(const json_t *process)
{
    const char *path = text_of(process, "executable"), *name = text_of(process, "program");
    return *path != '\0'   ? quote_word(path)
           : *name != '\0' ? quote_word(name)
                           : need_text("PROGRAM");
}

/* Appends " --option=value", of a value with semicolons once for each item. */
static char *with_option(char *command, const char *option, const char *values)
{
    size_t length;
    for (; *values != '\0'; values += length + (values[length] == ';')) {
        length = strcspn(values, ";");
        if (length == 0)
            continue;
        char *value = need_text("%.*s", (int)length, values), *quoted = quote_word(value);
        char *longer = need_text("%s --%s=%s", command, option, quoted);
        free(quoted);
        free(value);
        free(command);
        command = longer;
    }
    return command;
}

/* The command that was given, with another value of one option; NULL: of none. */
static char *command_with(const json_t *process, const char *subcommand, const char *option,
                          const char *value)
{
    char *command = need_text("arenashim %s", subcommand), *program = program_of(process), *all;
    json_t *settings = json_object_get(process, "settings"), *set;
    const char *key;
    json_object_foreach(settings, key, set)
        if (json_is_string(set) && (!option || strcmp(key, option) != 0))
            command = with_option(command, key, json_string_value(set));
    if (option)
        command = with_option(command, option, value);
    all = need_text("%s -- %s", command, program);
    free(program);
    free(command);
    return all;
}

void commands_find(json_t *sum)
{
    json_t *list = made_list(sum, "commands");
    const json_t *process = commands_process(sum);
    const char *module = module_worth_routing(sum);
    if (number_of(sum, "overflows") > 0) {
        char *capacity = need_text("%" PRIu64, number_of(sum, "recommended_capacity_bytes"));
        add(list,
            need_text("%" PRIu64 " requests did not fit in the capacity",
                      number_of(sum, "overflows")),
            command_with(process, "run", "capacity", capacity));
        free(capacity);
    }
    if (module) {
        const char *set = text_of(json_object_get(process, "settings"), "modules");
        char *modules = need_text("%s%s+%s", set, *set == '\0' ? "" : ",", module);
        add(list, need_text("calls of %s are not routed", module),
            command_with(process, "run", "modules", modules));
        free(modules);
    }
    if (number_of(sum, "live_at_end") > 0)
        add(list,
            need_text(
                "blocks were alive when their scope dropped them: does a pointer outlive it?"),
            command_with(process, "check", NULL, NULL));
    if (number_of(sum, "left_open") + number_of(sum, "misuses") > 0)
        add(list, need_text("scopes were left open, or marks misused"),
            command_with(process, "check", NULL, NULL));
    char *program = program_of(process);
    add(list, need_text("the functions that are worth a scope, measured"),
        need_text("arenashim advise -- %s", program));
    free(program);
}
