/*
 * The one external definition of every inline function in arena.h, for callers that were not
 * inlined and for languages that link by symbol, and the refusal that is kept out of line.
 *
 * A function that arena.h gains is declared here too; tests/arena/check_symbols.sh refuses a
 * release that forgets it. Nothing here may allocate, lock or touch errno.
 */
#define ARENA_EXTERNAL_
#include "arenashim/arena.h"

#ifdef ARENA_ASAN_
extern inline bool arena_may_poison_(const struct arena *arena);
extern inline void arena_poison_all_(const struct arena *arena);
extern inline void arena_poison_from_(const struct arena *arena, size_t position);
#endif

extern inline void arena_init(struct arena *arena, void *buffer, size_t size);
extern inline void *arena_alloc(struct arena *arena, size_t size, size_t alignment);
extern inline void *arena_alloc_items(struct arena *arena, size_t item_size, size_t alignment,
                                      size_t count);
extern inline arena_position arena_mark(const struct arena *arena);
extern inline void arena_rewind(struct arena *arena, arena_position position);
extern inline void arena_reset(struct arena *arena);
extern inline size_t arena_remaining(const struct arena *arena);
extern inline double arena_utilization(const struct arena *arena);
extern inline size_t arena_high_water(const struct arena *arena);
extern inline uint64_t arena_overflow_count(const struct arena *arena);

void *arena_refuse(struct arena *arena)
{
    arena->overflow_count++;
    return NULL;
}
