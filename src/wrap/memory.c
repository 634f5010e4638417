/* Pieces of mappings, and arrays that are mappings. */
#include "wrap/memory.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/numbers.h"

#define PIECE ((size_t)64 << 10)

static void *map(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void *memory_take(size_t bytes)
{
    static char *free_start, *free_end;
    bytes = round_up(bytes, 16);
    if (bytes > PIECE / 4)
        return map(bytes);
    if ((size_t)(free_end - free_start) < bytes) {
        char *piece = map(PIECE);
        if (!piece)
            return NULL;
        free_start = piece;
        free_end = piece + PIECE;
    }
    void *memory = free_start;
    free_start += bytes;
    return memory;
}

char *memory_text(const char *bytes, size_t length)
{
    char *text = memory_take(length + 1);
    if (text)
        memcpy(text, bytes, length);
    return text;
}

void *list_add(struct list *list, size_t item_bytes)
{
    if ((list->count + 1) * item_bytes > list->bytes) {
        size_t bytes = list->bytes ? 2 * list->bytes : PIECE;
        void *items =
            list->items ? mremap(list->items, list->bytes, bytes, MREMAP_MAYMOVE) : map(bytes);
        if (!items || items == MAP_FAILED)
            return NULL;
        list->items = items;
        list->bytes = bytes;
    }
    return (char *)list->items + list->count++ * item_bytes;
}

void list_free(struct list *list)
{
    if (list->items)
        munmap(list->items, list->bytes);
    *list = (struct list){0};
}
