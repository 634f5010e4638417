/* Mappings near the code that jumps to them, and writes through the kernel. */
#include "wrap/code.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/numbers.h"
#include "base/track.h"
#include "wrap/machine.h"

/* ---- memory ---------------------------------------------------------------------------------- */

#define MAPPING_BYTES ((uintptr_t)64 << 10)
#define MAPPINGS_MAX 256

static struct mapping {
    uintptr_t start;
    size_t used;
    size_t places; /* filled and not given back; with the last of them the mapping goes */
} mappings[MAPPINGS_MAX];
static size_t mapping_count;

static uintptr_t distance(uintptr_t a, uintptr_t b)
{
    return higher(a, b) - lower(a, b);
}

/* Maps code memory at an address that is free. An old kernel, or Valgrind, may choose another. */
static bool map_at(uintptr_t address)
{
    void *memory = mmap((void *)address, MAPPING_BYTES, PROT_READ | PROT_EXEC,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    if ((uintptr_t)memory == address)
        return true;
    munmap(memory, MAPPING_BYTES);
    return false;
}

/* The free place closest below, else above: what grows upwards (the heap) lies above a program. */
static struct mapping *map_near(uintptr_t near)
{
    if (mapping_count == MAPPINGS_MAX)
        return NULL;
    struct mapping *mapping = &mappings[mapping_count];
    uintptr_t middle = round_down(near, MAPPING_BYTES);
    for (int up = 0; up <= 1; up++)
        for (uintptr_t step = MAPPING_BYTES; step < CODE_REACH; step += MAPPING_BYTES) {
            if (!up && middle < step + MAPPING_BYTES)
                break;
            uintptr_t address = up ? middle + step : middle - step;
            if (map_at(address)) {
                *mapping = (struct mapping){.start = address};
                mapping_count++;
                return mapping;
            }
        }
    return NULL;
}

static struct mapping *mapping_with_place(uintptr_t near)
{
    for (size_t i = mapping_count; i-- > 0;)
        if (mappings[i].used + CODE_PLACE_MAX <= MAPPING_BYTES &&
            distance(mappings[i].start, near) < CODE_REACH)
            return &mappings[i];
    return NULL;
}

uintptr_t code_place(uintptr_t near)
{
    int saved = errno;
    struct mapping *mapping = mapping_with_place(near);
    if (!mapping)
        mapping = map_near(near);
    errno = saved;
    return mapping ? mapping->start + mapping->used : 0;
}

bool code_fill(uintptr_t place, const void *code, size_t size)
{
    if (!code_write(place, code, size))
        return false;
    for (size_t i = 0; i < mapping_count; i++) {
        if (mappings[i].start + mappings[i].used != place)
            continue;
        mappings[i].used += (size + 15) & ~(size_t)15;
        mappings[i].places++;
    }
    return true;
}

void code_release(uintptr_t place)
{
    int saved = errno;
    for (size_t i = 0; i < mapping_count; i++) {
        if (place - mappings[i].start >= mappings[i].used || --mappings[i].places > 0)
            continue;
        munmap((void *)mappings[i].start, MAPPING_BYTES);
        mappings[i] = mappings[--mapping_count];
        break;
    }
    errno = saved;
}

uintptr_t code_alone(const void *code, size_t size)
{
    int saved = errno;
    uintptr_t result = 0;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED) {
        memcpy(memory, code, size);
        __builtin___clear_cache(memory, (char *)memory + size);
        if (mprotect(memory, size, PROT_READ | PROT_EXEC) == 0)
            result = (uintptr_t)memory;
        else
            munmap(memory, size);
    }
    errno = saved;
    return result;
}

/* ---- writing --------------------------------------------------------------------------------- */

bool code_write(uintptr_t address, const void *code, size_t size)
{
    int saved = errno;
    /* Of the thread, since the process's own entry is dead once the first thread has ended. */
    int memory = open("/proc/thread-self/mem", O_RDWR | O_CLOEXEC);
    bool done = false;
    if (memory >= 0) {
        unsigned char before[CODE_PLACE_MAX];
        memcpy(before, (const void *)address, size);
        ssize_t written = pwrite(memory, code, size, (off_t)address);
        done = written == (ssize_t)size && memcmp((const void *)address, code, size) == 0;
        if (!done && written > 0)
            (void)!pwrite(memory, before, (size_t)written, (off_t)address);
        close(memory);
        __builtin___clear_cache((char *)address, (char *)address + size);
        track_code((const void *)address, size);
    }
    errno = saved;
    return done;
}
