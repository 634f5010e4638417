#include "cli/job.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

#include "advise/need.h"
#include "settings/rank.h"
#include "settings/table.h"

/* The settings on ranks. What the shim does not accept, it ignores. */
static struct config settings_of_job(void)
{
    struct config config = {.rank = rank_of_launcher(), .rank_listed = true};
    static const enum setting_id ids[] = {SETTING_RANK, SETTING_RANKS};
    for (int i = 0; i < 2; i++) {
        const struct setting *setting = &settings[ids[i]];
        const char *value = getenv(setting->variable);
        if (value)
            setting->read(setting, &config, value);
    }
    return config;
}

bool job_leaves_out(void)
{
    struct config config = settings_of_job();
    if (!config.rank_listed && config.rank == RANK_NONE)
        warnx(
            "nothing is judged or reported: --ranks (ARENASHIM_RANKS) is set and this process has "
            "no rank; ARENASHIM_RANK can give it one");
    return !config.rank_listed;
}

const char *job_name(const char *name)
{
    int rank = settings_of_job().rank;
    char *made = NULL;
    size_t size;
    if (!name)
        return NULL;
    FILE *out = need(open_memstream(&made, &size));
    for (; *name != '\0'; name++)
        if (name[0] != '%' || name[1] != 'r') {
            fputc(*name, out);
        } else {
            rank == RANK_NONE ? fprintf(out, "-") : fprintf(out, "%d", rank);
            name++;
        }
    if (fclose(out) != 0)
        need(NULL);
    return made;
}
