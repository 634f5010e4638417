#include "top/json.h"

#include <jansson.h>

static json_t *place(const struct look_site *site)
{
    return json_pack("{ss ss sI}", "label", site->label, "file", site->file, "line",
                     (json_int_t)site->line);
}

static json_t *scopes(const struct look *look, const struct look_thread *thread)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < thread->depth; i++) {
        const struct look_scope *scope = &thread->scopes[i];
        json_t *object = place(&look->sites[scope->site]);
        json_object_set_new(object, "retains", json_boolean(scope->retains));
        json_object_set_new(object, "paused", json_boolean(scope->paused));
        json_array_append_new(list, object);
    }
    return list;
}

static json_t *threads(const struct look *look)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < look->slots; i++) {
        const struct look_thread *thread = &look->threads[i];
        if (thread->owned)
            json_array_append_new(
                list,
                json_pack("{sI ss sI sb sI sI sf sf sI sI sI so}", "thread",
                          (json_int_t)thread->number, "name", thread->name, "slot", (json_int_t)i,
                          "steady", thread->steady, "routed_calls", (json_int_t)thread->calls,
                          "routed_bytes", (json_int_t)thread->bytes, "calls_per_second",
                          thread->calls_rate, "bytes_per_second", thread->bytes_rate, "arena_bytes",
                          (json_int_t)thread->arena, "retained_bytes", (json_int_t)thread->retained,
                          "peak_bytes", (json_int_t)thread->peak, "open_scopes",
                          scopes(look, thread)));
    }
    return list;
}

static json_t *sites(const struct look *look)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < SITES_MAX; i++) {
        const struct look_site *site = &look->sites[i];
        const struct site_stats *sums = &site->sums;
        if (!site->there)
            continue;
        json_t *object = place(site);
        json_t *counts = json_pack(
            "{sI sI sI sI sI sI sI sI sI sf sf sf}", "open", (json_int_t)site->open, "scopes",
            (json_int_t)sums->scopes, "routed_calls", (json_int_t)sums->calls, "routed_bytes",
            (json_int_t)sums->bytes, "peak_bytes", (json_int_t)sums->peak, "overflows",
            (json_int_t)sums->overflows, "fallbacks", (json_int_t)sums->fallbacks, "live_at_end",
            (json_int_t)sums->live_at_end, "survivors", (json_int_t)sums->survivors,
            "scopes_per_second", site->scopes_rate, "calls_per_second", site->calls_rate,
            "bytes_per_second", site->bytes_rate);
        json_object_update(object, counts);
        json_decref(counts);
        json_array_append_new(list, object);
    }
    return list;
}

void json_print(FILE *out, const struct look *look)
{
    json_t *all =
        json_pack("{ss ss sI sf sI sI sf sf so so}", "program", look->name, "version",
                  look->version, "pid", (json_int_t)look->pid, "seconds", look->seconds,
                  "threads_with_arena", (json_int_t)look->owners, "scopes_open",
                  (json_int_t)look->open, "calls_per_second", look->calls_rate, "bytes_per_second",
                  look->bytes_rate, "threads", threads(look), "sites", sites(look));
    json_dumpf(all, out, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    fputc('\n', out);
    json_decref(all);
}
