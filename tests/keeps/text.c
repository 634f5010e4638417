/*
 * What libc keeps about languages, patterns and times, and for searching and sorting.
 */
#define _GNU_SOURCE
#include <argz.h>
#include <envz.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <glob.h>
#include <iconv.h>
#include <langinfo.h>
#include <libintl.h>
#include <locale.h>
#include <regex.h>
#include <search.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>
#include <wordexp.h>

#include "keeps.h"

/* ---- locales --------------------------------------------------------------------------------- */

static void setlocale_first(void)
{
    EXPECT(setlocale(LC_ALL, "C.UTF-8") != NULL);
    EXPECT(strcmp(localeconv()->decimal_point, ".") == 0);
}

static void setlocale_again(void)
{
    EXPECT(strcmp(setlocale(LC_ALL, NULL), "C.UTF-8") == 0);
    EXPECT(strcmp(nl_langinfo(CODESET), "UTF-8") == 0);
    EXPECT(strcmp(localeconv()->decimal_point, ".") == 0 && mblen("\xc3\xa4", 2) == 2);
    EXPECT(strcmp(setlocale(LC_CTYPE, "C"), "C") == 0);
    EXPECT(strstr(setlocale(LC_ALL, NULL), "LC_CTYPE=C;") != NULL);
    EXPECT(strcmp(setlocale(LC_ALL, "POSIX"), "C") == 0);
}

static locale_t locale, copy;

static void newlocale_first(void)
{
    locale = newlocale(LC_ALL_MASK, "C.UTF-8", (locale_t)0);
    EXPECT(locale && (copy = duplocale(locale)) != NULL);
    EXPECT(iswalpha_l(0xe4, locale) && strcoll_l("a", "b", locale) < 0);
}

static void newlocale_again(void)
{
    locale_t before = uselocale(copy);
    EXPECT(MB_CUR_MAX == 6 && iswalpha(0xe4) && towupper(0xe4) == 0xc4);
    EXPECT(strcmp(nl_langinfo(CODESET), "UTF-8") == 0);
    uselocale(before);
    freelocale(copy);
    locale = newlocale(LC_NUMERIC_MASK, "C", locale);
    EXPECT(locale != NULL && iswalpha_l(0xe4, locale));
    freelocale(locale);
}

/* The first conversion of a locale looks its functions up and keeps them. */
static void wide_conversions_first(void)
{
    wchar_t text[10];
    EXPECT(setlocale(LC_CTYPE, "C.UTF-8") != NULL);
    EXPECT(mbstowcs(text, "\xc3\xa4z", 10) == 2 && text[0] == 0xe4);
    EXPECT(wctype("alpha") != 0 && wctrans("toupper") != 0 && btowc('a') == L'a');
}

static void wide_conversions_again(void)
{
    char text[10] = "";
    EXPECT(wcstombs(text, L"\xe4z", sizeof text) == 3 && strcmp(text, "\xc3\xa4z") == 0);
    EXPECT(iswctype(0xe4, wctype("alpha")) && towctrans(L'a', wctrans("toupper")) == L'A');
    EXPECT(wcscoll(L"a", L"b") < 0 && strxfrm(text, "a", sizeof text) > 0);
}

static iconv_t built_in, loaded;

static void convert(iconv_t converter, const char *wanted, size_t size)
{
    char text[] = "z\xc3\xa4", result[16], *from = text, *to = result;
    size_t left = sizeof text - 1, room = sizeof result;
    EXPECT(iconv(converter, &from, &left, &to, &room) == 0);
    EXPECT(sizeof result - room == size && memcmp(result, wanted, size) == 0);
}

static void iconv_open_first(void)
{
    built_in = iconv_open("UTF-16LE", "UTF-8");
    loaded = iconv_open("ISO-8859-1", "UTF-8");
    EXPECT(built_in != (iconv_t)-1 && loaded != (iconv_t)-1);
}

static void iconv_open_again(void)
{
    convert(built_in, "z\0\xe4\0", 4);
    convert(loaded, "z\xe4", 2);
    EXPECT(iconv_close(built_in) == 0 && iconv_close(loaded) == 0);
    loaded = iconv_open("ISO-8859-15", "UTF-8");
    EXPECT(loaded != (iconv_t)-1);
    convert(loaded, "z\xe4", 2);
    EXPECT(iconv_close(loaded) == 0);
}

/* A catalogue with one plural form, and a header: see "The Format of GNU MO Files". */
static void write_catalogue(void)
{
    static const char header[] = "Content-Type: text/plain; charset=UTF-8\n"
                                 "Plural-Forms: nplurals=2; plural=n != 1;\n";
    static const char key[] = "one block\0%d blocks";
    static const char value[] = "ein Block\0%d Bl\xc3\xb6"
                                "cke";
    enum { TABLES = 28, STRINGS = TABLES + 32 };
    struct {
        uint32_t magic, revision, strings, keys, values, hash_size, hash;
        struct {
            uint32_t size, offset;
        } entries[4];
        char text[200];
    } file = {0x950412de, 0, 2, TABLES, TABLES + 16, 0, STRINGS, {{0, 0}}, ""};
    char *at = file.text;
    const struct {
        const char *text;
        size_t size;
    } parts[4] = {
        {"", 0}, {key, sizeof key - 1}, {header, sizeof header - 1}, {value, sizeof value - 1}};
    for (int i = 0; i < 4; i++) {
        file.entries[i].size = (uint32_t)parts[i].size;
        file.entries[i].offset = STRINGS + (uint32_t)(at - file.text);
        memcpy(at, parts[i].text, parts[i].size);
        at += parts[i].size + 1;
    }
    mkdir(keeps_path("de"), 0755);
    mkdir(keeps_path("de/LC_MESSAGES"), 0755);
    int fd = open(keeps_path("de/LC_MESSAGES/keeps.mo"), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    EXPECT(fd >= 0 && write(fd, &file, sizeof file) == (ssize_t)sizeof file && close(fd) == 0);
}

static void gettext_first(void)
{
    write_catalogue();
    /* In C.UTF-8 glibc 2.41 does not translate. */
    EXPECT(setenv("LOCPATH", getenv("KEEPS_DIR"), 1) == 0);
    EXPECT(setlocale(LC_ALL, "de_DE.UTF-8") != NULL);
    EXPECT(unsetenv("LOCPATH") == 0 && setenv("LANGUAGE", "de", 1) == 0);
    EXPECT(bindtextdomain("keeps", getenv("KEEPS_DIR")) && textdomain("keeps"));
    EXPECT(strcmp(dcngettext("keeps", "one block", "%d blocks", 1, LC_MESSAGES), "ein Block") == 0);
}

static void gettext_again(void)
{
    EXPECT(strcmp(textdomain(NULL), "keeps") == 0);
    EXPECT(strcmp(bindtextdomain("keeps", NULL), getenv("KEEPS_DIR")) == 0);
    EXPECT(strcmp(ngettext("one block", "%d blocks", 2), "%d Bl\xc3\xb6"
                                                         "cke") == 0);
    EXPECT(strcmp(gettext("not there"), "not there") == 0);
    EXPECT(bindtextdomain("other", "/nonexistent") && textdomain("other"));
    EXPECT(strcmp(dgettext("keeps", "one block"), "ein Block") == 0);
    EXPECT(setlocale(LC_ALL, "C.UTF-8") != NULL);
}

/* ---- patterns -------------------------------------------------------------------------------- */

static regex_t regex, prefix;

static void regcomp_first(void)
{
    EXPECT(setlocale(LC_CTYPE, "C.UTF-8") != NULL);
    EXPECT(regcomp(&regex, "^((a|b)*)c[[:digit:]]+\\1$", REG_EXTENDED) == 0);
    EXPECT(regcomp(&prefix, "^[[:alpha:]]+", REG_EXTENDED | REG_ICASE) == 0);
}

static void regcomp_again(void)
{
    regmatch_t parts[3];
    EXPECT(regexec(&regex, "abc12ab", 3, parts, 0) == 0);
    EXPECT(parts[1].rm_so == 0 && parts[1].rm_eo == 2);
    EXPECT(regexec(&regex, "abc12ba", 0, NULL, 0) == REG_NOMATCH);
    EXPECT(regexec(&prefix, "\xc3\xa4z1", 1, parts, 0) == 0 && parts[0].rm_eo == 3);
    regfree(&regex);
    regfree(&prefix);
}

/* regexec makes states of the automaton as it meets them and keeps them in the regex_t, which was
 * compiled before. */
static regex_t compiled;

static void regexec_first(void)
{
    ARENA_SCOPE_PAUSED
    {
        EXPECT(regcomp(&compiled, "(a|b)*c|[d-f]{3,5}g", REG_EXTENDED) == 0);
    }
    EXPECT(regexec(&compiled, "ababc", 0, NULL, 0) == 0);
}

static void regexec_again(void)
{
    regmatch_t part;
    EXPECT(regexec(&compiled, "ababc", 1, &part, 0) == 0 && part.rm_eo == 5);
    EXPECT(regexec(&compiled, "xdefdg", 1, &part, 0) == 0 && part.rm_so == 1);
    EXPECT(regexec(&compiled, "de", 0, NULL, 0) == REG_NOMATCH);
    regfree(&compiled);
}

static void fnmatch_first(void)
{
    EXPECT(setlocale(LC_CTYPE, "C.UTF-8") != NULL);
    EXPECT(fnmatch("*\xc3\xa4[[:digit:]]",
                   "z\xc3\xa4"
                   "1",
                   0) == 0);
}

static void fnmatch_again(void)
{
    EXPECT(fnmatch("+(\xc3\xa4|b)", "b\xc3\xa4", FNM_EXTMATCH) == 0);
}

static glob_t paths;

static void glob_first(void)
{
    EXPECT(glob(keeps_path("tree/*"), 0, NULL, &paths) == 0 && paths.gl_pathc == 3);
}

static void glob_again(void)
{
    EXPECT(strcmp(paths.gl_pathv[2], keeps_path("tree/two")) == 0);
    EXPECT(glob(keeps_path("tree/t*"), GLOB_APPEND, NULL, &paths) == 0 && paths.gl_pathc == 5);
    EXPECT(strcmp(paths.gl_pathv[0], keeps_path("tree/four")) == 0);
    EXPECT(strcmp(paths.gl_pathv[4], keeps_path("tree/two")) == 0);
    globfree(&paths);
    EXPECT(glob("~root", GLOB_TILDE, NULL, &paths) == 0 && paths.gl_pathv[0][0] == '/');
    globfree(&paths);
}

static wordexp_t words;

static void wordexp_first(void)
{
    EXPECT(wordexp("one 'two three' $((2 + 2))", &words, 0) == 0 && words.we_wordc == 3);
}

static void wordexp_again(void)
{
    EXPECT(strcmp(words.we_wordv[1], "two three") == 0 && strcmp(words.we_wordv[2], "4") == 0);
    EXPECT(wordexp("five", &words, WRDE_APPEND) == 0 && words.we_wordc == 4);
    EXPECT(strcmp(words.we_wordv[0], "one") == 0 && strcmp(words.we_wordv[3], "five") == 0);
    wordfree(&words);
}

static char *vector, *environment;
static size_t vector_size, environment_size;

static void argz_first(void)
{
    EXPECT(argz_create_sep("one:two", ':', &vector, &vector_size) == 0 && vector_size == 8);
    EXPECT(envz_add(&environment, &environment_size, "NAME", "value") == 0);
}

static void argz_again(void)
{
    EXPECT(argz_add(&vector, &vector_size, "three") == 0 && argz_count(vector, vector_size) == 3);
    EXPECT(strcmp(argz_next(vector, vector_size, vector), "two") == 0);
    EXPECT(envz_add(&environment, &environment_size, "MORE", "values") == 0);
    EXPECT(strcmp(envz_get(environment, environment_size, "NAME"), "value") == 0);
    free(vector);
    free(environment);
}

/* ---- time ------------------------------------------------------------------------------------ */

static void expect_hour(time_t moment, int hour, const char *zone)
{
    char text[40] = "";
    const struct tm *parts = localtime(&moment);
    EXPECT(parts && parts->tm_hour == hour && strftime(text, sizeof text, "%Z", parts) > 0);
    EXPECT(strcmp(text, zone) == 0);
}

/* 1970-01-01 and 2020-09-13, 12:26:40 UTC */
#define WINTER ((time_t)0)
#define SUMMER ((time_t)1600000000)

static void tzset_first(void)
{
    EXPECT(setenv("TZ", "ABC-1DEF,M3.5.0,M10.5.0/3", 1) == 0);
    tzset();
    expect_hour(WINTER, 1, "ABC");
}

static void tzset_again(void)
{
    expect_hour(SUMMER, 14, "DEF");
    EXPECT(strcmp(tzname[0], "ABC") == 0 && timezone == -3600);
    EXPECT(setenv("TZ", "GHI+2", 1) == 0);
    expect_hour(SUMMER, 10, "GHI");
    struct tm parts = {
        .tm_year = 120, .tm_mon = 8, .tm_mday = 13, .tm_hour = 10, .tm_min = 26, .tm_sec = 40};
    EXPECT(mktime(&parts) == SUMMER);
}

static void zone_file_first(void)
{
    EXPECT(setenv("TZ", "Europe/Vienna", 1) == 0);
    tzset();
    time_t winter = WINTER;
    printf("%s", ctime(&winter));
}

static void zone_file_again(void)
{
    time_t summer = SUMMER;
    char text[100] = "";
    printf("%s%s %s\n", ctime(&summer), tzname[0], tzname[1]);
    strftime(text, sizeof text, "%c %Z %z", localtime(&summer));
    puts(text);
    EXPECT(setenv("TZ", "America/New_York", 1) == 0);
    puts(ctime(&summer));
}

static void getdate_first(void)
{
    int fd = open(keeps_path("formats"), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    EXPECT(fd >= 0 && write(fd, "%Y-%m-%d\n%H:%M\n", 15) == 15 && close(fd) == 0);
    EXPECT(setenv("DATEMSK", keeps_path("formats"), 1) == 0);
    const struct tm *date = getdate("2020-09-13");
    EXPECT(date && date->tm_mday == 13);
}

static void getdate_again(void)
{
    struct tm parts = {0};
    const struct tm *date = getdate("12:26");
    EXPECT(date && date->tm_min == 26);
    EXPECT(strptime("13 September 2020", "%d %B %Y", &parts) && parts.tm_mon == 8);
}

/* ---- searching, sorting, numbers ------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static int compare_with(const void *a, const void *b, void *unused)
{
    (void)unused;
    return compare(a, b);
}

/* Large enough for temporary memory, and of elements that are sorted through pointers. */
static void sort(int count, size_t size)
{
    char *elements = opaque(malloc((size_t)count * size));
    for (int i = 0; i < count; i++)
        *(int *)(elements + (size_t)i * size) = (int)((unsigned)i * 7919U % (unsigned)count);
    if (size > sizeof(int))
        qsort_r(elements, (size_t)count, size, compare_with, NULL);
    else
        qsort(elements, (size_t)count, size, compare);
    for (int i = 0; i < count; i++)
        EXPECT(*(int *)(elements + (size_t)i * size) == i);
    free(elements);
}

static void qsort_first(void)
{
    sort(30000, sizeof(int));
    sort(2000, 100);
}

static void qsort_again(void)
{
    sort(60000, sizeof(int));
    sort(3000, 100);
}

static void *tree;
static int numbers[200];

static void tsearch_first(void)
{
    for (int i = 0; i < 100; i++) {
        numbers[i] = i * 37 % 200;
        EXPECT(tsearch(&numbers[i], &tree, compare) != NULL);
    }
}

static void ignore_node(void *node)
{
    (void)node;
}

static void tsearch_again(void)
{
    for (int i = 0; i < 100; i++)
        EXPECT(tfind(&numbers[i], &tree, compare) != NULL);
    for (int i = 100; i < 200; i++) {
        numbers[i] = i * 37 % 200;
        EXPECT(tsearch(&numbers[i], &tree, compare) != NULL);
    }
    for (int i = 0; i < 50; i++)
        EXPECT(tdelete(&numbers[i], &tree, compare) != NULL);
    EXPECT(tfind(&numbers[0], &tree, compare) == NULL);
    tdestroy(tree, ignore_node);
}

static char keys[64][8];

/* hdestroy does not free the keys. */
static void hsearch_first(void)
{
    EXPECT(hcreate(100) != 0);
    for (int i = 0; i < 64; i++) {
        snprintf(keys[i], sizeof keys[i], "key %d", i);
        if (i < 32)
            EXPECT(hsearch((ENTRY){keys[i], keys[i]}, ENTER) != NULL);
    }
}

static void hsearch_again(void)
{
    for (int i = 32; i < 64; i++)
        EXPECT(hsearch((ENTRY){keys[i], keys[i]}, ENTER) != NULL);
    for (int i = 0; i < 64; i++) {
        const ENTRY *found = hsearch((ENTRY){keys[i], NULL}, FIND);
        EXPECT(found && found->data == keys[i]);
    }
    hdestroy();
}

static void random_first(void)
{
    srandom(4711);
    srand48(4711);
    printf("%ld %d %ld\n", random(), rand(), lrand48());
}

static void random_again(void)
{
    static char state[256];
    printf("%ld %d %ld\n", random(), rand(), lrand48());
    char *before = initstate(1, state, sizeof state);
    printf("%ld\n", random());
    EXPECT(setstate(before) == state);
    printf("%ld\n", random());
}

static const struct keep cases[] = {
    {"setlocale", setlocale_first, setlocale_again},
    {"newlocale", newlocale_first, newlocale_again},
    {"wide_conversions", wide_conversions_first, wide_conversions_again},
    {"iconv_open", iconv_open_first, iconv_open_again},
    {"gettext", gettext_first, gettext_again},
    {"regcomp", regcomp_first, regcomp_again},
    {"regexec", regexec_first, regexec_again},
    {"fnmatch", fnmatch_first, fnmatch_again},
    {"glob", glob_first, glob_again},
    {"wordexp", wordexp_first, wordexp_again},
    {"argz", argz_first, argz_again},
    {"tzset", tzset_first, tzset_again},
    {"zone_file", zone_file_first, zone_file_again},
    {"getdate", getdate_first, getdate_again},
    {"qsort", qsort_first, qsort_again},
    {"tsearch", tsearch_first, tsearch_again},
    {"hsearch", hsearch_first, hsearch_again},
    {"random", random_first, random_again},
};
KEEPS_MAIN(cases)
