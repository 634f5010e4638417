#include "reader/commands.h"

#include <inttypes.h>
#include <stdlib.h>

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

void commands_find(json_t *sum)
{
    json_t *list = made_list(sum, "commands");
    const char *name = text_of(json_array_get(list_of(sum, "processes"), 0), "program");
    char *program = *name == '\0' ? need_text("PROGRAM") : quote_word(name);
    const char *module = module_worth_routing(sum);
    if (number_of(sum, "overflows") > 0)
        add(list,
            need_text("%" PRIu64 " requests did not fit in the capacity",
                      number_of(sum, "overflows")),
            need_text("arenashim run --capacity=%" PRIu64 " -- %s",
                      number_of(sum, "recommended_capacity_bytes"), program));
    if (module) {
        char *list_item = need_text("+%s", module), *quoted = quote_word(list_item);
        add(list, need_text("calls of %s are not routed", module),
            need_text("arenashim run --modules=%s -- %s", quoted, program));
        free(quoted);
        free(list_item);
    }
    if (number_of(sum, "live_at_end") > 0)
        add(list,
            need_text(
                "blocks were alive when their scope dropped them: does a pointer outlive it?"),
            need_text("arenashim check -- %s", program));
    if (number_of(sum, "left_open") + number_of(sum, "misuses") > 0)
        add(list, need_text("scopes were left open, or marks misused"),
            need_text("arenashim check -- %s", program));
    add(list, need_text("the functions that are worth a scope, measured"),
        need_text("arenashim advise -- %s", program));
    free(program);
}
