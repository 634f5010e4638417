/*
 * Unit tests of the base layer: parse.h (sizes and words that users write), glob.h, and text.h
 * (numbers, JSON strings, long texts, descriptors that fail, errno).
 */
#include "harness.h"

#include <fnmatch.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "base/check.h"
#include "base/glob.h"
#include "base/parse.h"
#include "base/text.h"

/* ---- globs ----------------------------------------------------------------------------------- */

/* All globs and texts of few letters, beside fnmatch. */
START_TEST(globs_fit_as_those_of_the_c_library)
{
    static const char letters[] = "ab*?[]!-\\";
    const unsigned base = sizeof letters; /* the last is the NUL: shorter ones, too */
    static const char *const texts[] = {"",  "a",  "b",  "ab", "ba", "aab", "abab", "]",
                                        "-", "a-", "!b", "*",  "[a", "\\",  "?",    "^"};
    unsigned fitting = 0;
    for (unsigned n = 0; n < base * base * base * base * base; n++) {
        char glob[6] = "";
        unsigned rest = n;
        for (int i = 0; i < 5; i++, rest /= base)
            glob[i] = letters[rest % base];
        const char *end = glob + strlen(glob);
        /* How a backslash at the end, or in brackets that are not closed, is taken differs. */
        if (strchr(glob, '\\') && (end[-1] == '\\' || strchr(glob, '[')))
            continue;
        for (size_t i = 0; i < COUNT(texts); i++) {
            bool fits = fnmatch(glob, texts[i], 0) == 0;
            ck_assert_msg(glob_fits(glob, end, texts[i]) == fits, "'%s' and '%s'", glob, texts[i]);
            fitting += fits;
        }
    }
    ck_assert_uint_gt(fitting, 1000);
}
END_TEST

/* ---- sizes ----------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    size_t value;
} sizes[] = {
    {"0", 0},
    {"1", 1},
    {"0012", 12},
    {"4096", 4096},
    {"1k", 1024},
    {"1K", 1024},
    {"2m", 2 * MIB},
    {"2M", 2 * MIB},
    {"3g", 3072 * MIB},
    {"3G", 3072 * MIB},
    {"0G", 0},
    {"18446744073709551615", SIZE_MAX},
    {"18014398509481983K", SIZE_MAX - 1023},
    {"17592186044415M", SIZE_MAX - MIB + 1},
    {"17179869183G", SIZE_MAX - 1024 * MIB + 1},
};

START_TEST(sizes_are_read)
{
    size_t value = 77;
    ck_assert_msg(parse_size(sizes[_i].text, &value), "%s", sizes[_i].text);
    ck_assert_uint_eq(value, sizes[_i].value);
}
END_TEST

static const char *const not_sizes[] = {
    "",
    "K",
    "-1",
    "+1",
    " 1",
    "1 ",
    "1KB",
    "1KK",
    "1Ki",
    "0x10",
    "1.5M",
    "1e3",
    "1T",
    "1,0",
    "abc",
    "\xef\xbc\x91",
    /* too large: by the last digit, by a digit before it, by the suffix */
    "18446744073709551616",
    "99999999999999999999",
    "100000000000000000000000000000",
    "18014398509481984K",
    "17592186044416M",
    "17179869184G",
    "18446744073709551615G",
};

START_TEST(other_texts_are_no_sizes)
{
    size_t value = 77;
    ck_assert_msg(!parse_size(not_sizes[_i], &value), "%s", not_sizes[_i]);
    ck_assert_uint_eq(value, 77);
}
END_TEST

/* ---- words ----------------------------------------------------------------------------------- */

static const char *const words[] = {"grow", "growing", "abort"};

START_TEST(a_word_gives_its_index)
{
    size_t index = 77;
    for (size_t i = 0; i < COUNT(words); i++) {
        ck_assert(parse_word(words[i], words, COUNT(words), &index));
        ck_assert_uint_eq(index, i);
    }
}
END_TEST

START_TEST(other_words_are_refused)
{
    static const char *const others[] = {"", "gro", "growi", "Grow", "abort ", "abort,"};
    size_t index = 77;
    for (size_t i = 0; i < COUNT(others); i++)
        ck_assert(!parse_word(others[i], words, COUNT(words), &index));
    ck_assert(!parse_word("abort", words, 2, &index));
    ck_assert_uint_eq(index, 77);
}
END_TEST

START_TEST(a_list_of_words_gives_a_set)
{
    unsigned set = 77;
    ck_assert(parse_words("growing", words, COUNT(words), &set));
    ck_assert_uint_eq(set, 2);
    ck_assert(parse_words("abort,grow,abort", words, COUNT(words), &set));
    ck_assert_uint_eq(set, 5);
}
END_TEST

START_TEST(other_lists_of_words_are_refused)
{
    static const char *const others[] = {
        "", ",", "grow,", ",grow", "grow,,abort", "grow,aborts", "grow abort"};
    unsigned set = 77;
    for (size_t i = 0; i < COUNT(others); i++)
        ck_assert(!parse_words(others[i], words, COUNT(words), &set));
    ck_assert(!parse_words("grow,abort", words, 2, &set));
    ck_assert_uint_eq(set, 77);
}
END_TEST

/* ---- texts ----------------------------------------------------------------------------------- */

/* A text that ends in a file of its own. */
static struct text text;
static int file;
static char written[16384];

static void open_text(void)
{
    file = memfd_create("text", MFD_CLOEXEC);
    ck_assert_int_ge(file, 0);
    text_open(&text, file);
}

static void close_text(void)
{
    close(file);
}

static const char *finish(void)
{
    ck_assert(text_flush(&text));
    ssize_t length = pread(file, written, sizeof written - 1, 0);
    ck_assert_int_ge(length, 0);
    written[length] = '\0';
    return written;
}

START_TEST(strings_and_bytes_are_appended)
{
    text_str(&text, "ab");
    text_str(&text, "");
    text_bytes(&text, "cdef", 2);
    ck_assert_str_eq(finish(), "abcd");
}
END_TEST

START_TEST(numbers_are_decimal)
{
    static const uint64_t numbers[] = {0, 9, 10, 4096, UINT64_MAX};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        text_uint(&text, numbers[i]);
        text_str(&text, " ");
    }
    ck_assert_str_eq(finish(), "0 9 10 4096 18446744073709551615 ");
}
END_TEST

START_TEST(addresses_are_hexadecimal)
{
    text_address(&text, 0);
    text_str(&text, " ");
    text_address(&text, (uintptr_t)0x7f00deadbeef);
    ck_assert_str_eq(finish(), "0x0 0x7f00deadbeef");
}
END_TEST

START_TEST(a_message_names_the_shim_and_ends_its_line)
{
    static struct capture capture;
    capture_start(&capture);
    text_message(&text);
    text_str(&text, "hello");
    bool done = text_end(&text);
    ck_assert_str_eq(capture_end(&capture), "arenashim: hello\n");
    ck_assert(done);
}
END_TEST

static void violate(void)
{
    check_failed("a < b", "some.c", 12);
}

START_TEST(a_violated_invariant_is_one_line_and_the_end)
{
    static struct capture capture;
    capture_start(&capture);
    int status = run_fresh("violate");
    ck_assert_str_eq(capture_end(&capture), "arenashim: invariant violated: a < b (some.c:12)\n");
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}
END_TEST

START_TEST(a_short_message_is_one_write)
{
    int ends[2];
    char packet[4096];
    ck_assert_int_eq(pipe2(ends, O_DIRECT), 0); /* a read returns what one write wrote */
    text_open(&text, ends[1]);
    for (int i = 0; i < 199; i++)
        text_str(&text, "12345");
    text_end(&text);
    ck_assert_int_eq(read(ends[0], packet, sizeof packet), 199 * 5 + 1);
    close(ends[0]);
    close(ends[1]);
}
END_TEST

START_TEST(a_long_text_arrives_whole)
{
    static char expected[9001];
    for (size_t i = 0; i < sizeof expected - 1; i++)
        expected[i] = (char)('a' + i % 23);
    text_str(&text, expected);
    ck_assert_str_eq(finish(), expected);
}
END_TEST

START_TEST(a_text_as_long_as_the_buffer_arrives_whole)
{
    static char expected[sizeof text.bytes + 2];
    memset(expected, 'x', sizeof text.bytes);
    text_str(&text, expected);
    text_str(&text, "y");
    expected[sizeof text.bytes] = 'y';
    ck_assert_str_eq(finish(), expected);
}
END_TEST

START_TEST(nothing_is_written_twice)
{
    text_str(&text, "once");
    finish();
    text_flush(&text);
    ck_assert_str_eq(finish(), "once");
}
END_TEST

START_TEST(a_bad_descriptor_fails_and_keeps_errno)
{
    text_open(&text, -1);
    text_str(&text, "lost");
    errno = ERANGE;
    ck_assert(!text_flush(&text));
    ck_assert_int_eq(errno, ERANGE);
}
END_TEST

START_TEST(a_failure_is_remembered)
{
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    ck_assert_int_ge(full, 0);
    text_open(&text, full);
    text_str(&text, "lost");
    ck_assert(!text_flush(&text));
    text.fd = file; /* would succeed now */
    text_str(&text, "dropped");
    ck_assert(!text_end(&text));
    ck_assert_int_eq(lseek(file, 0, SEEK_END), 0);
    close(full);
}
END_TEST

/* A file may grow to 300 bytes: the first write is cut there, and what follows fails. */
static void write_past_a_file_size_limit(void)
{
    struct rlimit limit = {300, 300};
    int target = memfd_create("limited", MFD_CLOEXEC);
    signal(SIGXFSZ, SIG_IGN);
    require(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    text_open(&text, target);
    for (int i = 0; i < 100; i++)
        text_str(&text, "12345");
    require(!text_flush(&text));
    require(lseek(target, 0, SEEK_END) == 300);
}

START_TEST(a_write_that_is_cut_goes_on_and_fails)
{
    ck_assert_fresh("write_past_a_file_size_limit");
}
END_TEST

static int full_pipe[2];
static int ticks;

static void count_tick(int number)
{
    (void)number;
    ticks++;
}

static void *drain_later(void *unused)
{
    static char drained[65536];
    usleep(100000);
    require(read(full_pipe[0], drained, sizeof drained) > 0);
    return unused;
}

/* A reader that comes later is waited for, and no handler comes between. */
static void write_under_a_timer(void)
{
    static char filling[65536];
    struct sigaction action = {.sa_handler = count_tick}; /* without SA_RESTART */
    struct itimerval every = {{0, 20000}, {0, 20000}};
    pthread_t reader;
    sigset_t alarm;
    require(pipe(full_pipe) == 0);
    require(fcntl(full_pipe[1], F_SETPIPE_SZ, sizeof filling) == sizeof filling);
    require(write(full_pipe[1], filling, sizeof filling) == sizeof filling);
    text_open(&text, full_pipe[1]);
    text_str(&text, "late");
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, NULL);
    require(pthread_create(&reader, NULL, drain_later, NULL) == 0);
    pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
    require(text_flush(&text));
    require(ticks < 3); /* those that waited are one */
    pthread_join(reader, NULL);
    require(read(full_pipe[0], filling, sizeof filling) == 4);
}

START_TEST(a_slow_reader_is_waited_for)
{
    ck_assert_fresh("write_under_a_timer");
}
END_TEST

static const struct {
    const char *string, *printed;
} names[] = {
    {"", ""},
    {"plain \"text\" \\", "plain \"text\" \\"},
    {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80"},
    {"\n\t\x1b[31m\x7f", "\\x0a\\x09\\x1b[31m\\x7f"},
    {"\xc2\x9b\xc2\xa0", "\\xc2\\x9b\xc2\xa0"}, /* a control character of two bytes */
    {"\x9b\xffz\xc3", "\\x9b\\xffz\\xc3"},
};

START_TEST(names_are_printed_without_control_characters)
{
    text_name(&text, names[_i].string);
    ck_assert_str_eq(finish(), names[_i].printed);
}
END_TEST

/* ---- JSON ------------------------------------------------------------------------------------ */

static const struct {
    const char *string, *json;
} json_strings[] = {
    {"", ""},
    {"plain /text\x7f", "plain /text\x7f"},
    {"\"quoted\"", "\\\"quoted\\\""},
    {"back\\slash", "back\\\\slash"},
    {"\x01\t\n\x0f\x10\x1f ", "\\u0001\\u0009\\u000a\\u000f\\u0010\\u001f "},
    {"\xc2\x80\xc3\xa4\xdf\xbf", "\xc2\x80\xc3\xa4\xdf\xbf"},
    {"\xe0\xa0\x80\xe2\x82\xac\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf",
     "\xe0\xa0\x80\xe2\x82\xac\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"},
    {"\xf0\x90\x80\x80\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf",
     "\xf0\x90\x80\x80\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf"},
    {"a\x80z", "a\\ufffdz"},                              /* continuation alone */
    {"\xc1\xbf", "\\ufffd\\ufffd"},                       /* overlong, two bytes */
    {"\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd"},            /* overlong, three bytes */
    {"\xf0\x8f\xbf\xbf", "\\ufffd\\ufffd\\ufffd\\ufffd"}, /* overlong, four bytes */
    {"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"},            /* surrogate */
    {"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"}, /* past U+10FFFF */
    {"\xf5\xff\xfe", "\\ufffd\\ufffd\\ufffd"},            /* never valid */
    {"\xe2\x82", "\\ufffd\\ufffd"},                       /* cut by the end */
    {"\xe2\x82z", "\\ufffd\\ufffdz"},                     /* cut by another character */
    {"\xf0\x9f\x98\"", "\\ufffd\\ufffd\\ufffd\\\""},      /* cut by a quote */
    {"\xc3", "\\ufffd"},
};

START_TEST(json_strings_are_escaped)
{
    text_json(&text, json_strings[_i].string);
    ck_assert_str_eq(finish(), json_strings[_i].json);
}
END_TEST

/* ---- suite ----------------------------------------------------------------------------------- */

static Suite *base_suite(void)
{
    Suite *suite = suite_create("base");
    TCase *parse = tcase_create("parse");
    tcase_add_loop_test(parse, sizes_are_read, 0, COUNT(sizes));
    tcase_add_loop_test(parse, other_texts_are_no_sizes, 0, COUNT(not_sizes));
    tcase_add_test(parse, a_word_gives_its_index);
    tcase_add_test(parse, other_words_are_refused);
    tcase_add_test(parse, a_list_of_words_gives_a_set);
    tcase_add_test(parse, other_lists_of_words_are_refused);
    suite_add_tcase(suite, parse);

    TCase *globs = tcase_create("globs");
    tcase_add_test(globs, globs_fit_as_those_of_the_c_library);
    suite_add_tcase(suite, globs);
    TCase *texts = tcase_create("text");
    tcase_add_checked_fixture(texts, open_text, close_text);
    tcase_add_test(texts, strings_and_bytes_are_appended);
    tcase_add_test(texts, numbers_are_decimal);
    tcase_add_test(texts, addresses_are_hexadecimal);
    tcase_add_test(texts, a_message_names_the_shim_and_ends_its_line);
    tcase_add_test(texts, a_violated_invariant_is_one_line_and_the_end);
    tcase_add_test(texts, a_short_message_is_one_write);
    tcase_add_test(texts, a_long_text_arrives_whole);
    tcase_add_test(texts, a_text_as_long_as_the_buffer_arrives_whole);
    tcase_add_test(texts, nothing_is_written_twice);
    tcase_add_test(texts, a_bad_descriptor_fails_and_keeps_errno);
    tcase_add_test(texts, a_failure_is_remembered);
    tcase_add_test(texts, a_write_that_is_cut_goes_on_and_fails);
    tcase_add_test(texts, a_slow_reader_is_waited_for);
    tcase_add_loop_test(texts, names_are_printed_without_control_characters, 0, COUNT(names));
    tcase_add_loop_test(texts, json_strings_are_escaped, 0, COUNT(json_strings));
    suite_add_tcase(suite, texts);
    return suite;
}

int main(int argc, char **argv)
{
    static const struct fresh cases[] = {
        {"write_past_a_file_size_limit", write_past_a_file_size_limit},
        {"write_under_a_timer", write_under_a_timer},
        {"violate", violate},
        {NULL, NULL},
    };
    return run_suite(base_suite, cases, argc, argv);
}
