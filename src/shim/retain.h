/*
 * Scopes that retain what is still alive at their end: the way scopes end that are named from
 * outside, where nobody has looked at what outlives them.
 *
 * Their blocks lie in chunks (chunks.h), bumped one behind the other as in an arena, behind an
 * 8-byte header each:
 *
 *     63            16 15             1 0
 *     | return address | 16-byte units | freed |
 *
 * The units lead to the next header; a block that has chunks of its own has 0 of them. The address
 * is that of the call that drew the block. A chunk is used again when every block in it has been
 * freed, by whatever thread and however late; a scope's end does nothing but see whether that is
 * so. Where survivors keep more than half of the capacity in use, the sites whose blocks survive
 * are learned (learn.h), and sent to the next allocator from then on.
 *
 * In such a scope hot.cursor is 0, as outside scopes: the entry points then call the functions of
 * fixed.outside, which retain_start() enters. So nothing here is asked for, on any path, where no
 * scope retains.
 *
 * The gate. `limit` is 0 while one of these functions is at work; a signal handler that finds it so
 * is served by the next allocator, frees as another thread would, and leaves cursor and chunks as
 * they are. Whether the thread's calls are routed at all is in module_size, which is 0 outside such
 * scopes and in pauses.
 */
#ifndef SHIM_RETAIN_H
#define SHIM_RETAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "shim/block.h"

/* Enters the functions into fixed.outside; by the main thread, once routing works. */
void retain_start(void);

/* The slow path of drawing, as block_serve; also opens the scopes of automatic.h. */
void *retain_serve(const struct request *request);

/* True when the block, of the region, lies in chunks. */
bool retain_holds(const void *block);

/* As block_free, for a block of the region. False, with nothing done, when it lies in no chunk; any
 * thread. */
bool retain_free(void *block);

/* As block_usable and block_resize, for a block that lies in chunks; any thread. */
size_t retain_usable(const void *block);
void *retain_resize(void *block, size_t size, uintptr_t caller);

/* A scope that retains begins: its blocks lie behind what is in the current chunk, and are drawn by
 * `module`, if that participates (and others as they are met). */
void retain_begin(struct thread *thread, struct frame *frame, const struct module *module);

/* The innermost scope, which retains, ends: notes what survives, and puts back what begin found.
 * True when the gate is closed now: retain_ended opens it once the frame does not count any more.
 */
bool retain_end(struct thread *thread, struct frame *frame);
void retain_ended(struct thread *thread);

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
