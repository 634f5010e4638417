/*
 * Unit tests of config.h: defaults, every variable with good and bad values, the lines about bad
 * values and unknown names, and how capacity and limit are made to fit each other.
 */
#include "harness.h"

static struct config config;
static struct capture capture;

/* Reads the settings and returns what was said about them. */
static const char *read_config(void)
{
    memset(&config, 0x5a, sizeof config);
    capture_start(&capture);
    config_read(&config);
    return capture_end(&capture);
}

static void read_quietly(void)
{
    ck_assert_str_eq(read_config(), "");
}

/* Fixture: the environment without any of the settings. */
static void clear_settings(void)
{
    extern char **environ;
    char name[256];
    for (char **entry = environ; *entry;) {
        size_t length = strcspn(*entry, "=");
        entry++;
        if (strncmp(entry[-1], "ARENASHIM_", 10) != 0 || length >= sizeof name)
            continue;
        memcpy(name, entry[-1], length);
        name[length] = '\0';
        unsetenv(name);
        entry = environ;
    }
}

/* ---- defaults -------------------------------------------------------------------------------- */

START_TEST(defaults)
{
    read_quietly();
    ck_assert_uint_eq(config.capacity, MIB);
    ck_assert_uint_eq(config.limit, 1024 * MIB);
    ck_assert_uint_eq(config.align, 16);
    ck_assert_int_eq(config.overflow, OVERFLOW_GROW);
    ck_assert_int_eq(config.stats, STATS_TEXT);
    ck_assert(!config.stats_at_exit);
    ck_assert(!config.disabled);
    ck_assert_str_eq(config.modules, "");
    ck_assert_str_eq(config.stats_file, "");
}
END_TEST

/* ---- good values ----------------------------------------------------------------------------- */

START_TEST(capacity_and_limit_take_suffixes)
{
    setenv("ARENASHIM_CAPACITY", "64K", 1);
    setenv("ARENASHIM_LIMIT", "2m", 1);
    read_quietly();
    ck_assert_uint_eq(config.capacity, 64 * KIB);
    ck_assert_uint_eq(config.limit, 2 * MIB);
}
END_TEST

START_TEST(the_least_and_the_largest_capacity)
{
    setenv("ARENASHIM_CAPACITY", "4096", 1);
    read_quietly();
    ck_assert_uint_eq(config.capacity, 4096);
    setenv("ARENASHIM_CAPACITY", "1024G", 1);
    read_quietly();
    ck_assert_uint_eq(config.capacity, (size_t)1 << 40);
    ck_assert_uint_eq(config.limit, (size_t)1 << 40);
}
END_TEST

START_TEST(sizes_are_rounded_up_to_pages)
{
    setenv("ARENASHIM_CAPACITY", "4097", 1);
    setenv("ARENASHIM_LIMIT", "100000", 1);
    read_quietly();
    ck_assert_uint_eq(config.capacity, 8192);
    ck_assert_uint_eq(config.limit, 102400);
}
END_TEST

START_TEST(a_limit_that_rounds_up_to_the_capacity_is_taken)
{
    setenv("ARENASHIM_CAPACITY", "8192", 1);
    setenv("ARENASHIM_LIMIT", "8191", 1);
    read_quietly();
    ck_assert_uint_eq(config.limit, 8192);
}
END_TEST

START_TEST(every_alignment)
{
    char value[24];
    for (size_t align = 16; align <= 4096; align *= 2) {
        snprintf(value, sizeof value, "%zu", align);
        setenv("ARENASHIM_ALIGN", value, 1);
        read_quietly();
        ck_assert_uint_eq(config.align, align);
    }
    setenv("ARENASHIM_ALIGN", "4K", 1);
    read_quietly();
    ck_assert_uint_eq(config.align, 4096);
}
END_TEST

START_TEST(every_overflow_policy)
{
    static const char *const names[] = {"grow", "fallback", "error", "abort"};
    static const enum overflow_policy policies[] = {OVERFLOW_GROW, OVERFLOW_FALLBACK,
                                                    OVERFLOW_ERROR, OVERFLOW_ABORT};
    for (size_t i = 0; i < COUNT(names); i++) {
        setenv("ARENASHIM_OVERFLOW", names[i], 1);
        read_quietly();
        ck_assert_int_eq(config.overflow, policies[i]);
    }
}
END_TEST

START_TEST(every_statistics_format)
{
    setenv("ARENASHIM_STATS", "json", 1);
    read_quietly();
    ck_assert_int_eq(config.stats, STATS_JSON);
    ck_assert(config.stats_at_exit);
    setenv("ARENASHIM_STATS", "text", 1);
    read_quietly();
    ck_assert_int_eq(config.stats, STATS_TEXT);
    ck_assert(config.stats_at_exit);
}
END_TEST

START_TEST(a_statistics_file_asks_for_statistics)
{
    setenv("ARENASHIM_STATS_FILE", "/tmp/of-%p-at-%h", 1);
    read_quietly();
    ck_assert_str_eq(config.stats_file, "/tmp/of-%p-at-%h");
    ck_assert_int_eq(config.stats, STATS_TEXT);
    ck_assert(config.stats_at_exit);
}
END_TEST

START_TEST(module_lists_are_kept_as_given)
{
    static const char *const lists[] = {"marked", "main", "all", "+lib*.so*", "-a,+b,c,marked"};
    for (size_t i = 0; i < COUNT(lists); i++) {
        setenv("ARENASHIM_MODULES", lists[i], 1);
        read_quietly();
        ck_assert_str_eq(config.modules, lists[i]);
    }
}
END_TEST

START_TEST(disable_takes_0_and_1)
{
    setenv("ARENASHIM_DISABLE", "1", 1);
    read_quietly();
    ck_assert(config.disabled);
    setenv("ARENASHIM_DISABLE", "0", 1);
    read_quietly();
    ck_assert(!config.disabled);
}
END_TEST

START_TEST(follow_takes_0_and_1)
{
    setenv("ARENASHIM_FOLLOW", "0", 1);
    read_quietly();
    ck_assert(!config.follow);
    setenv("ARENASHIM_FOLLOW", "1", 1);
    read_quietly();
    ck_assert(config.follow);
}
END_TEST

START_TEST(scopes_are_of_threads_or_of_the_process)
{
    setenv("ARENASHIM_SCOPES", "thread", 1);
    read_quietly();
    ck_assert_int_eq(config.scopes, SCOPES_THREAD);
    setenv("ARENASHIM_SCOPES", "a.so!f*;process;;g;", 1);
    config_read(&config);
    ck_assert_int_eq(config.scopes, SCOPES_PROCESS);
    ck_assert_str_eq(config.specs, "a.so!f*;g");
    setenv("ARENASHIM_SCOPES", "process", 1);
    read_quietly();
    ck_assert_int_eq(config.scopes, SCOPES_PROCESS);
}
END_TEST

START_TEST(debug_switches_combine)
{
    static const struct {
        const char *value;
        unsigned debug;
    } lists[] = {
        {"poison", DEBUG_POISON},
        {"quarantine", DEBUG_QUARANTINE},
        {"verify", DEBUG_VERIFY},
        {"log", DEBUG_LOG},
        {"log,poison", DEBUG_LOG | DEBUG_POISON},
        {"poison,poison", DEBUG_POISON},
        {"verify,log,poison,quarantine",
         DEBUG_VERIFY | DEBUG_LOG | DEBUG_POISON | DEBUG_QUARANTINE},
    };
    for (size_t i = 0; i < COUNT(lists); i++) {
        setenv("ARENASHIM_DEBUG", lists[i].value, 1);
        read_quietly();
        ck_assert_uint_eq(config.debug, lists[i].debug);
    }
}
END_TEST

START_TEST(the_longest_values)
{
    char modules[sizeof config.modules];
    char stats_file[sizeof config.stats_file];
    memset(modules, 'm', sizeof modules);
    memset(stats_file, 'f', sizeof stats_file);
    modules[sizeof modules - 1] = stats_file[sizeof stats_file - 1] = '\0';
    setenv("ARENASHIM_MODULES", modules, 1);
    setenv("ARENASHIM_STATS_FILE", stats_file, 1);
    read_quietly();
    ck_assert_str_eq(config.modules, modules);
    ck_assert_str_eq(config.stats_file, stats_file);
}
END_TEST

/* ---- bad values ------------------------------------------------------------------------------ */

#define BYTES "a number of bytes from 4K to 1024G, with an optional suffix K, M or G"
#define ALIGNMENTS "a power of two from 16 to 4096"
#define POLICIES "grow, fallback, error or abort"
#define DEBUG_SWITCHES "a comma list of poison, quarantine, verify and log"
#define RANK "a number from 0 to 2147483647"
#define RANKS "a comma list of ranks and ranges, such as 0,8-15"
#define LIST                                                                                       \
    "a comma list of marked, main, all and module name globs, each glob with + (the default) or "  \
    "- before it"

static const struct {
    const char *name, *value, *accepted;
} bad[] = {
    {"CAPACITY", "", BYTES},
    {"CAPACITY", "4095", BYTES},
    {"CAPACITY", "1025G", BYTES},
    {"CAPACITY", "-1", BYTES},
    {"CAPACITY", "1T", BYTES},
    {"CAPACITY", "99999999999999999999", BYTES},
    {"LIMIT", "0", BYTES},
    {"LIMIT", "1 M", BYTES},
    {"LIMIT", "1099511627777", BYTES},
    {"OVERFLOW", "", POLICIES},
    {"OVERFLOW", "Grow", POLICIES},
    {"OVERFLOW", "none", POLICIES},
    {"ALIGN", "0", ALIGNMENTS},
    {"ALIGN", "8", ALIGNMENTS},
    {"ALIGN", "48", ALIGNMENTS},
    {"ALIGN", "8192", ALIGNMENTS},
    {"ALIGN", "x", ALIGNMENTS},
    {"MODULES", "", LIST},
    {"MODULES", ",", LIST},
    {"MODULES", "a,", LIST},
    {"MODULES", ",a", LIST},
    {"MODULES", "a,,b", LIST},
    {"MODULES", "+", LIST},
    {"MODULES", "a,-", LIST},
    {"MODULES", "-,a", LIST},
    {"STATS", "", "text or json"},
    {"STATS", "xml", "text or json"},
    {"STATS", "JSON", "text or json"},
    {"STATS_FILE", "", "a file name of at most 4095 bytes"},
    {"SCOPES", "", "thread, process and specs [MODULE!]NAME, separated by ;"},
    {"SCOPE_FILE", "", "a file name of at most 4095 bytes"},
    {"SCOPE_STRICT", "yes", "0 or 1"},
    {"SCOPE_LIST", "", "0 or 1"},
    {"WATCH", "", "a file name of at most 4095 bytes"},
    {"END", "", "reset or retain"},
    {"END", "Retain", "reset or retain"},
    {"STACK", "", "a multiple of 16 from 0 to 4096"},
    {"STACK", "8", "a multiple of 16 from 0 to 4096"},
    {"STACK", "4112", "a multiple of 16 from 0 to 4096"},
    {"DEBUG", "", DEBUG_SWITCHES},
    {"DEBUG", "poison,", DEBUG_SWITCHES},
    {"DEBUG", ",log", DEBUG_SWITCHES},
    {"DEBUG", "poison,quarantines", DEBUG_SWITCHES},
    {"DEBUG", "all", DEBUG_SWITCHES},
    {"RANK", "", RANK},
    {"RANK", "-1", RANK},
    {"RANK", "2147483648", RANK},
    {"RANK", "1K", RANK},
    {"RANKS", "", RANKS},
    {"RANKS", "3-1", RANKS},
    {"RANKS", "1,", RANKS},
    {"FOLLOW", "", "0 or 1"},
    {"FOLLOW", "no", "0 or 1"},
    {"MEMCHECK", "yes", "0 or 1"},
    {"DISABLE", "", "0 or 1"},
    {"DISABLE", "yes", "0 or 1"},
    {"DISABLE", "2", "0 or 1"},
};

START_TEST(a_bad_value_is_one_line_and_the_default)
{
    static struct config usual;
    char name[64];
    char line[512];
    config_read(&usual);
    snprintf(name, sizeof name, "ARENASHIM_%s", bad[_i].name);
    snprintf(line, sizeof line, "arenashim: %s='%s' is not accepted and is ignored; it takes %s\n",
             name, bad[_i].value, bad[_i].accepted);
    setenv(name, bad[_i].value, 1);
    ck_assert_str_eq(read_config(), line);
    ck_assert_uint_eq(config.capacity, usual.capacity);
    ck_assert_uint_eq(config.limit, usual.limit);
    ck_assert_uint_eq(config.align, usual.align);
    ck_assert_int_eq(config.overflow, usual.overflow);
    ck_assert_int_eq(config.stats, usual.stats);
    ck_assert(!config.stats_at_exit && !config.disabled && config.follow);
    ck_assert_int_eq(config.scopes, SCOPES_NONE);
    ck_assert_uint_eq(config.debug, 0);
    ck_assert_str_eq(config.modules, "");
    ck_assert_str_eq(config.stats_file, "");
}
END_TEST

START_TEST(values_that_are_too_long_are_refused)
{
    char modules[sizeof config.modules + 1];
    char stats_file[sizeof config.stats_file + 1];
    memset(modules, 'm', sizeof modules);
    memset(stats_file, 'f', sizeof stats_file);
    modules[sizeof modules - 1] = stats_file[sizeof stats_file - 1] = '\0';
    setenv("ARENASHIM_MODULES", modules, 1);
    setenv("ARENASHIM_STATS_FILE", stats_file, 1);
    const char *said = read_config();
    ck_assert_ptr_nonnull(strstr(said, "m' is not accepted and is ignored; it takes " LIST "\n"));
    ck_assert_ptr_nonnull(strstr(said, "f' is not accepted and is ignored; it takes a file name"));
    ck_assert_str_eq(config.modules, "");
    ck_assert_str_eq(config.stats_file, "");
}
END_TEST

START_TEST(other_settings_survive_a_bad_one)
{
    setenv("ARENASHIM_CAPACITY", "much", 1);
    setenv("ARENASHIM_ALIGN", "64", 1);
    ck_assert_str_ne(read_config(), "");
    ck_assert_uint_eq(config.capacity, MIB);
    ck_assert_uint_eq(config.align, 64);
}
END_TEST

/* ---- names ----------------------------------------------------------------------------------- */

#define NAMES                                                                                      \
    "ARENASHIM_CAPACITY, ARENASHIM_LIMIT, ARENASHIM_OVERFLOW, ARENASHIM_ALIGN, "                   \
    "ARENASHIM_MODULES, ARENASHIM_SCOPES, ARENASHIM_SCOPE_FILE, ARENASHIM_SCOPE_STRICT, "          \
    "ARENASHIM_SCOPE_LIST, ARENASHIM_END, ARENASHIM_STACK, ARENASHIM_DEBUG, "                      \
    "ARENASHIM_STATS, "                                                                            \
    "ARENASHIM_STATS_FILE, ARENASHIM_RANK, ARENASHIM_RANKS, "                                      \
    "ARENASHIM_FOLLOW, ARENASHIM_MEMCHECK, ARENASHIM_WATCH and "                                   \
    "ARENASHIM_DISABLE\n"

static const char *const unknown[] = {"CAPACTY", "STAT", "STATS_FIL", "STATS_FILES", "limit", ""};

START_TEST(an_unknown_name_is_one_line)
{
    char name[64];
    char line[512];
    snprintf(name, sizeof name, "ARENASHIM_%s", unknown[_i]);
    snprintf(line, sizeof line,
             "arenashim: %s='7' is ignored: there is no such setting; there are " NAMES, name);
    setenv(name, "7", 1);
    ck_assert_str_eq(read_config(), line);
}
END_TEST

START_TEST(names_without_the_prefix_are_left_alone)
{
    setenv("ARENASHIMX", "1", 1);
    setenv("XARENASHIM_LIMIT", "1", 1);
    setenv("ARENASHIM", "1", 1);
    read_quietly();
    unsetenv("ARENASHIMX");
    unsetenv("XARENASHIM_LIMIT");
    unsetenv("ARENASHIM");
}
END_TEST

/* ---- capacity and limit ---------------------------------------------------------------------- */

START_TEST(a_limit_below_the_capacity_is_ignored)
{
    setenv("ARENASHIM_CAPACITY", "2M", 1);
    setenv("ARENASHIM_LIMIT", "1M", 1);
    const char *said = read_config();
    ck_assert_ptr_nonnull(strstr(said, "ARENASHIM_LIMIT"));
    ck_assert_ptr_nonnull(strstr(said, "2097152 bytes\n"));
    ck_assert_ptr_eq(strchr(said, '\n'), said + strlen(said) - 1);
    ck_assert_uint_eq(config.capacity, 2 * MIB);
    ck_assert_uint_eq(config.limit, 1024 * MIB);
}
END_TEST

/* The value too, as for every bad value. */
START_TEST(the_line_about_a_limit_below_the_capacity_names_the_value)
{
    setenv("ARENASHIM_CAPACITY", "2M", 1);
    setenv("ARENASHIM_LIMIT", "777777", 1);
    ck_assert_ptr_nonnull(strstr(read_config(), "ARENASHIM_LIMIT='777777'"));
}
END_TEST

START_TEST(a_large_capacity_raises_the_default_limit)
{
    setenv("ARENASHIM_CAPACITY", "2G", 1);
    read_quietly();
    ck_assert_uint_eq(config.limit, 2048 * MIB);
}
END_TEST

/* ---- suite ----------------------------------------------------------------------------------- */

static Suite *config_suite(void)
{
    Suite *suite = suite_create("config");
    TCase *tcase = tcase_create("config");
    tcase_add_checked_fixture(tcase, clear_settings, clear_settings);
    tcase_add_test(tcase, defaults);
    tcase_add_test(tcase, capacity_and_limit_take_suffixes);
    tcase_add_test(tcase, the_least_and_the_largest_capacity);
    tcase_add_test(tcase, sizes_are_rounded_up_to_pages);
    tcase_add_test(tcase, a_limit_that_rounds_up_to_the_capacity_is_taken);
    tcase_add_test(tcase, every_alignment);
    tcase_add_test(tcase, every_overflow_policy);
    tcase_add_test(tcase, every_statistics_format);
    tcase_add_test(tcase, a_statistics_file_asks_for_statistics);
    tcase_add_test(tcase, module_lists_are_kept_as_given);
    tcase_add_test(tcase, follow_takes_0_and_1);
    tcase_add_test(tcase, scopes_are_of_threads_or_of_the_process);
    tcase_add_test(tcase, debug_switches_combine);
    tcase_add_test(tcase, disable_takes_0_and_1);
    tcase_add_test(tcase, the_longest_values);
    tcase_add_loop_test(tcase, a_bad_value_is_one_line_and_the_default, 0, COUNT(bad));
    tcase_add_test(tcase, values_that_are_too_long_are_refused);
    tcase_add_test(tcase, other_settings_survive_a_bad_one);
    tcase_add_loop_test(tcase, an_unknown_name_is_one_line, 0, COUNT(unknown));
    tcase_add_test(tcase, names_without_the_prefix_are_left_alone);
    tcase_add_test(tcase, a_limit_below_the_capacity_is_ignored);
    tcase_add_test(tcase, the_line_about_a_limit_below_the_capacity_names_the_value);
    tcase_add_test(tcase, a_large_capacity_raises_the_default_limit);
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(int argc, char **argv)
{
    static const struct fresh cases[] = {{NULL, NULL}};
    return run_suite(config_suite, cases, argc, argv);
}
