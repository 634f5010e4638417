/*
 * The untimed check that an allocator hands out proper blocks: aligned, apart from each other, and
 * with the contents that were written, until they are given back.
 */
#ifndef BENCH_VERIFY_H
#define BENCH_VERIFY_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Writes all bytes of `count` blocks, differently in each and each time, and returns true when
 * every byte is there afterwards, every address a multiple of `alignment`, and no two blocks
 * overlap. Else prints a line that starts with `name`. Any thread.
 */
bool verify_blocks(void *const *blocks, const size_t *sizes, size_t count, size_t alignment);

#ifdef __cplusplus
}
#endif

#endif
