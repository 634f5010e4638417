/*
 * Which calls of a thread in a scope are served from its arena: the program's own, and those of
 * the modules that take part, but nothing that libraries keep for themselves. One case per run.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <iconv.h>
#include <langinfo.h>
#include <locale.h>
#include <malloc.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <regex.h>
#include <search.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "expect.h"

/* ---- what the C library keeps ---------------------------------------------------------------- */

/* Overwrites the arena, so that whoever kept memory of it notices. */
static void overwrite_arena(void)
{
    ARENA_SCOPE("overwrite") {
        for (int i = 0; i < 8; i++)
            memset(opaque(malloc(100000)), 0xa5, 100000);
    }
}

static FILE *stream;
static char *line;
static size_t line_size;
static regex_t regex;
static iconv_t converter;
static void *library;
static pthread_t worker;
static pthread_key_t key;
static DIR *directory;
static char *memory_text;
static size_t memory_size;
static FILE *memory_stream;
static int exits;

static void *work(void *argument)
{
    /* Its first allocations: the thread's own tables in libc. */
    EXPECT(pthread_setspecific(key, argument) == 0);
    EXPECT(strcmp(strerror(12345), "Unknown error 12345") == 0);
    free(opaque(malloc(100)));
    return pthread_getspecific(key);
}

static void at_exit(void)
{
    exits++;
    /* Registered among 40 others, so that libc's table grew. */
    if (exits == 40 && expect_failures == 0)
        puts("40 exit handlers");
}

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

static void check_sorted(int count)
{
    int *numbers = opaque(malloc(sizeof *numbers * (size_t)count));
    for (int i = 0; i < count; i++)
        numbers[i] = (i * 7919) % count;
    qsort(numbers, (size_t)count, sizeof *numbers, compare);
    for (int i = 0; i < count; i++)
        EXPECT(numbers[i] == i);
    free(numbers);
}

static void begin_operations(const char *own_file)
{
    printf("first output of the program\n");
    EXPECT(setlocale(LC_ALL, "C.UTF-8") != NULL);
    stream = fopen(own_file, "r");
    EXPECT(stream != NULL && getline(&line, &line_size, stream) > 0);
    EXPECT(!in_arena(line));
    char *text = NULL;
    EXPECT(asprintf(&text, "%s %d", "number", 4711) == 11 && !in_arena(text));
    free(text);
    text = strdup("duplicate");
    EXPECT(!in_arena(text));
    free(text);
    text = realpath("/", NULL);
    EXPECT(text && !in_arena(text));
    free(text);
    EXPECT(setenv("ROUTING_TEST", "in scope", 1) == 0);
    EXPECT(regcomp(&regex, "^(a|b)*c[[:digit:]]+$", REG_EXTENDED) == 0);
    converter = iconv_open("UTF-16LE", "UTF-8");
    EXPECT(converter != (iconv_t)-1);
    library = dlopen("libm.so.6", RTLD_NOW);
    EXPECT(library != NULL && dlopen("no such library", RTLD_NOW) == NULL);
    EXPECT(pthread_key_create(&key, NULL) == 0);
    EXPECT(pthread_create(&worker, NULL, work, &exits) == 0);
    directory = opendir("/");
    EXPECT(directory != NULL && readdir(directory) != NULL);
    memory_stream = open_memstream(&memory_text, &memory_size);
    fprintf(memory_stream, "%0200d", 1);
    for (int i = 0; i < 40; i++)
        EXPECT(atexit(at_exit) == 0);
    EXPECT(pthread_atfork(NULL, NULL, NULL) == 0);
    check_sorted(100000);
    EXPECT(hcreate(100) != 0);
    time_t epoch = 0;
    EXPECT(setenv("TZ", "Europe/Vienna", 1) == 0 && localtime(&epoch) != NULL);
    EXPECT(getpwuid(getuid()) != NULL || errno != ENOMEM);
    struct addrinfo wanted = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    EXPECT(getaddrinfo("127.0.0.1", "80", &wanted, &found) == 0 && !in_arena(found));
    freeaddrinfo(found);
    found = NULL;
    if (getaddrinfo("localhost", NULL, NULL, &found) == 0)
        freeaddrinfo(found);
}

static void go_on(void)
{
    printf("further output, %.3f\n", 1.5);
    EXPECT(mbstowcs(NULL, "\xc3\xa4", 0) == 1 && strcmp(nl_langinfo(CODESET), "UTF-8") == 0);
    EXPECT(strcmp(setlocale(LC_ALL, "C"), "C") == 0);
    while (getline(&line, &line_size, stream) > 0)
        continue;
    EXPECT(feof(stream) && fclose(stream) == 0);
    free(line);
    EXPECT(strcmp(getenv("ROUTING_TEST"), "in scope") == 0);
    EXPECT(setenv("ROUTING_TEST", "a longer text after the scope", 1) == 0);
    EXPECT(regexec(&regex, "ababc12", 0, NULL, 0) == 0 && regexec(&regex, "abx", 0, NULL, 0) != 0);
    regfree(&regex);
    char in[] = "x", result[8], *from = in, *to = result;
    size_t left = 1, room = sizeof result;
    EXPECT(iconv(converter, &from, &left, &to, &room) == 0 && result[0] == 'x');
    EXPECT(iconv_close(converter) == 0);
    const char *error = dlerror();
    EXPECT(error && strstr(error, "no such library"));
    EXPECT(dlsym(library, "cos") != NULL && dlclose(library) == 0);
    void *result_of_worker = NULL;
    EXPECT(pthread_join(worker, &result_of_worker) == 0 && result_of_worker == &exits);
    EXPECT(readdir(directory) != NULL && closedir(directory) == 0);
    fprintf(memory_stream, "%0200d", 2);
    EXPECT(fclose(memory_stream) == 0 && memory_size == 400 && memory_text[399] == '2');
    free(memory_text);
    ENTRY item = {strdup("key"), NULL};
    EXPECT(hsearch(item, ENTER) != NULL);
    hdestroy();
    time_t summer = 1600000000;
    EXPECT(localtime(&summer) != NULL);
    tzset();
    check_sorted(50000);
}

static char **arguments;

/* Everything is begun in a scope and used after it. Runs without the shim, too. */
static void libc_keeps_its_own(void)
{
    ARENA_SCOPE("operations") {
        EXPECT(!arena_first || in_arena(opaque(malloc(100))));
        begin_operations(arguments[0]);
    }
    overwrite_arena();
    go_on();
    overwrite_arena();
}

/* ---- other modules ----------------------------------------------------------------------------
 */

/* Of libmod.so, which the test builds: it draws, wraps malloc, and draws in a scope of its own. */
void *mod_draw(size_t size);
void *mod_wrap(size_t size);
void *mod_scope(void *(*draw)(size_t), void **own);

/* Where the blocks of the program and of the library come from, for the script. */
static void say_origins(void *program_block, void *library_block)
{
    printf("program %s, library %s\n", in_arena(program_block) ? "arena" : "elsewhere",
           in_arena(library_block) ? "arena" : "elsewhere");
}

static void library_draws(void)
{
    ARENA_SCOPE("library draws") {
        void *own = opaque(malloc(100));
        void *theirs = NULL;
        for (int i = 0; i < 5; i++)
            theirs = opaque(mod_draw(50));
        /* Of each the other's free. */
        say_origins(own, theirs);
        free(theirs);
    }
}

/* strdup is libc's call, whoever calls strdup. */
static void libc_draws(void)
{
    ARENA_SCOPE("libc draws") {
        say_origins(opaque(malloc(1)), opaque(strdup("a text")));
    }
}

static void library_wraps(void)
{
    ARENA_SCOPE("library wraps") {
        say_origins(opaque(malloc(1)), opaque(mod_wrap(100)));
    }
}

static void *draw_here(size_t size)
{
    void *block = opaque(malloc(size));
    return block;
}

/* The library begins the scope; the program has no mark that ran before. */
static void library_marks(void)
{
    void *theirs = NULL;
    void *own = mod_scope(draw_here, &theirs);
    /* The block of the arena is gone; the other one lives. */
    EXPECT(own && theirs && own != theirs);
    free(own);
}

/* A module that comes and goes, at the same addresses or others, and another of the same name. */
static void library_comes_and_goes(void)
{
    for (int i = 0; i < 20; i++) {
        ARENA_SCOPE("come and go") {
            const char *name = i % 2 ? "ROUTING_LIBRARY" : "ROUTING_NAMESAKE";
            void *handle = dlopen(getenv(name), RTLD_NOW);
            EXPECT(handle != NULL);
            if (!handle)
                return;
            void *(*draw)(size_t) = (void *(*)(size_t))(uintptr_t)dlsym(handle, "mod_draw");
            EXPECT(!in_arena(opaque(draw(10))));
            EXPECT(in_arena(opaque(malloc(10))));
            if (i > 3)
                dlclose(handle);
        }
    }
}

/* A library that is to bind to the C library's malloc past the shim, but does not: its calls take
 * no part. */
static void library_binds_deeply(void)
{
    ARENA_SCOPE("deep") {
        void *handle = dlopen(getenv("ROUTING_LIBRARY"), RTLD_NOW | RTLD_DEEPBIND);
        EXPECT(handle != NULL);
        if (!handle)
            return;
        void *(*draw)(size_t) = (void *(*)(size_t))(uintptr_t)dlsym(handle, "mod_draw");
        void *block = opaque(draw(100));
        EXPECT(!in_arena(block));
        free(block);
        EXPECT(in_arena(opaque(malloc(10))));
    }
}

/* Generated code lies in no module. */
static void generated_code(void)
{
#ifdef __x86_64__
    unsigned char code[] = {0x48, 0x83, 0xec, 0x08,               /* sub $8, %rsp */
                            0x48, 0xb8, 0,    0,    0,   0, 0, 0, /* mov $malloc, %rax */
                            0,    0,    0xff, 0xd0,               /* call *%rax */
                            0x48, 0x83, 0xc4, 0x08, 0xc3};        /* add $8, %rsp; ret */
    void *(*function)(size_t) = malloc;
    memcpy(code + 6, &function, sizeof function);
    void *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) {
        puts("no executable memory");
        ARENA_SCOPE("generated")
            EXPECT(in_arena(opaque(malloc(1))));
        return;
    }
    memcpy(page, code, sizeof code);
    void *(*generated)(size_t);
    memcpy(&generated, &page, sizeof generated);
    ARENA_SCOPE("generated") {
        void *block = opaque(generated(100));
        EXPECT(block != NULL && !in_arena(block));
        EXPECT(in_arena(opaque(malloc(1))));
        free(block);
    }
#endif
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"libc_keeps_its_own", libc_keeps_its_own},
        {"library_draws", library_draws},
        {"libc_draws", libc_draws},
        {"library_wraps", library_wraps},
        {"library_marks", library_marks},
        {"library_comes_and_goes", library_comes_and_goes},
        {"library_binds_deeply", library_binds_deeply},
        {"generated_code", generated_code},
    };
    arguments = argv;
    if (argc == 2 && strcmp(argv[1], "library_marks") != 0)
        arena_learn();
    return run_case(cases, sizeof cases / sizeof cases[0], argc, argv);
}
