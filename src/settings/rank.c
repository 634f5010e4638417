#include "settings/rank.h"

#include <stddef.h>
#include <stdlib.h>

#include "base/compiler.h"

/* Reads digits from `*at` on, and leaves it behind them. */
static bool read_digits(const char **at, int *number)
{
    const char *start = *at;
    int read = 0;
    for (; **at >= '0' && **at <= '9'; ++*at)
        if (__builtin_mul_overflow(read, 10, &read) ||
            __builtin_add_overflow(read, **at - '0', &read))
            return false;
    if (*at == start)
        return false;
    *number = read;
    return true;
}

bool rank_read(const char *text, int *rank)
{
    int read;
    if (!read_digits(&text, &read) || *text != '\0')
        return false;
    *rank = read;
    return true;
}

int rank_of_launcher(void)
{
    /* Slurm's comes last: a batch script has one, too, which what other launchers start inherits.
     */
    static const char *const variables[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                            "FLUX_TASK_RANK", "SLURM_PROCID"};
    int rank = RANK_NONE;
    for (size_t i = 0; i < COUNT(variables); i++) {
        const char *value = secure_getenv(variables[i]);
        if (value && rank_read(value, &rank))
            break;
    }
    return rank;
}

bool ranks_read(const char *list, int rank, bool *held)
{
    bool found = false;
    for (const char *at = list;; at++) {
        int first, last;
        if (!read_digits(&at, &first))
            return false;
        last = first;
        if (*at == '-' && (at++, !read_digits(&at, &last) || last < first))
            return false;
        found = found || (first <= rank && rank <= last);
        if (*at == '\0')
            break;
        if (*at != ',')
            return false;
    }
    *held = found;
    return true;
}
