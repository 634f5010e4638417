#include "advise/scope_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "advise/plans.h"
#include "advise/quote.h"

/* As the rest of a comment: on one line. */
static void print_text(const char *text, FILE *file)
{
    for (; *text != '\0'; text++)
        putc(*text == '\n' ? ' ' : *text, file);
}

static void print_candidate(const struct candidate *candidate, FILE *file)
{
    const struct record_tally *proven = &candidate->proven;
    fputs("\n# ", file);
    print_text(candidate->place.name, file);
    if (candidate->place.file)
        fprintf(file, ", %s:%u", candidate->place.file, candidate->place.line);
    fprintf(file,
            "\n# %" PRIu64 " activations, by %" PRIu64 " threads; %" PRIu64
            " calls inside, %" PRIu64 " bytes\n# %.1f%% of these calls died inside; %" PRIu64
            " activations ended with a block alive; most at once: %" PRIu64 " bytes\n%s\n",
            proven->activations, proven->threads, proven->calls, proven->bytes,
            proven->calls > 0 ? 100 * (double)proven->inside / (double)proven->calls : 0,
            proven->surviving, proven->most_bytes,
            strchr(candidate->spec, '\n') ? "# No file can say that name." : candidate->spec);
}

static void print_program(const struct wish *wish, FILE *file)
{
    enum { WORDS_MOST = 8 };
    fputs("# Found by arenashim advise for:", file);
    for (size_t i = 0; i < WORDS_MOST && wish->program[i]; i++) {
        char *quoted = quote_word(wish->program[i]);
        putc(' ', file);
        print_text(quoted, file);
        free(quoted);
        if (i + 1 == WORDS_MOST && wish->program[WORDS_MOST])
            fputs(" ...", file);
    }
    putc('\n', file);
}

static void print_plan(const struct advice *advice, const struct contender *plan, FILE *file)
{
    fprintf(file,
            "# CPU time: %.3f of the plain program's (%.3f to %.3f at 90%% confidence, %u rounds; "
            "expected: %.3f)\n# Options: ",
            plan->ratio, plan->ratio_low, plan->ratio_high, plan->rounds, plan->expected);
    print_text(plan->options, file);
    putc('\n', file);
    for (size_t i = 0; i < plan->candidate_count; i++)
        print_candidate(&advice->candidates[plan->candidates[i]], file);
}

void scope_file_write(const struct advice *advice, FILE *file)
{
    print_program(advice->wish, file);
    const struct contender *best = &advice->contenders[advice->best];
    const struct contender *functions = &advice->contenders[plans_alternative(advice)];
    if (advice->verdict == VERDICT_PLAN) {
        print_plan(advice, best, file);
        if (best->kind != FUNCTIONS)
            fputs("# No file can say that.\n", file);
        if (functions->kind == FUNCTIONS) {
            fputs("#\n# What gains about as much, and can be said here:\n", file);
            print_plan(advice, functions, file);
        }
        return;
    }
    fputs(advice->verdict == VERDICT_NONE ? "# No scope pays here: " : "# No verdict: ", file);
    print_text(advice->reason, file);
    putc('\n', file);
}
