#include "advise/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "advise/need.h"
#include "advise/places.h"
#include "advise/plans.h"
#include "advise/quote.h"
#include "advise/records.h"
#include "advise/survivors.h"
#include "advise/table.h"
#include "base/compiler.h"
#include "base/numbers.h"

/* Columns of the terminal; 0: it is none, and lines may have any length. */
static unsigned width_of(FILE *file)
{
    struct winsize size;
    return isatty(fileno(file)) && ioctl(fileno(file), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* Prints a sentence or two, broken between words. */
static void __attribute__((format(printf, 2, 3))) say(FILE *file, const char *format, ...)
{
    unsigned width = width_of(file);
    size_t column = 0;
    char *all;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&all, format, arguments);
    va_end(arguments);
    if (length < 0)
        need(NULL);
    quote_controls(all);
    for (char *rest = all, *word; (word = strsep(&rest, " "));) {
        size_t more = strlen(word);
        bool fits = width == 0 || column + 1 + more <= width;
        fprintf(file, "%s%s", column == 0 ? "" : fits ? " " : "\n", word);
        column = fits ? column + 1 + more : more;
    }
    fputs("\n", file);
    free(all);
}

/* ---- functions ------------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* "module!name (file:line)"; to be freed. */
static char *place_text(const struct place *place)
{
    const char *module = base_name(place->module);
    return place->file ? need_text("%s!%s (%s:%u)", module, place->name, base_name(place->file),
                                   place->line)
                       : need_text("%s!%s", module, place->name);
}

/* The measured plan of this candidate alone, or NULL. */
static const struct contender *plan_of(const struct advice *advice, size_t candidate)
{
    for (size_t i = 0; i < advice->contender_count; i++) {
        const struct contender *plan = &advice->contenders[i];
        if (plan->kind == FUNCTIONS && plan->candidate_count == 1 &&
            plan->candidates[0] == candidate)
            return plan;
    }
    return NULL;
}

static double percent(uint64_t part, uint64_t whole)
{
    return whole > 0 ? 100 * (double)part / (double)whole : 0;
}

static void print_functions(const struct advice *advice, FILE *file)
{
    static const char *const headings[] = {"ACTIVATIONS", "CALLS",    "OF ALL",   "DIED INSIDE",
                                           "PEAK",        "EXPECTED", "MEASURED", "FUNCTION"};
    enum { SHOWN = 10 };
    uint64_t all = records_sum(advice->proven).calls;
    struct table table;
    table_start(&table, headings, COUNT(headings));
    for (size_t i = 0; i < lower(advice->candidate_count, SHOWN); i++) {
        const struct candidate *candidate = &advice->candidates[i];
        const struct record_tally *proven = &candidate->proven;
        const struct contender *plan = plan_of(advice, i);
        char *place = place_text(&candidate->place);
        table_row(&table);
        table_cell(&table, "%llu", (unsigned long long)proven->activations);
        table_cell(&table, "%llu", (unsigned long long)proven->calls);
        table_cell(&table, "%.1f%%", percent(proven->calls, all));
        table_cell(&table, "%.1f%%", percent(proven->inside, proven->calls));
        table_size(&table, proven->most_bytes);
        table_gain(&table, candidate->expected);
        table_gain(&table, plan ? plan->ratio : 0);
        table_cell(&table, "%s", place);
        free(place);
    }
    table_print(&table, width_of(file), file);
    if (advice->candidate_count > SHOWN)
        say(file, "(and %zu more, which --json has)", advice->candidate_count - SHOWN);
}

/* The stack that drew the survivors, from the innermost frame out to the function; to be freed. */
static char *stack_text(const struct record *record, uint32_t leaf,
                        const struct candidate *candidate)
{
    enum { INLINED = 16 };
    char *text = need(strdup(""));
    size_t frames = 0;
    for (uint32_t at = leaf; at != 0 && frames < SURVIVORS_FRAMES; frames++) {
        const struct record_frame *frame = &record->frames[at];
        const char *module = record->modules[frame->module].path;
        struct place places[INLINED];
        size_t count = places_frames(module, frame->function, frame->offset, places, INLINED);
        for (size_t i = 0; i < count; i++) {
            places[i].name[places_bare(places[i].name)] = '\0';
            char *place = place_text(&places[i]);
            char *longer = need_text("%s%s%s", text, *text == '\0' ? "" : " < ", place);
            places_free(&places[i]);
            free(place);
            free(text);
            text = longer;
        }
        if (places_entry(module, frame->function) == candidate->place.offset &&
            strcmp(module, candidate->place.module) == 0)
            break;
        at = frame->parent;
    }
    return text;
}

static void print_stacks(const struct advice *advice, const struct candidate *candidate, FILE *file)
{
    enum { STACKS_SHOWN = 3, MARGIN = 10, LEAST = 30 };
    const struct record_tally *proven = &candidate->proven;
    struct survivors *list;
    size_t count = survivors_find(advice, candidate, &list);
    unsigned width = width_of(file);
    if (count > 0) {
        fputs("\n", file);
        say(file, "Of the calls in %s %.1f%% outlive it, drawn about so (innermost frame first):",
            candidate->place.name, percent(proven->calls - proven->inside, proven->calls));
    }
    for (size_t i = 0; i < lower(count, STACKS_SHOWN); i++) {
        char *stack = stack_text(advice->proven, list[i].leaf, candidate);
        quote_controls(stack);
        fprintf(file, "  %5.1f%%  %.*s\n", 100 * list[i].share,
                width > 0 ? (int)higher(width, LEAST + MARGIN) - MARGIN : -1, stack);
        free(stack);
    }
    free(list);
}

static bool same_calls(const struct record_tally *a, const struct record_tally *b)
{
    const double equal = 1;
    return percent(higher(a->calls, b->calls) - lower(a->calls, b->calls), a->calls) < equal;
}

/* Of the best few functions that blocks outlive. */
static void print_survivors(const struct advice *advice, FILE *file)
{
    enum { FUNCTIONS_SHOWN = 3 };
    const double least = 1;
    const struct record_tally *last = NULL;
    size_t shown = 0;
    for (size_t i = 0; i < advice->candidate_count && shown < FUNCTIONS_SHOWN; i++) {
        const struct record_tally *proven = &advice->candidates[i].proven;
        /* Those that call one another alone are outlived by the same blocks. */
        if (percent(proven->calls - proven->inside, proven->calls) < least ||
            (shown > 0 && same_calls(proven, last)))
            continue;
        last = proven;
        print_stacks(advice, &advice->candidates[i], file);
        shown++;
    }
}

/* ---- plans ----------------------------------------------------------------------------------- */

static void print_plans(const struct advice *advice, FILE *file)
{
    static const char *const headings[] = {"CPU s",  "EXPECTED", "MEASURED", "FROM", "TO",
                                           "FAULTS", "PEAK",     "AT END",   "PLAN"};
    struct table table;
    if (advice->contenders[0].rounds == 0)
        return;
    table_start(&table, headings, COUNT(headings));
    for (size_t i = 0; i < advice->contender_count; i++) {
        const struct contender *plan = &advice->contenders[i];
        if (plan->rounds == 0)
            continue;
        table_row(&table);
        table_cell(&table, plan->cpu < 0.1 ? "%.4f" : "%.2f", plan->cpu);
        table_gain(&table, plan->expected);
        table_gain(&table, plan->kind == PLAIN ? 0 : plan->ratio);
        table_gain(&table, plan->kind == PLAIN ? 0 : plan->ratio_high);
        table_gain(&table, plan->kind == PLAIN ? 0 : plan->ratio_low);
        table_cell(&table, "%llu", (unsigned long long)plan->faults);
        table_size(&table, plan->peak);
        if (plan->at_end > 0)
            table_size(&table, plan->at_end);
        else
            table_cell(&table, "-");
        table_cell(&table, "%s%s", plan->name,
                   plan->differed > 0 ? " (thrown out: its output or exit status differs)" : "");
    }
    fputs("\n", file);
    table_print(&table, width_of(file), file);
}

/* ---- the verdict ----------------------------------------------------------------------------- */

/* The line to run. Of very many arguments the first are enough to know it by. */
static void print_line(const struct advice *advice, const char *options, FILE *file)
{
    enum { BYTES_MOST = 240 };
    char *command = quote_word(advice->wish->command);
    fprintf(file, "\n    %s run %s --", command, options);
    free(command);
    size_t used = 0;
    char **word = advice->wish->program;
    for (; *word; word++) {
        char *quoted = quote_word(*word);
        used += strlen(quoted);
        if (used <= BYTES_MOST || word == advice->wish->program)
            fprintf(file, " %s", quoted);
        free(quoted);
        if (used > BYTES_MOST)
            break;
    }
    fputs(*word ? " ...\n" : "\n", file);
}

/* The label of a mark: the name without parameters, as the inside of a string. */
static void print_label(const char *name, FILE *file)
{
    for (size_t i = 0, length = places_bare(name); i < length; i++)
        fprintf(file, name[i] == '"' || name[i] == '\\' ? "\\%c" : "%c", name[i]);
}

/* Marks are for C and C++. */
static bool can_be_marked(const struct place *place)
{
    static const char *const endings[] = {".c",   ".C", ".cc", ".cpp", ".cxx",
                                          ".c++", ".h", ".hh", ".hpp"};
    const char *ending = place->file ? strrchr(place->file, '.') : NULL;
    for (size_t i = 0; ending && i < COUNT(endings); i++)
        if (strcmp(ending, endings[i]) == 0)
            return true;
    return false;
}

/* Marks drop what is alive at the end of a scope, unless they are told to retain it. */
static void print_marks(const struct advice *advice, const struct contender *plan, FILE *file)
{
    for (size_t i = 0; i < plan->candidate_count; i++)
        if (!can_be_marked(&advice->candidates[plan->candidates[i]].place))
            return;
    if (plan->candidate_count == 0)
        return;
    fputs("\n", file);
    say(file,
        "In the source, with #include <arenashim/scope.h>, the same are these marks, each "
        "the first statement of its function, run with --end=retain%s:",
        plan->capacity > 0 ? " and the same capacity" : "");
    fputs("\n", file);
    for (size_t i = 0; i < plan->candidate_count; i++) {
        const struct place *place = &advice->candidates[plan->candidates[i]].place;
        fputs("    ARENA_SCOPE_HERE(\"", file);
        char *name = need_text("%s", place->name);
        quote_controls(name);
        print_label(name, file);
        fprintf(file, "\");   in %s, %s:%u\n", name, place->file, place->line);
        free(name);
    }
}

static void print_seen_safe(const struct advice *advice, const struct contender *plan, FILE *file)
{
    unsigned long long activations = 0;
    for (size_t i = 0; i < plan->candidate_count; i++)
        activations += advice->candidates[plan->candidates[i]].proven.activations;
    fputs("\n", file);
    say(file,
        "Faster still is to drop everything at the end of each activation (%.1f%%). That is seen "
        "safe in %llu activations of this run, not proven: another input may keep a block.",
        100 * (1 - plan->ratio), activations);
    print_line(advice, plan->options, file);
}

/* People come for a function: what it does where the whole process does as well. */
static void print_alternative(const struct advice *advice, FILE *file)
{
    enum { LEANER = 10 }; /* by more than a tenth */
    const struct contender *plan = &advice->contenders[plans_alternative(advice)];
    if (plan->kind != FUNCTIONS)
        return;
    const struct contender *best = &advice->contenders[advice->best];
    char *own = table_size_text(plan->at_end), *bests = table_size_text(best->at_end);
    fputs("\n", file);
    if (plan->at_end > 0 && plan->at_end < best->at_end - best->at_end / LEANER)
        say(file,
            "About as much gains %s alone (%.1f%%), and holds %s at the end, not %s:", plan->name,
            100 * (1 - plan->ratio), own, bests);
    else
        say(file, "About as much gains %s alone (%.1f%%):", plan->name, 100 * (1 - plan->ratio));
    free(own);
    free(bests);
    print_line(advice, plan->options, file);
    print_marks(advice, plan, file);
}

static void print_best(const struct advice *advice, FILE *file)
{
    const struct contender *best = &advice->contenders[advice->best];
    say(file,
        "%s takes %.1f%% less CPU time than the plain program (between %.1f%% and %.1f%% at 90%% "
        "confidence, %u rounds; expected: %.1f%%).",
        best->name, 100 * (1 - best->ratio), 100 * (1 - best->ratio_high),
        100 * (1 - best->ratio_low), best->rounds, 100 * (1 - best->expected));
    print_line(advice, best->options, file);
    print_marks(advice, best, file);
    print_alternative(advice, file);
}

/* Who keeps the program small, if it is not what is recommended anyway. */
static void print_leanest(const struct advice *advice, FILE *file)
{
    const struct contender *plain = &advice->contenders[0];
    const struct contender *plan = &advice->contenders[advice->leanest];
    bool at_end = plain->at_end > plan->at_end && plan->at_end > 0;
    char *own = table_size_text(at_end ? plan->at_end : plan->peak);
    char *plains = table_size_text(at_end ? plain->at_end : plain->peak);
    fputs("\n", file);
    say(file, "%s holds %s %s, plain %s.", plan->name, own, at_end ? "at the end" : "at its peak",
        plains);
    free(own);
    free(plains);
    if (advice->leanest != advice->best)
        print_line(advice, plan->options, file);
}

static void print_verdict(const struct advice *advice, FILE *file)
{
    const struct contender *best = &advice->contenders[advice->best];
    fputs("\n", file);
    switch (advice->verdict) {
    case VERDICT_NONE:
        say(file, "No scope pays here: %s.", advice->reason);
        break;
    case VERDICT_UNCERTAIN:
        say(file, "No verdict: %s.", advice->reason);
        if (best->kind == PLAIN)
            break;
        fputs("\n", file);
        say(file, "The best that is %s is %s (%.1f%%):", best->ratio > 0 ? "measured" : "expected",
            best->name, 100 * (1 - (best->ratio > 0 ? best->ratio : best->expected)));
        print_line(advice, best->options, file);
        break;
    case VERDICT_PLAN:
        print_best(advice, file);
    }
    if (advice->leanest > 0)
        print_leanest(advice, file);
    if (advice->seen_safe > 0)
        print_seen_safe(advice, &advice->contenders[advice->seen_safe], file);
}

/* How the sampled run was taken, and what of it is not known. */
static void print_sampling(const struct record *record, FILE *file)
{
    uint64_t stacks = records_sum(record).sampled * record->every;
    if (record->every > 1)
        say(file, "One call in %llu was sampled.", (unsigned long long)record->every);
    if (record->cut > 0)
        say(file, "%.1f%% of the stacks end in code without unwind information%s%s.",
            percent(record->cut, stacks),
            record->cut_module > 0 ? ", as in " : ", made at run time",
            base_name(record->modules[record->cut_module].path));
    if (record->too_deep > 0)
        say(file, "%.1f%% of the stacks have more than %d frames, and are left out.",
            percent(record->too_deep, stacks), RECORD_DEPTH);
    if (record->dropped > 0)
        say(file, "%.1f%% of the stacks are left out, since there was no room for them.",
            percent(record->dropped, stacks));
}

void text_advice(const struct advice *advice, FILE *file)
{
    say(file,
        "%s: %llu calls for memory, %llu bytes, in %.2f s of CPU time, of which malloc, free "
        "and realloc take %.1f%%",
        base_name(advice->wish->path), (unsigned long long)advice->counted.calls,
        (unsigned long long)advice->counted.bytes,
        (advice->plain[0].cpu + advice->plain[1].cpu) / 2, 100 * advice->share);
    if (advice->sampled)
        print_sampling(advice->sampled, file);
    if (advice->candidate_count > 0) {
        fputs("\n", file);
        print_functions(advice, file);
        if (advice->verdict != VERDICT_NONE)
            print_survivors(advice, file);
    }
    print_plans(advice, file);
    print_verdict(advice, file);
}
