/*
 * A program whose calls are counted by the host that stands in for the shim (host_lib.c). Each
 * argument is a step; the results are printed, so that a run with and one without wrapping can be
 * compared.
 *
 *   calls          call what libnamed.so exports (linked)
 *   dlsym          call it by addresses from dlsym, dlvsym and RTLD_NEXT
 *   open FILE      dlopen FILE, call its p_sum and p_looped by dlsym; "open-now" with RTLD_NOW
 *   user FILE      dlopen FILE and call its use_looped, which is linked with libnamed.so
 *   small FILE     dlopen FILE on the smallest of stacks
 *   close          dlclose what was opened last
 *   threads FILES  4 threads that dlopen one of the files (with commas between), call its p_sum and
 *                  p_looped, and k_looped, and dlclose it, 200 times each
 *   fork           end in a child, too
 *   protections    name what is writable and should not be
 */
#include <dlfcn.h>
#include <limits.h>
#include <link.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int k_sum(const int *, int);
int k_alias(const int *, int);
int k_inside(const char *);
int k_looped(int);
int k_looped_too(int);
int k_call_looped(int);

static int (*volatile pointer)(int) = k_looped_too;
static const int numbers[3] = {1, 2, 3};

static void calls(void)
{
    printf("calls %d %d %d %d %d %d\n", k_sum(numbers, 3), k_alias(numbers, 2), k_inside("hello"),
           k_looped(3), k_call_looped(2), pointer(5));
}

static void by_dlsym(void)
{
    int (*by_default)(int) = (int (*)(int))dlsym(RTLD_DEFAULT, "k_looped");
    int (*next)(int) = (int (*)(int))dlsym(RTLD_NEXT, "k_looped");
    void *self = dlopen(NULL, RTLD_LAZY);
    int (*by_handle)(int) = (int (*)(int))dlsym(self, "k_looped");
    printf("dlsym %d %d %d %s\n", by_default(1), next(2), by_handle(3),
           by_default == next && next == by_handle ? "equal" : "different");
}

static void *open_plugin(const char *file, int flags)
{
    void *handle = dlopen(file, flags);
    if (!handle) {
        printf("%s\n", dlerror());
        exit(1);
    }
    int (*sum)(const int *, int) = (int (*)(const int *, int))dlsym(handle, "p_sum");
    int (*inside)(const char *) = (int (*)(const char *))dlsym(handle, "p_inside");
    int (*looped)(int) = (int (*)(int))dlsym(handle, "p_looped");
    int (*call)(int) = (int (*)(int))dlsym(handle, "p_call_looped");
    printf("plugin %d %d %d %d\n", sum(numbers, 3), inside("hello"), looped(1), call(1));
    return handle;
}

static void *open_user(const char *file)
{
    void *handle = dlopen(file, RTLD_LAZY);
    int (*use)(int) = handle ? (int (*)(int))dlsym(handle, "use_looped") : NULL;
    printf("user %d\n", use ? use(3) : -1);
    return handle;
}

/* ---- threads --------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 200 };

static long wrong;

static void *come_and_go(void *file)
{
    for (int i = 0; i < ROUNDS; i++) {
        void *handle = dlopen(file, i % 2 ? RTLD_NOW : RTLD_LAZY);
        int (*sum)(const int *, int) = (int (*)(const int *, int))dlsym(handle, "p_sum");
        int (*looped)(int) = (int (*)(int))dlsym(handle, "p_looped");
        if (sum(numbers, 3) != 18 || looped(1) != 42 || k_looped(1) != 42)
            __atomic_fetch_add(&wrong, 1, __ATOMIC_RELAXED);
        dlclose(handle);
    }
    return NULL;
}

static void run_threads(char *files)
{
    pthread_t threads[THREADS];
    char *names[THREADS];
    int count = 0;
    for (char *name = strtok(files, ","); name; name = strtok(NULL, ","))
        names[count++] = name;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, come_and_go, names[i % count]);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    printf("threads %ld\n", wrong);
}

static void *open_only(void *file)
{
    return dlopen(file, RTLD_NOW);
}

static void *open_on_small_stack(char *file)
{
    pthread_attr_t attributes;
    pthread_t thread;
    void *handle;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
    pthread_create(&thread, &attributes, open_only, file);
    pthread_join(thread, &handle);
    printf("small %d\n", handle != NULL);
    return handle;
}

/* ---- protections ----------------------------------------------------------------------------- */

/* The permissions of the mapping that holds the address, as in /proc/self/maps. */
static void permissions(unsigned long address, char found[5])
{
    FILE *maps = fopen("/proc/self/maps", "r");
    unsigned long start, end;
    char line[1000], text[5];
    strcpy(found, "none");
    while (maps && fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx %4s", &start, &end, text) == 3 && start <= address &&
            address < end)
            strcpy(found, text);
    if (maps)
        fclose(maps);
}

static int check_object(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    (void)context;
    char found[5];
    const unsigned long page = (unsigned long)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        unsigned long start = (info->dlpi_addr + header->p_vaddr) & ~(page - 1);
        unsigned long end = info->dlpi_addr + header->p_vaddr + header->p_memsz;
        if (header->p_type == PT_GNU_RELRO)
            end &= ~(page - 1);
        else if (header->p_type != PT_LOAD || (header->p_flags & PF_W))
            continue;
        for (unsigned long at = start; at < end; at += page) {
            permissions(at, found);
            if (found[1] == 'w' || (found[2] == 'x') != ((header->p_flags & PF_X) != 0))
                printf("%s has a page %s\n", info->dlpi_name, found);
        }
    }
    return 0;
}

static void check_protections(void)
{
    dl_iterate_phdr(check_object, NULL);
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[1000];
    while (maps && fgets(line, sizeof line, maps))
        if (strstr(line, " rwx"))
            printf("%s", line);
    if (maps)
        fclose(maps);
    printf("protections\n");
}

int main(int argc, char **argv)
{
    void *handle = NULL;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "calls") == 0)
            calls();
        else if (strcmp(argv[i], "dlsym") == 0)
            by_dlsym();
        else if (strcmp(argv[i], "open") == 0)
            handle = open_plugin(argv[++i], RTLD_LAZY);
        else if (strcmp(argv[i], "open-now") == 0)
            handle = open_plugin(argv[++i], RTLD_NOW);
        else if (strcmp(argv[i], "user") == 0)
            handle = open_user(argv[++i]);
        else if (strcmp(argv[i], "small") == 0)
            handle = open_on_small_stack(argv[++i]);
        else if (strcmp(argv[i], "threads") == 0)
            run_threads(argv[++i]);
        else if (strcmp(argv[i], "close") == 0)
            printf("close %d\n", dlclose(handle));
        else if (strcmp(argv[i], "protections") == 0)
            check_protections();
        else if (strcmp(argv[i], "fork") == 0 && fork() == 0)
            exit(0);
    }
    while (wait(NULL) > 0)
        ;
    return 0;
}
