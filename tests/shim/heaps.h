/*
 * What the unit tests of scopes that retain share: opening a scope of either kind, and what the
 * thread's heap must look like.
 */
#ifndef TESTS_SHIM_HEAPS_H
#define TESTS_SHIM_HEAPS_H

#include "harness.h"

#include "engine/retain_heap.h"
#include "scope/automatic.h"

static struct heap *heap;

UNUSED static arena_scope_token open_kind(const char *label, bool retains)
{
    arena_scope_site site = {label, "harness", 1, 0};
    struct thread *thread = scope_thread();
    require(thread);
    const struct module *module = scope_mark_module(thread, marked_caller());
    arena_scope_token token =
        scope_open(thread, &thread->sites[sites_find(&site)], retains, module);
    heap = &hot.thread->heap;
    return token;
}

/* Blocks that are alive, as the heap counts them. */
static uint64_t alive(void)
{
    if (hot.thread->depth > 0)
        settle_innermost(hot.thread);
    return heap->alive;
}

/* Headers lead from one block to the next through all shared pages, lists hold free blocks of their
 * class alone, and the counts are right; but for `alive`, after a jump out of a path. */
static void check_heap_of(bool jumped)
{
    uint64_t blocks = 0, shared = 0, living = 0;
    if (heap->unsure)
        return;
    for (uint32_t run = 0; run < heap->pages.count; run += heap->pages.table[run].length) {
        uint32_t length = heap->pages.table[run].length;
        living += heap->pages.table[run].kind == PAGES_LARGE;
        if (heap->pages.table[run].kind != PAGES_SHARED)
            continue;
        shared += length;
        uintptr_t start = pages_address(&heap->pages, run);
        uintptr_t end = start + length * PAGE_BYTES - BLOCK_HEADER;
        for (uintptr_t at = block_base(start, fixed.config.align); at < end;) {
            if (at == heap->cursor && heap->cursor < heap->end) {
                at = heap->end;
                continue;
            }
            uint64_t header = retain_load(at);
            size_t bytes = header & RETAIN_BYTES;
            require(bytes >= RETAIN_UNIT && bytes <= RETAIN_SHARED && at + bytes <= end);
            require(bytes % fixed.config.align == 0);
            living += !(header & RETAIN_FREED);
            blocks++;
            at += bytes;
        }
    }
    require(shared == heap->shared_pages);
    require(blocks == heap->blocks);
    require(jumped || living == alive() || fixed.checked);
    for (size_t i = 0; i < COUNT(heap->exact); i++)
        for (uintptr_t at = heap->exact[i].first; at; at = retain_load(at - BLOCK_HEADER) >> 16)
            require((retain_load(at - BLOCK_HEADER) & (RETAIN_BYTES | RETAIN_FREED)) ==
                    (i * RETAIN_UNIT | RETAIN_FREED));
    for (size_t i = 0; i < COUNT(heap->wide); i++)
        for (uintptr_t at = heap->wide[i]; at; at = retain_load(at - BLOCK_HEADER) >> 16) {
            uint64_t header = retain_load(at - BLOCK_HEADER);
            require((header & RETAIN_FREED) &&
                    retain_list(heap, header & RETAIN_BYTES) == &heap->wide[i]);
        }
}

UNUSED static void check_heap(void)
{
    check_heap_of(false);
}

#endif
