/* liboverlap.so, to be preloaded: a malloc that now and then begins a block in the one before. */
#include <stddef.h>
#include <string.h>

void *malloc(size_t size);
void *realloc(void *block, size_t size);
void free(void *block);

static char memory[64 << 20] __attribute__((aligned(16)));
static size_t used, count;

void *malloc(size_t size)
{
    size_t rounded = (size + 31) & ~(size_t)15;
    if (rounded > sizeof memory - used)
        used = 0;
    char *block = memory + used;
    used += ++count % 97 == 0 && rounded > 32 ? rounded - 32 : rounded;
    return block;
}

/* A mark that looks for the shim asks the linker, which prints into a buffer that grows. */
void *realloc(void *block, size_t size)
{
    void *larger = malloc(size);
    return block ? memmove(larger, block, size) : larger;
}

void free(void *block)
{
    (void)block;
}
