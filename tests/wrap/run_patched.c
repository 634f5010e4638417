/*
 * Lets a library work, with every function that has a symbol and can be patched going through a
 * thunk that only counts.
 *
 * usage: run_patched plain|patched WORK LIBRARY    WORK is one of the functions at the end; results
 * go to stdout, "N functions patched, N calls" to stderr
 */
#include <dlfcn.h>
#include <inttypes.h>
#include <link.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/wrap/library.h"
#include "wrap/patch.h"

/* Counts (one thread's calls rightly), leaves every register and flag as it is, and jumps on. */
#ifdef __aarch64__
__asm__(".text\n"
        "counting_thunk:\n"
        "    stp x0, x1, [sp, -16]!\n"
        "    adrp x0, calls\n"
        "    ldr x1, [x0, :lo12:calls]\n"
        "    add x1, x1, 1\n"
        "    str x1, [x0, :lo12:calls]\n"
        "    ldp x0, x1, [sp], 16\n"
        "    ldr x16, [x17]\n"
        "    br x16\n");
#else
__asm__(".text\n"
        "counting_thunk:\n"
        "    lea -8(%rsp), %rsp\n" /* r11 of the caller lies there */
        "    push (%r11)\n"
        "    mov calls(%rip), %r11\n"
        "    lea 1(%r11), %r11\n"
        "    mov %r11, calls(%rip)\n"
        "    mov 8(%rsp), %r11\n"
        "    ret $8\n");
#endif
extern void counting_thunk(void);
__attribute__((used)) static volatile unsigned long calls;

static void *library;

static void *symbol(const char *name)
{
    void *found = dlsym(library, name);
    if (!found) {
        fprintf(stderr, "%s is missing\n", name);
        exit(1);
    }
    return found;
}

/* ---- works ----------------------------------------------------------------------------------- */

static void math(void)
{
    static const char *const names[] = {
        "acos",  "acosh",     "asin",   "asinh", "atan", "atanh", "cbrt",        "ceil",
        "cos",   "cosh",      "erf",    "erfc",  "exp",  "exp10", "exp2",        "expm1",
        "fabs",  "floor",     "j0",     "j1",    "log",  "log10", "log1p",       "log2",
        "logb",  "nearbyint", "rint",   "sin",   "sinh", "sqrt",  "tan",         "tanh",
        "trunc", "tgamma",    "lgamma", "y0",    "y1",   "round", "significand",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        double (*f)(double) = (double (*)(double))symbol(names[i]);
        for (double x = -20; x < 20; x += 0.37)
            printf("%s(%a) = %a\n", names[i], x, f(x));
    }
    static const char *const others[] = {"pow", "atan2", "fmod", "hypot", "fdim", "remainder"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        double (*f)(double, double) = (double (*)(double, double))symbol(others[i]);
        for (double x = -20; x < 20; x += 0.37)
            printf("%s(%a) = %a\n", others[i], x, f(x, x * x - 3));
    }
}

static void zlib(void)
{
    int (*compress2)(unsigned char *, unsigned long *, const unsigned char *, unsigned long, int) =
        symbol("compress2");
    int (*uncompress)(unsigned char *, unsigned long *, const unsigned char *, unsigned long) =
        symbol("uncompress");
    unsigned long (*crc32)(unsigned long, const unsigned char *, unsigned) = symbol("crc32");
    unsigned long (*adler32)(unsigned long, const unsigned char *, unsigned) = symbol("adler32");
    static unsigned char text[1 << 20], packed[1 << 21], unpacked[1 << 20];
    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = (unsigned char)(i * i >> 7 ^ i);
    for (int level = 0; level <= 9; level++) {
        unsigned long size = sizeof packed, back = sizeof unpacked;
        int first = compress2(packed, &size, text, sizeof text, level);
        int second = uncompress(unpacked, &back, packed, size);
        printf("%d: %d %lu %lx %d %lx %d\n", level, first, size, crc32(0, packed, (unsigned)size),
               second, adler32(1, unpacked, (unsigned)back), memcmp(text, unpacked, sizeof text));
    }
}

static int print_row(void *unused, int columns, char **values, char **names)
{
    (void)unused;
    for (int i = 0; i < columns; i++)
        printf("%s=%s ", names[i], values[i] ? values[i] : "NULL");
    return putchar('\n') == EOF;
}

static void sqlite(void)
{
    int (*open)(const char *, void **) = symbol("sqlite3_open");
    int (*exec)(void *, const char *, int (*)(void *, int, char **, char **), void *, char **) =
        symbol("sqlite3_exec");
    int (*close)(void *) = symbol("sqlite3_close");
    void *base;
    char *message = NULL;
    printf("%d\n", open(":memory:", &base));
    int result =
        exec(base,
             "CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT, c REAL);"
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)"
             " INSERT INTO t SELECT i, printf('%05d-%s', i * 7919 % 5000, hex(i)), i / 7.0 FROM n;"
             "CREATE INDEX tb ON t(b);"
             "SELECT count(*), sum(c), min(b), max(b), group_concat(a % 10) FROM t WHERE b > '02';"
             "SELECT substr(b, 1, 2) x, count(*), avg(c) FROM t GROUP BY x ORDER BY avg(c) DESC;"
             "SELECT json_group_array(json_object('a', a)) FROM t WHERE a BETWEEN 7 AND 12;"
             "UPDATE t SET b = upper(b) || strftime('%Y', 0) WHERE a % 3 = 0; DELETE FROM t"
             " WHERE a % 5 = 1; SELECT x.a, y.b FROM t x JOIN t y ON x.a = y.a + 1 LIMIT 50;"
             "SELECT nonsense FROM t;",
             print_row, NULL, &message);
    printf("%d %s\n%d\n", result, message, close(base));
}

static void crypto(void)
{
    int (*digest)(const void *, size_t, unsigned char *, unsigned *, const void *, void *) =
        symbol("EVP_Digest");
    const void *(*by_name)(const char *) = symbol("EVP_get_digestbyname");
    static const char *const names[] = {"MD5",      "SHA1",       "SHA256",    "SHA512",
                                        "SHA3-256", "BLAKE2b512", "RIPEMD160", "SM3"};
    static unsigned char text[100000];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t size = 0; size <= sizeof text; size = size * 3 + 1) {
            unsigned char result[64] = {0};
            unsigned bytes = 0;
            printf("%s %zu %d ", names[i], size,
                   digest(text, size, result, &bytes, by_name(names[i]), NULL));
            for (unsigned k = 0; k < bytes; k++)
                printf("%02x", result[k]);
            putchar('\n');
        }
}

static void python(void)
{
    void (*start)(int) = (void (*)(int))symbol("Py_InitializeEx");
    int (*run)(const char *, void *) =
        (int (*)(const char *, void *))symbol("PyRun_SimpleStringFlags");
    int (*end)(void) = (int (*)(void))symbol("Py_FinalizeEx");
    start(0);
    int result = run("import re, json, math, decimal, collections, itertools, random\n"
                     "random.seed(7)\n"
                     "words = [''.join(random.choices('abcde', k=4)) for _ in range(3000)]\n"
                     "print(collections.Counter(words).most_common(20))\n"
                     "print(json.dumps({w: hash(len(w)) for w in sorted(set(words))[:50]}))\n"
                     "print(re.sub(r'(a|b)+(?=c)', lambda m: m[0].upper(), ' '.join(words)))\n"
                     "print(math.factorial(300), decimal.Decimal(2).sqrt())\n"
                     "print(sum(math.sin(i) for i in range(1000)))\n"
                     "print(f'{list(itertools.permutations(range(4)))!r:>700}')\n"
                     "class A:\n"
                     "    def __getattr__(self, name): return name * 2\n"
                     "try:\n"
                     "    print(A().x, 1 / 0)\n"
                     "except ZeroDivisionError as e:\n"
                     "    print(repr(e))\n"
                     "print(sorted(words, key=lambda w: (w[::-1], w))[:40])\n",
                     NULL);
    printf("%d\n", result);
    printf("%d\n", end());
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void libc(void)
{
    char *texts[2000], wide[64];
    for (int i = 0; i < 2000; i++) {
        snprintf(wide, sizeof wide, "%d/%.*g/%x", i * 7919 % 2000, i % 17, i / 7.0, i);
        texts[i] = strdup(wide);
    }
    qsort(texts, 2000, sizeof *texts, by_text);
    for (int i = 0; i < 2000; i++) {
        char *end, *rest = strchr(texts[i], '/') + 1;
        printf("%s %ld %a ", texts[i], strtol(texts[i], NULL, 10), strtod(rest, &end));
        printf("%zu %zu %s\n", strspn(texts[i], "0123456789"), strlen(texts[i]), strrchr(end, '/'));
        free(texts[i]);
    }
}

static const struct work {
    const char *name;
    void (*run)(void);
} works[] = {
    {"math", math},     {"zlib", zlib}, {"sqlite", sqlite},
    {"crypto", crypto}, {"libc", libc}, {"python", python},
};

/* ---- patching -------------------------------------------------------------------------------- */

static void patch_all(void)
{
    struct link_map *map;
    struct library functions;
    unsigned long done = 0;
    if (dlinfo(library, RTLD_DI_LINKMAP, &map) != 0)
        exit(1);
    library_read(&functions, map->l_name);
    struct named_function *named = calloc(functions.count, sizeof *named);
    for (size_t i = 0; i < functions.count; i++) {
        const struct library_function *known = &functions.functions[i];
        struct patch_function function = {
            map->l_addr + known->start,    known->size, map->l_addr + known->text_start,
            map->l_addr + known->text_end, 0,           0};
        struct patch patch;
        if (!known->named || patch_plan(&function, &patch))
            continue;
        const char *reason = patch_apply(&patch, &named[i], (uintptr_t)&counting_thunk);
        if (reason) {
            fprintf(stderr, "%s: %#" PRIxPTR ": %s\n", map->l_name, known->start, reason);
            exit(1);
        }
        done++;
    }
    patch_planned();
    calls = 0;
    fprintf(stderr, "%lu functions patched, ", done);
}

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 4 && i < sizeof works / sizeof *works; i++) {
        if (strcmp(argv[2], works[i].name) != 0)
            continue;
        library = dlopen(argv[3], RTLD_NOW | RTLD_GLOBAL);
        if (!library) {
            fprintf(stderr, "%s\n", dlerror());
            return 77;
        }
        bool patched = strcmp(argv[1], "patched") == 0;
        if (patched)
            patch_all();
        works[i].run();
        fflush(stdout);
        if (patched)
            fprintf(stderr, "%lu calls\n", calls);
        return 0;
    }
    return 2;
}
