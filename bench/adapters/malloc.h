/* malloc, and free for each block, in the order in which they were drawn. */
#define ADAPTER_ALIGNMENT 16

struct heap {
    char none;
};

static inline void heap_open(struct heap *heap)
{
    (void)heap;
}

static inline void heap_begin(struct heap *heap)
{
    (void)heap;
}

static inline void *heap_take(struct heap *heap, size_t size)
{
    (void)heap;
    return malloc(size);
}

static inline void heap_end(struct heap *heap, void **blocks, size_t count)
{
    (void)heap;
    for (size_t i = 0; i < count; i++)
        free(blocks[i]);
}

static inline void heap_close(struct heap *heap)
{
    (void)heap;
}
