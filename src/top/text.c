#include "top/text.h"

#include <inttypes.h>
#include <stdlib.h>

/* Lines that are no thread's and no site's. */
#define LINES_FIXED 5

/* ---- numbers --------------------------------------------------------------------------------- */

/* As few characters as tell how much it is: 9999, 10.0k, 1.5M. */
struct amount {
    char text[16];
};

static struct amount amount(double number, double step)
{
    static const char suffixes[] = "kMGTPE";
    struct amount result;
    const char *suffix = suffixes;
    if (number < 10000) {
        snprintf(result.text, sizeof result.text, "%.0f", number);
        return result;
    }
    for (number /= step; number >= 999.95 && suffix[1] != '\0'; number /= step)
        suffix++;
    snprintf(result.text, sizeof result.text, "%.1f%c", number, *suffix);
    return result;
}
#define COUNTED(number) amount((double)(number), 1000).text
#define BYTES(number) amount((double)(number), 1024).text

/* ---- order ----------------------------------------------------------------------------------- */

/* A row, and what it is placed by: what happens now, then what has happened so far. */
struct row {
    unsigned index;
    double rate, sum;
};

static int compare(const void *left, const void *right)
{
    const struct row *a = left, *b = right;
    if (a->rate != b->rate)
        return a->rate < b->rate ? 1 : -1;
    if (a->sum != b->sum)
        return a->sum < b->sum ? 1 : -1;
    return a->index < b->index ? -1 : 1;
}

static unsigned order_threads(const struct look *look, enum order order, struct row *rows)
{
    unsigned count = 0;
    for (unsigned i = 0; i < look->slots; i++) {
        const struct look_thread *thread = &look->threads[i];
        if (thread->owned)
            rows[count++] = order == ORDER_CALLS
                                ? (struct row){i, thread->calls_rate, (double)thread->calls}
                                : (struct row){i, thread->bytes_rate, (double)thread->bytes};
    }
    qsort(rows, count, sizeof *rows, compare);
    return count;
}

static unsigned order_sites(const struct look *look, enum order order, struct row *rows)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SITES_MAX; i++) {
        const struct look_site *site = &look->sites[i];
        if (site->there)
            rows[count++] = order == ORDER_CALLS
                                ? (struct row){i, site->calls_rate, (double)site->sums.calls}
                                : (struct row){i, site->bytes_rate, (double)site->sums.bytes};
    }
    qsort(rows, count, sizeof *rows, compare);
    return count;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static const char *label_of(const struct look_site *site)
{
    return site->label[0] != '\0' ? site->label : "(no label)";
}

static void print_thread(FILE *out, const struct look *look, const struct look_thread *thread)
{
    fprintf(out, "%8d  %-15s %9s %9s %9s %9s %9s  ", (int)thread->number, thread->name,
            COUNTED(thread->calls_rate), BYTES(thread->bytes_rate), BYTES(thread->arena),
            BYTES(thread->retained), BYTES(thread->peak));
    for (unsigned i = 0; i < thread->depth; i++)
        fprintf(out, "%s%s%s", i > 0 ? " > " : "", label_of(&look->sites[thread->scopes[i].site]),
                thread->scopes[i].paused ? " (paused)" : "");
    fputs(thread->steady ? "\n" : " ~\n", out);
}

static void print_site(FILE *out, const struct look_site *site)
{
    fprintf(out, "%9s %9s %9s %9s %9s %9s %5u  %s", COUNTED(site->calls_rate),
            BYTES(site->bytes_rate), COUNTED(site->scopes_rate), COUNTED(site->sums.calls),
            BYTES(site->sums.bytes), BYTES(site->sums.peak), site->open, label_of(site));
    if (site->file[0] != '\0')
        fprintf(out, " %s:%" PRIu32, site->file, site->line);
    fputc('\n', out);
}

void text_print(FILE *out, const struct look *look, enum order order, unsigned lines)
{
    static struct row threads[REGION_SLOTS_MAX], sites[SITES_MAX];
    unsigned thread_count = order_threads(look, order, threads);
    unsigned site_count = order_sites(look, order, sites);
    if (lines > 0) {
        unsigned room = lines > LINES_FIXED ? lines - LINES_FIXED : 0;
        if (thread_count + site_count > room && thread_count > room / 2)
            thread_count = site_count < room / 2 ? room - site_count : room / 2;
        if (thread_count + site_count > room)
            site_count = room - thread_count;
    }
    fprintf(out,
            "%s, pid %d, libarenashim %s: %u thread%s with an arena, %u open scope%s, %s calls/s, "
            "%s bytes/s\n\n",
            look->name, (int)look->pid, look->version, look->owners, look->owners == 1 ? "" : "s",
            look->open, look->open == 1 ? "" : "s", COUNTED(look->calls_rate),
            BYTES(look->bytes_rate));
    fputs("  thread  name              calls/s   bytes/s     arena  retained      peak  "
          "open scopes\n",
          out);
    for (unsigned i = 0; i < thread_count; i++)
        print_thread(out, look, &look->threads[threads[i].index]);
    fputs("\n  calls/s   bytes/s  scopes/s     calls     bytes      peak  open  site\n", out);
    for (unsigned i = 0; i < site_count; i++)
        print_site(out, &look->sites[sites[i].index]);
}
