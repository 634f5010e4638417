/*
 * The object files where the C library never unloads one (musl): each is entered once, in the order
 * of its list, and stays. Looking for one that is entered waits for nothing. Only for an address in
 * none of them the list is asked for more, which waits for a dlopen that is at work; whoever is
 * asking already, in this thread or another, is waited for a while and no longer.
 */
#include "next/objects.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <unistd.h>

#include "base/numbers.h"

/* Further ones are not found. */
#define OBJECTS_MAX 2048

static struct object {
    uintptr_t start, end;
    uintptr_t eh_frame;
    struct link_map map; /* of the loader's fields those that are asked for */
} objects[OBJECTS_MAX];
static size_t count;

/* The process that is entering some, or 0. Another's number: this is its child. */
static pid_t entering;

static const struct object *look(uintptr_t address)
{
    size_t entered = __atomic_load_n(&count, __ATOMIC_ACQUIRE);
    for (const struct object *object = objects; object < objects + entered; object++)
        if (address - object->start < object->end - object->start)
            return object;
    return NULL;
}

/* Called for each of the list; `*argument` counts them. */
static int enter(struct dl_phdr_info *info, size_t size, void *argument)
{
    (void)size;
    size_t *seen = argument, number = (*seen)++;
    if (number < count || number == OBJECTS_MAX)
        return number == OBJECTS_MAX;
    struct object object = {
        .start = UINTPTR_MAX,
        .map = {.l_addr = info->dlpi_addr,
                .l_name = (char *)info->dlpi_name,
                .l_prev = number > 0 ? &objects[number - 1].map : NULL},
    };
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t start = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type == PT_LOAD) {
            object.start = lower(object.start, round_down(start, higher(segment->p_align, 1)));
            object.end = higher(object.end, start + segment->p_memsz);
        } else if (segment->p_type == PT_GNU_EH_FRAME) {
            object.eh_frame = start;
        }
    }
    if (object.end == 0)
        object.start = 0;
    objects[number] = object;
    __atomic_store_n(&count, number + 1, __ATOMIC_RELEASE);
    return 0;
}

static void enter_more(void)
{
    pid_t own = getpid();
    for (int tries = 0; tries < 100; tries++) {
        pid_t owner = __atomic_load_n(&entering, __ATOMIC_RELAXED);
        if (owner != own && __atomic_compare_exchange_n(&entering, &owner, own, false,
                                                        __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            size_t seen = 0;
            dl_iterate_phdr(enter, &seen);
            __atomic_store_n(&entering, 0, __ATOMIC_RELEASE);
            return;
        }
        sched_yield();
    }
}

void objects_start(void)
{
}

void objects_changed(bool leaves)
{
    (void)leaves;
}

void objects_before_fork(void)
{
}

void objects_forked(void)
{
}

int objects_find(void *address, struct dl_find_object *result)
{
    const struct object *object = look((uintptr_t)address);
    if (!object) {
        enter_more();
        object = look((uintptr_t)address);
    }
    if (!object)
        return -1;
    *result = (struct dl_find_object){.dlfo_map_start = (void *)object->start,
                                      .dlfo_map_end = (void *)object->end,
                                      .dlfo_link_map = (struct link_map *)(uintptr_t)&object->map,
                                      .dlfo_eh_frame = (void *)object->eh_frame};
    return 0;
}
