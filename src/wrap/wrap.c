/*
 * The part of arenashim that wraps functions: reads the specs, applies them to what is loaded, and
 * again whenever something else is.
 *
 * It runs in the shim's constructor, and later inside dlopen with the dynamic linker's lock held,
 * so one thread at a time. It allocates nothing by malloc; qsort, fnmatch and the demangling of
 * Rust names may, for a while.
 */
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/text.h"
#include "next/named_host.h"
#include "wrap/apply.h"
#include "wrap/listing.h"
#include "wrap/loader.h"
#include "wrap/refuse.h"
#include "wrap/spec.h"
#include "wrap/thunk.h"

#define EXPORT __attribute__((visibility("default")))
#define EXIT_CANCELED 125 /* as src/cli says it */

static struct list specs;   /* of struct spec */
static struct list objects; /* of struct object: loaded at the last look */
static pid_t process;       /* that complains at its end of what has matched nothing; or 0 */

/* ---- messages -------------------------------------------------------------------------------- */

/* Once for each spec: a library that comes and goes is not worth a line each time. */
static void say_failures(struct spec *spec)
{
    if (spec->failed == 0 || spec->failed_said)
        return;
    spec->failed_said = true;
    struct text line;
    text_message(&line);
    spec_put(&line, spec);
    text_str(&line, ": cannot wrap ");
    if (spec->failed > 1) {
        text_uint(&line, spec->failed);
        text_str(&line, " of ");
        text_uint(&line, spec->matched);
        text_str(&line, " functions (arenashim scopes lists them), the first is ");
    }
    text_name(&line, spec->failed_name);
    text_str(&line, ": ");
    text_str(&line, spec->failed_reason);
    text_str(&line, spec->failed_nor);
    text_end(&line);
}

/* `finally`: nothing more will be loaded. */
static void say_unmatched(struct spec *spec, bool finally)
{
    if (spec->matched > 0 || spec->unmatched_said)
        return;
    spec->unmatched_said = true;
    struct text line;
    text_message(&line);
    spec_put(&line, spec);
    text_str(&line, " matches no function");
    text_str(&line, finally ? "" : " so far");
    if (!spec->module) {
        text_str(&line, " of the loaded modules");
    } else if (spec->module_seen) {
        text_str(&line, " of ");
        text_name(&line, spec->module);
    } else {
        text_str(&line, ": no module ");
        text_name(&line, spec->module);
        text_str(&line, " is loaded");
    }
    if (spec->module && spec->module_seen && spec->stripped) {
        text_str(&line, spec->unread ? " (its file cannot be read" : " (stripped");
        text_str(&line, ": only what it exports has a name)");
    }
    text_end(&line);
}

/* ---- loaded objects -------------------------------------------------------------------------- */

/* The dynamic linker gives a text of its own to each loaded object, so equal addresses of texts and
 * program headers are the same object, as long as every unloading has been noticed. */
static bool is_same(const struct object *a, const struct object *b)
{
    return a->base == b->base && a->headers == b->headers && a->path == b->path;
}

static bool is_in(const struct list *list, const struct object *object)
{
    const struct object *items = list->items;
    for (size_t i = 0; i < list->count; i++)
        if (is_same(&items[i], object))
            return true;
    return false;
}

static int note_object(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    struct object *object = list_add(context, sizeof *object);
    if (object)
        object_describe(info, object);
    return 0;
}

/* The folder has a link for itself and its parent, and one from each thread. */
static bool has_threads(void)
{
    struct stat tasks;
    return stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink > 3;
}

/* Applies the specs to what was not loaded at the last look. */
static void look(struct list *outcomes, bool threads)
{
    struct list now = {0};
    dl_iterate_phdr(note_object, &now);
    const struct object *before = objects.items, *object = now.items;
    for (size_t i = 0; i < objects.count; i++)
        if (!is_in(&now, &before[i]))
            apply_forget(&before[i]);
    struct apply_job job = {wrap_host, &specs, &now, threads, outcomes};
    for (size_t i = 0; i < now.count; i++)
        if (!is_in(&objects, &object[i]))
            apply_object(&job, &object[i]);
    list_free(&objects);
    objects = now;
}

static void on_change(void)
{
    int saved_errno = errno;
    look(NULL, false); /* nobody runs what has just been loaded */
    struct spec *spec = specs.items;
    for (size_t i = 0; i < specs.count; i++)
        say_failures(&spec[i]);
    errno = saved_errno;
}

static int note_own(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    (void)context;
    struct object object;
    object_describe(info, &object);
    if (object_kind(&object) == OBJECT_OWN)
        refuse_note_own(&object);
    return 0;
}

/* ---- start and end --------------------------------------------------------------------------- */

/* A literal spec that has matched is done with; any other may mean something loaded later. */
static bool is_open(const struct spec *spec)
{
    return spec->matched == 0 || (spec->module && spec_is_glob(spec->module)) ||
           (spec->name && spec_is_glob(spec->name));
}

/* False when libraries may come that are not noticed. */
static bool watch(void)
{
    const struct spec *spec = specs.items;
    bool open = false;
    for (size_t i = 0; i < specs.count; i++)
        open = open || is_open(&spec[i]);
    const char *reason = open ? loader_watch(on_change) : NULL;
    if (!reason)
        return true;
    struct text line;
    text_message(&line);
    text_str(&line, "functions of libraries that are loaded later will not be wrapped: the dynamic "
                    "linker cannot be watched: ");
    text_str(&line, reason);
    text_end(&line);
    return false;
}

static void say_all(bool strict)
{
    struct spec *spec = specs.items;
    for (size_t i = 0; i < specs.count; i++) {
        say_failures(&spec[i]);
        if (strict || !spec[i].module || spec[i].module_seen)
            say_unmatched(&spec[i], strict);
    }
}

/* How many specs could not be applied. */
static size_t count_bad(void)
{
    const struct spec *spec = specs.items;
    size_t bad = 0;
    for (size_t i = 0; i < specs.count; i++)
        bad += spec[i].matched == 0 || spec[i].failed > 0;
    return bad;
}

static void end_strictly(size_t bad)
{
    struct text line;
    text_message(&line);
    text_str(&line, "the program is not started: ");
    text_uint(&line, bad);
    text_str(&line, bad == 1 ? " scope spec" : " scope specs");
    text_str(&line, " cannot be applied, and ARENASHIM_SCOPE_STRICT is set");
    text_end(&line);
    WRITE_COVERAGE();
    _exit(EXIT_CANCELED);
}

static void list_and_end(size_t malformed)
{
    struct list outcomes = {0};
    look(&outcomes, has_threads());
    bool written = listing_print(&specs, &outcomes);
    bool failed = wrap_host->strict && malformed + count_bad() > 0;
    WRITE_COVERAGE();
    _exit(!written || failed ? EXIT_CANCELED : 0);
}

EXPORT named_start_function arenashim_wrap_start;

void arenashim_wrap_start(const struct named_host *host)
{
    text_note_stderr();
    if (host->quiet)
        text_silence();
    wrap_host = host;
    size_t malformed = specs_read(&specs, host->specs, host->retain);
    if (host->file[0] != '\0')
        malformed += specs_read_file(&specs, host->file, host->retain);
    dl_iterate_phdr(note_own, NULL);
    if (host->list)
        list_and_end(malformed);
    look(NULL, has_threads());
    say_all(host->strict);
    if (host->strict && malformed + count_bad() > 0)
        end_strictly(malformed + count_bad());
    if (watch())
        process = getpid();
}

/* A fork child's specs are its parent's to complain of. */
__attribute__((destructor)) static void at_exit(void)
{
    if (process != getpid())
        return;
    struct spec *spec = specs.items;
    for (size_t i = 0; i < specs.count; i++)
        say_unmatched(&spec[i], true);
}
