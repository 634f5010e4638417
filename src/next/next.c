/*
 * Invariants: an entry of the table only ever changes from its next_first_* function to the final
 * one. While a look-up runs, every allocation (of any thread) that finds the table unresolved is
 * served from the boot buffer; blocks of the boot buffer are recognised by address and stay for
 * the life of the process.
 */
#include "next/next.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/check.h"
#include "base/compiler.h"
#include "base/numbers.h"
#include "base/page.h"
#include "base/text.h"
#include "memory/layout.h"
#include "next/symbol.h"

/* ---- boot buffer ---------------------------------------------------------------------------- */

/* Each block has its size in front, padded to keep blocks 16-aligned. */
#define BOOT_HEADER 16
static unsigned char boot_bytes[16384] __attribute__((aligned(16)));
static size_t boot_used;

bool next_is_relocated(void)
{
    /* Until then a pointer has the address that the static linker thought of, or none. */
    static void *volatile here = (void *)&here;
    return here == (void *)&here;
}

static bool boot_has(const void *block)
{
    return (uintptr_t)block - (uintptr_t)boot_bytes < sizeof boot_bytes;
}

static size_t boot_size(const void *block)
{
    return *(const size_t *)((const unsigned char *)block - BOOT_HEADER);
}

/* Zeroed, aligned to 16 or `alignment`; NULL with ENOMEM when the buffer is used up. */
static void *boot_alloc(size_t size, size_t alignment)
{
    if (alignment < 16)
        alignment = 16;
    size_t taken = size + BOOT_HEADER + alignment;
    if (size > sizeof boot_bytes || alignment > sizeof boot_bytes)
        taken = sizeof boot_bytes + 1;
    size_t offset = __atomic_fetch_add(&boot_used, taken, __ATOMIC_RELAXED);
    if (offset > sizeof boot_bytes || taken > sizeof boot_bytes - offset) {
        __atomic_fetch_sub(&boot_used, taken, __ATOMIC_RELAXED);
        if (next_is_relocated())
            errno = ENOMEM;
        return NULL;
    }
    uintptr_t first = (uintptr_t)boot_bytes + offset + BOOT_HEADER;
    uintptr_t block = round_up(first, alignment);
    *(size_t *)(block - BOOT_HEADER) = size;
    return (void *)block;
}

/* A larger block with the contents of `block`, which stays. */
static void *boot_realloc(const void *block, size_t size)
{
    unsigned char *moved = boot_alloc(size, 0);
    if (!moved || !block || !boot_has(block))
        return moved;
    size_t kept = size < boot_size(block) ? size : boot_size(block);
    for (size_t i = 0; i < kept; i++) {
        moved[i] = ((const unsigned char *)block)[i];
        signal_fence(); /* or the compiler calls memcpy, which may not be there yet */
    }
    return moved;
}

/* ---- before start --------------------------------------------------------------------------- */

void *next_boot_alloc(size_t size, size_t alignment)
{
    return boot_alloc(size, alignment);
}

void next_early_free(void *block)
{
    if (next_is_relocated())
        fixed.next.free(block);
}

void *next_early_realloc(void *block, size_t size)
{
    return next_is_relocated() ? fixed.next.realloc(block, size) : boot_realloc(block, size);
}

size_t next_early_usable_size(void *block)
{
    if (next_is_relocated())
        return fixed.next.malloc_usable_size(block);
    return block ? boot_size(block) : 0;
}

/* ---- what stands in the table when the boot buffer was used ---------------------------------- */

static void boot_aware_free(void *block)
{
    if (!boot_has(block))
        fixed.behind_boot.free(block);
}

static void *boot_aware_realloc(void *block, size_t size)
{
    if (!boot_has(block))
        return fixed.behind_boot.realloc(block, size);
    if (size == 0)
        return NULL;
    void *moved = fixed.behind_boot.malloc(size);
    if (moved)
        memcpy(moved, block, size < boot_size(block) ? size : boot_size(block));
    return moved;
}

static size_t boot_aware_malloc_usable_size(void *block)
{
    return boot_has(block) ? boot_size(block) : fixed.behind_boot.malloc_usable_size(block);
}

/* ---- look-up -------------------------------------------------------------------------------- */

static bool resolving;

static bool is_resolving(void)
{
    return __atomic_load_n(&resolving, __ATOMIC_ACQUIRE);
}

static int trims_nothing(size_t pad)
{
    (void)pad;
    return 0;
}

static void *find(const char *name)
{
    void *function = next_symbol(name);
    /* Not every C library has it, and no block depends on it. */
    if (!function && strcmp(name, "malloc_trim") == 0)
        return (void *)trims_nothing;
    if (!function) {
        struct text line;
        text_message(&line);
        text_str(&line, "there is no ");
        text_str(&line, name);
        text_str(&line, " in this process");
        text_end(&line);
        check_abort();
    }
    return function;
}

void next_resolve(void)
{
    if (fixed.next.malloc != next_first_malloc)
        return;
    struct next_allocator found;
    __atomic_store_n(&resolving, true, __ATOMIC_RELEASE);
#define NEXT_FIND(result, name, parameters) found.name = (result(*) parameters)find(#name);
    NEXT_FUNCTIONS(NEXT_FIND)
#undef NEXT_FIND
    /* Not every C library has them: then nobody calls ours. */
    fixed.libc_free = (void (*)(void *))next_symbol("__libc_free");
    fixed.libc_realloc = (void *(*)(void *, size_t))next_symbol("__libc_realloc");
    /* Two threads may come here before the first constructor; both store the same values. */
    if (__atomic_load_n(&boot_used, __ATOMIC_RELAXED) > 0) {
        fixed.behind_boot = found;
        found.free = boot_aware_free;
        found.realloc = boot_aware_realloc;
        found.malloc_usable_size = boot_aware_malloc_usable_size;
    }
    fixed.next = found;
    fixed.outside = (struct outside){.malloc = found.malloc,
                                     .calloc = found.calloc,
                                     .free = found.free,
                                     .realloc = found.realloc,
                                     .malloc_usable_size = found.malloc_usable_size};
    __atomic_store_n(&resolving, false, __ATOMIC_RELEASE);
}

/* ---- the first call of each entry ------------------------------------------------------------ */

void *next_first_malloc(size_t size)
{
    if (is_resolving())
        return boot_alloc(size, 0);
    next_resolve();
    return fixed.next.malloc(size);
}

void next_first_free(void *block)
{
    if (is_resolving() || boot_has(block))
        return;
    next_resolve();
    fixed.next.free(block);
}

void *next_first_calloc(size_t count, size_t size)
{
    if (is_resolving()) {
        size_t bytes;
        if (__builtin_mul_overflow(count, size, &bytes))
            bytes = SIZE_MAX;
        return boot_alloc(bytes, 0);
    }
    next_resolve();
    return fixed.next.calloc(count, size);
}

void *next_first_realloc(void *block, size_t size)
{
    if (is_resolving())
        return boot_realloc(block, size);
    next_resolve();
    return fixed.next.realloc(block, size);
}

void *next_first_memalign(size_t alignment, size_t size)
{
    if (is_resolving())
        return boot_alloc(size, alignment);
    next_resolve();
    return fixed.next.memalign(alignment, size);
}

void *next_first_aligned_alloc(size_t alignment, size_t size)
{
    if (is_resolving())
        return boot_alloc(size, alignment);
    next_resolve();
    return fixed.next.aligned_alloc(alignment, size);
}

int next_first_posix_memalign(void **block, size_t alignment, size_t size)
{
    if (is_resolving()) {
        void *made = boot_alloc(size, alignment);
        if (made)
            *block = made;
        return made ? 0 : ENOMEM;
    }
    next_resolve();
    return fixed.next.posix_memalign(block, alignment, size);
}

size_t next_first_malloc_usable_size(void *block)
{
    if (boot_has(block))
        return boot_size(block);
    next_resolve();
    return fixed.next.malloc_usable_size(block);
}

int next_first_malloc_trim(size_t pad)
{
    if (is_resolving())
        return 0;
    next_resolve();
    return fixed.next.malloc_trim(pad);
}

/* ---- the C library's own names --------------------------------------------------------------- */

void next_libc_free(void *block)
{
    if (is_resolving() || boot_has(block))
        return;
    next_resolve();
    fixed.libc_free(block);
}

void *next_libc_realloc(void *block, size_t size)
{
    if (is_resolving())
        return boot_realloc(block, size);
    next_resolve();
    return boot_has(block) ? boot_aware_realloc(block, size) : fixed.libc_realloc(block, size);
}

/* ---- what is settled at start ---------------------------------------------------------------- */

union fixed_pages fixed_pages = {.values = {
                                     .next = NEXT_UNRESOLVED,
                                     .outside = OUTSIDE_UNRESOLVED,
                                     .region = REGION_UNSETTLED,
                                     .fast = REGION_UNSETTLED,
                                     .deleted = REGION_UNSETTLED,
                                     .operators = OPERATORS_UNRESOLVED,
                                     .bias = BLOCK_BIAS(ALIGN_MIN),
                                     .mask = BLOCK_MASK(ALIGN_MIN),
                                 }};

static void protect(int protection)
{
    if (page_size <= PAGE_LARGEST)
        mprotect(&fixed_pages, sizeof fixed_pages, protection);
}

void fixed_seal(void)
{
    protect(PROT_READ);
}

void fixed_unseal(void)
{
    protect(PROT_READ | PROT_WRITE);
}
