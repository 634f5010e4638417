/* A plug-in that is loaded with RTLD_DEEPBIND, by which its calls would go to the C library, past
 * every preloaded library. */
#include <stdlib.h>
#include <string.h>

void *plugin_draw(size_t size);
void plugin_release(void *block);
void *plugin_resize(void *block);
size_t plugin_sum(const unsigned char *block, size_t size);

void *plugin_draw(size_t size)
{
    void *block = malloc(size);
    if (block)
        memset(block, 3, size);
    return block;
}

void plugin_release(void *block)
{
    free(block);
}

void *plugin_resize(void *block)
{
    return realloc(block, 1000);
}

size_t plugin_sum(const unsigned char *block, size_t size)
{
    unsigned char *copy = malloc(size);
    size_t sum = 0;
    if (!copy)
        abort();
    memcpy(copy, block, size);
    for (size_t i = 0; i < size; i++)
        sum += copy[i];
    free(copy);
    return sum;
}
