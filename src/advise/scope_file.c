#include "advise/scope_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "advise/quote.h"

/* As the rest of a comment: on one line. */
static void print_text(const char *text, FILE *file)
{
    for (; *text != '\0'; text++)
        putc(*text == '\n' ? ' ' : *text, file);
}

static void print_candidate(const struct candidate *candidate, FILE *file)
{
    const struct record_function *proven = &candidate->proven;
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
            proven->surviving, proven->most_bytes, candidate->spec);
}

void scope_file_write(const struct advice *advice, FILE *file)
{
    fputs("# Found by arenashim advise for:", file);
    for (char **word = advice->wish->program; *word; word++) {
        char *quoted = quote_word(*word);
        putc(' ', file);
        print_text(quoted, file);
        free(quoted);
    }
    putc('\n', file);
    const struct contender *best = &advice->contenders[advice->best];
    if (advice->verdict != VERDICT_PLAN) {
        fputs(advice->verdict == VERDICT_NONE ? "# No scope pays here: " : "# No verdict: ", file);
        print_text(advice->reason ? advice->reason : "nothing gains", file);
        putc('\n', file);
        return;
    }
    fprintf(file,
            "# CPU time: %.3f of the plain program's (%.3f to %.3f at 90%% confidence, %u "
            "rounds; expected: %.3f)\n# Options: ",
            best->ratio, best->ratio_low, best->ratio_high, best->rounds, best->expected);
    print_text(best->options ? best->options : "", file);
    putc('\n', file);
    for (size_t i = 0; i < best->candidate_count; i++)
        print_candidate(&advice->candidates[best->candidates[i]], file);
}
