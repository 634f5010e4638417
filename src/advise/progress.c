#include "advise/progress.h"

#include <err.h>
#include <errno.h>
#include <stdio.h>

#include "advise/trial.h"

static size_t left;

void progress_expect(size_t runs)
{
    left = runs;
}

void progress_run(struct trial *trial, const struct wish *wish, const char *what,
                  const char *preload, char *const settings[], int32_t *leader)
{
    if (!wish->quiet)
        fprintf(stderr, "arenashim: %s ...", what);
    trial_run(trial, wish, preload, settings, leader);
    left -= left > 0;
    if (!wish->quiet && trial->started)
        fprintf(stderr, " %.2f s; about %zu runs left, %.0f s\n", trial->wall, left,
                (double)left * trial->wall);
    if (!trial->started) {
        errno = trial->error;
        err(errno == ENOENT ? 127 : 126, "cannot run '%s'", wish->program[0]);
    }
}
