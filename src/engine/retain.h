/*
 * Scopes that retain what is still alive at their end: the way scopes end that are named from
 * outside, where nobody has looked at what outlives them.
 *
 * Their blocks lie in chunks (chunks.h), bumped one behind the other as in an arena, behind a
 * header each (retain_internal.h). A chunk is used again when every block in it has been freed, by
 * whatever thread and however late; a scope's end does nothing but see whether that is so.
 *
 * In such a scope hot.cursor is 0, as outside scopes: the entry points then call the functions of
 * fixed.outside, which retain_start() enters. So nothing here is asked for, on any path, where no
 * scope retains.
 *
 * The gate. `limit` is 0 while one of these functions is at work, whether there is a chunk yet or
 * not; a signal handler that finds it so is served by the next allocator, frees as another thread
 * would, and leaves cursor and chunks as they are. Whether the thread's calls are routed at all is
 * in module_size, which is 0 outside such scopes and in pauses.
 */
#ifndef SHIM_RETAIN_H
#define SHIM_RETAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/block.h"

/* Enters the functions into fixed.outside; by the main thread, once routing works. */
void retain_start(void);

/* Drawing where there has been no look at the fast path, which malloc and calloc have their own of;
 * as block_serve. Also opens the scopes of automatic.h. */
void *retain_serve(const struct request *request);

/* True when the block, of the region, lies in chunks. */
bool retain_holds(const void *block);

/* block_free where scopes may retain; any thread. */
void retain_free(void *block);

/* As block_usable and block_resize, for a block that lies in chunks; any thread. */
size_t retain_usable(const void *block);
void *retain_resize(void *block, size_t size, uintptr_t caller);

/* Whether a signal handler is running that interrupted one of these functions, which find the gate
 * at `gate`. */
static ALWAYS_INLINE bool retain_is_interrupted(const struct retained *r, uintptr_t gate)
{
    return r->busy || (gate == 0 && !fixed.checked);
}

/* Where the open gate is: at the end of the current chunk, or of the first when there is none; that
 * is too far from the cursor, 0 then, for the fast paths. */
static ALWAYS_INLINE uintptr_t retain_limit(const struct retained *r)
{
    return chunks_address(&r->chunks, r->current) + CHUNK_BYTES;
}

/* A scope that retains begins: its blocks lie behind what is in the current chunk, and are drawn by
 * `module`, if that participates (and others as they are met). The caller has closed the gate,
 * which was at `gate`; returns whether it is to be opened, at retain_limit. */
static ALWAYS_INLINE bool retain_begin(struct thread *thread, struct frame *frame,
                                       const struct module *module, uintptr_t gate)
{
    struct retained *r = &thread->retained;
    bool opens = gate != 0;
    /* What was closed already was left so by a jump out of a signal handler. */
    if (UNLIKELY(!opens && frame == thread->frames && retain_is_interrupted(r, gate))) {
        r->busy = false;
        opens = !fixed.checked;
    }
    frame->refills = r->refills;
    frame->first_block = r->cursor;
    frame->outer_block = r->start; /* UINTPTR_MAX outside such scopes */
    frame->outer_module_start = r->module_start;
    frame->outer_module_size = r->module_size;
    r->start = r->cursor;
    r->module_size = 0;
    if (module) {
        signal_fence();
        r->module_start = module->start;
        signal_fence();
        r->module_size = module->end - module->start;
    }
    return opens;
}

/* The innermost scope, which retains and has been used, is about to end: notes what survives. The
 * caller has closed the gate, which was at `gate`. */
void retain_look_back(struct thread *thread, struct frame *frame, uintptr_t gate);

/* Puts back what its begin found. */
static ALWAYS_INLINE void retain_end(struct thread *thread, const struct frame *frame)
{
    struct retained *r = &thread->retained;
    r->module_size = 0;
    signal_fence();
    r->module_start = frame->outer_module_start;
    r->start = frame->outer_block;
    if (r->refills != frame->refills && r->start != UINTPTR_MAX)
        r->start = block_base(chunks_address(&r->chunks, r->current));
    signal_fence();
    r->module_size = frame->outer_module_size;
}

/* Moves what the paths counted to the frame, of the innermost scope, which retains. */
void retain_settle(struct thread *thread, struct frame *frame);

/* What the thread's scopes that retain have left of the capacity, in bytes. */
size_t retain_room(const struct thread *thread);

/* The innermost scope, which retains, is paused or resumed. */
void retain_pause(struct thread *thread, struct frame *frame);
void retain_resume(struct thread *thread, const struct frame *frame);

/* Gives pages of the idle thread's free chunks back to the kernel, but for `pad` bytes. True when
 * it took some. */
bool retain_trim(struct thread *thread, size_t pad);

/* The thread exits: its free chunks go back to the kernel; what is alive stays where it is. */
void retain_leave(struct thread *thread);

/* In a fork child, for a thread that does not exist there. */
void retain_orphan(struct thread *thread);

#endif
