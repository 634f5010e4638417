/*
 * Unit tests of objects.h, of the snapshot, whichever file the shim is built with: it tells what
 * the loader knows of each object file, while libraries come and go, in threads and in signal
 * handlers. The C library's own _dl_find_object, where there is one, is asked the same.
 */
#include <dlfcn.h>
#include <stddef.h>

#ifdef DLFO_EH_SEGMENT_TYPE
#define LAYOUT(record)                                                                             \
    {                                                                                              \
        sizeof(struct record), offsetof(struct record, dlfo_flags),                                \
            offsetof(struct record, dlfo_map_start), offsetof(struct record, dlfo_map_end),        \
            offsetof(struct record, dlfo_link_map), offsetof(struct record, dlfo_eh_frame)         \
    }
static const size_t layout[] = LAYOUT(dl_find_object);
/* Now the shim's own, for a C library without. */
#undef DLFO_EH_SEGMENT_TYPE
#define dl_find_object own_record
#define _dl_find_object own_function
#include "base/find_object.h"
static const size_t own_layout[] = LAYOUT(own_record);
#undef dl_find_object
#undef _dl_find_object
#define HAS_RECORD 1
#endif

#include "stepping.h"

#include <link.h>
#include <sys/auxv.h>

#include "next/objects.h"

/* Of the C library; this program loads none of them. */
static const char *const libraries[] = {"libanl.so.1", "libBrokenLocale.so.1", "libutil.so.1",
                                        "libresolv.so.2"};

static int (*real)(void *, struct dl_find_object *);

static void *load(const char *name)
{
    void *library = dlopen(name, RTLD_NOW);
    require(library != NULL);
    return library;
}

static void unload(void *library)
{
    objects_changed(true);
    require(dlclose(library) == 0);
}

static char *dynamic_section(void *library)
{
    return (char *)((struct link_map *)library)->l_ld;
}

static void same(char *address)
{
    struct dl_find_object found = {0}, wanted = {0};
    int known = objects_find(address, &found);
    if (real) {
        require(known == real(address, &wanted));
        /* It takes segments with a hole between them, as AArch64 has them, for themselves. */
        require(found.dlfo_map_start <= wanted.dlfo_map_start &&
                found.dlfo_map_end >= wanted.dlfo_map_end &&
                found.dlfo_link_map == wanted.dlfo_link_map &&
                found.dlfo_eh_frame == wanted.dlfo_eh_frame);
    } else {
        Dl_info info = {0};
        struct link_map *map = NULL;
        dladdr1(address, &info, (void **)&map, RTLD_DL_LINKMAP);
        require(found.dlfo_link_map == map && found.dlfo_map_start == info.dli_fbase);
    }
}

static int objects;

static int look_at_object(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)size, (void)unused;
    objects++;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        char *start = (char *)(uintptr_t)(info->dlpi_addr + segment->p_vaddr);
        if (segment->p_type != PT_LOAD || segment->p_memsz == 0 ||
            (uintptr_t)start == getauxval(AT_SYSINFO_EHDR)) /* which is no file */
            continue;
        same(start);
        same(start + segment->p_memsz / 2);
        same(start + segment->p_memsz - 1);
    }
    return 0;
}

static void look_at_all(void)
{
    objects = 0;
    require(dl_iterate_phdr(look_at_object, NULL) == 0 && objects > 2);
    char *on_heap = malloc(1), on_stack;
    same(on_heap);
    same(&on_stack);
    same(NULL);
    same((char *)UINTPTR_MAX);
    free(on_heap);
}

START_TEST(all_objects)
{
    look_at_all();
}
END_TEST

/* What has been loaded is found at once, before anybody tells. */
START_TEST(come_and_go)
{
    void *loaded[COUNT(libraries)];
    for (int turn = 0; turn < 3; turn++) {
        for (size_t i = 0; i < COUNT(libraries); i++) {
            loaded[i] = load(libraries[i]);
            same(dynamic_section(loaded[i]));
            look_at_all();
        }
        for (size_t i = 0; i < COUNT(libraries); i++) {
            size_t gone = turn == 1 ? COUNT(libraries) - 1 - i : i;
            char *was = dynamic_section(loaded[gone]);
            unload(loaded[gone]);
            same(was);
            look_at_all();
        }
    }
}
END_TEST

/* One has gone and another is said to leave when somebody looks. */
START_TEST(one_after_another)
{
    void *first = load(libraries[0]), *second = load(libraries[1]);
    char *was = dynamic_section(second);
    same(was);
    unload(first);
    objects_changed(true);
    same(was);
    require(dlclose(second) == 0);
    same(was);
    void *third = load(libraries[2]);
    same(dynamic_section(third));
    unload(third);
}
END_TEST

/* ---- at the same time ------------------------------------------------------------------------ */

static bool stop;

static void *keep_looking(void *unused)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
        same((char *)(uintptr_t)&keep_looking);
        same((char *)(uintptr_t)dlsym(RTLD_DEFAULT, "printf"));
        same(NULL);
    }
    return unused;
}

START_TEST(while_others_load)
{
    pthread_t threads[2];
    for (size_t i = 0; i < COUNT(threads); i++)
        require(pthread_create(&threads[i], NULL, keep_looking, NULL) == 0);
    for (int turn = 0; turn < 50; turn++) {
        void *loaded[COUNT(libraries)];
        for (size_t i = 0; i < COUNT(libraries); i++)
            loaded[i] = load(libraries[i]);
        same(dynamic_section(loaded[turn % 4]));
        for (size_t i = 0; i < COUNT(libraries); i++)
            unload(loaded[i]);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
}
END_TEST

static int take_time(struct dl_phdr_info *info, size_t size, void *unused)
{
    (void)info, (void)size, (void)unused;
    for (volatile int i = 0; i < 2000; i++)
        ;
    return 0;
}

static void *keep_iterating(void *unused)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        dl_iterate_phdr(take_time, NULL);
    return unused;
}

/* The loader's lock of its list is taken in most of these children, by a thread that they have
 * not. */
START_TEST(in_children_of_threads)
{
    pthread_t threads[2];
    if (track_active())
        return; /* there threads take turns, long ones */
    require(pthread_atfork(objects_before_fork, NULL, objects_forked) == 0);
    for (size_t i = 0; i < COUNT(threads); i++)
        require(pthread_create(&threads[i], NULL, keep_iterating, NULL) == 0);
    for (int turn = 0; turn < 20; turn++) {
        struct dl_find_object found;
        void *loaded = load(libraries[0]);
        pid_t child = fork();
        if (child == 0) {
            alarm(10);
            bool was_found = objects_find(dynamic_section(loaded), &found) == 0;
            objects_changed(true); /* as at its exit */
            _exit(!was_found || objects_find(dynamic_section(loaded), &found) != 0);
        }
        int status;
        require(waitpid(child, &status, 0) == child);
        ck_assert_int_eq(status, 0);
        unload(loaded);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    for (size_t i = 0; i < COUNT(threads); i++)
        pthread_join(threads[i], NULL);
}
END_TEST

static void *wait_for_stop(void *unused)
{
    while (!__atomic_load_n(&stop, __ATOMIC_RELAXED))
        sched_yield();
    return unused;
}

/* A child of threads that loads or unloads has the lock. Without a fork: there it may be lost. */
START_TEST(what_a_child_loads_and_unloads)
{
    pthread_t thread;
    require(pthread_create(&thread, NULL, wait_for_stop, NULL) == 0);
    for (size_t turn = 0; turn < 8; turn++) {
        bool unloads = turn % 2 == 0;
        void *first = load(libraries[turn / 2]), *second;
        objects_before_fork();
        objects_forked();
        same(dynamic_section(first));
        if (unloads) {
            char *gone = dynamic_section(first);
            unload(first);
            objects_changed(false);
            same(gone);
        }
        second = load(libraries[(turn / 2 + 1) % 4]);
        same(dynamic_section(second));
        same((char *)(uintptr_t)&wait_for_stop);
        unload(second);
        if (!unloads)
            unload(first);
    }
    __atomic_store_n(&stop, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
}
END_TEST

#if CAN_STEP
static void *library;

static void look_in_operation(void)
{
    struct dl_find_object found;
    require(objects_find(dynamic_section(library), &found) == 0 && found.dlfo_link_map == library);
}

/* What the last snapshot had is found; the new library may not be. */
static void look_in_handler(void)
{
    struct dl_find_object found;
    same((char *)(uintptr_t)&look_in_handler);
    require(objects_find(dynamic_section(library), &found) != 0 || found.dlfo_link_map == library);
}

static void step_through(void)
{
    running_name = "taking a snapshot";
    stepping_start();
    same((char *)(uintptr_t)&step_through);
    library = load(libraries[0]);
    find_points(look_in_operation);
    unload(library);
    for (at_point = 0; at_point < point_count; at_point++) {
        same((char *)(uintptr_t)&step_through);
        library = load(libraries[0]);
        run_interrupted(look_in_operation, look_in_handler, &points[at_point]);
        look_in_operation();
        unload(library);
    }
}

START_TEST(every_instruction)
{
    ck_assert(run_for_operation("step_through", 0));
}
END_TEST
#endif

/* A shim that was built with an older C library than it runs with. */
#ifdef HAS_RECORD
START_TEST(record_is_that_of_newer_libraries)
{
    ck_assert_mem_eq(own_layout, layout, sizeof layout);
}
END_TEST

#ifndef ARENASHIM_WITHOUT_DL_FIND_OBJECT
START_TEST(newer_library_is_asked)
{
    struct dl_find_object found;
    char *kernel = (char *)getauxval(AT_SYSINFO_EHDR);
    ck_assert_int_eq(objects_find(kernel, &found), -1);
    objects_start();
    same(kernel);
    same((char *)(uintptr_t)&same);
    ck_assert_int_eq(objects_find(kernel, &found), kernel ? 0 : -1);
}
END_TEST
#endif
#endif

static Suite *objects_suite(void)
{
    Suite *suite = suite_create("objects");
    TCase *tcase = tcase_create("objects");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, all_objects);
    tcase_add_test(tcase, come_and_go);
    tcase_add_test(tcase, one_after_another);
    tcase_add_test(tcase, while_others_load);
    tcase_add_test(tcase, in_children_of_threads);
    tcase_add_test(tcase, what_a_child_loads_and_unloads);
#if CAN_STEP
    tcase_add_test(tcase, every_instruction);
#else
    leave_out_steps();
#endif
#ifdef HAS_RECORD
    tcase_add_test(tcase, record_is_that_of_newer_libraries);
#ifndef ARENASHIM_WITHOUT_DL_FIND_OBJECT
    tcase_add_test(tcase, newer_library_is_asked);
#endif
#endif
    suite_add_tcase(suite, tcase);
    return suite;
}

int main(int argc, char **argv)
{
    static const struct fresh cases[] = {
#if CAN_STEP
        {"step_through", step_through},
#endif
        {NULL, NULL},
    };
    real = (__typeof__(real))dlsym(RTLD_NEXT, "_dl_find_object");
    return run_suite(objects_suite, cases, argc, argv);
}
