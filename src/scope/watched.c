#include "scope/watched.h"

#include <errno.h>

#include "next/fixed.h"
#include "next/part.h"
#include "next/watch_host.h"
#include "scope/named.h"

/* Threads may run already: each pointer is replaced by one store. */
static void hand_on_to(const struct watch_host *host)
{
    const struct next_allocator *watching = &host->watching;
    fixed_unseal();
    fixed.next = *watching;
    fixed.outside.malloc = watching->malloc;
    fixed.outside.calloc = watching->calloc;
    fixed.outside.free = watching->free;
    fixed.outside.realloc = watching->realloc;
    fixed.outside.malloc_usable_size = watching->malloc_usable_size;
    fixed.libc_free = host->watching_libc_free;
    fixed.libc_realloc = host->watching_libc_realloc;
    fixed_seal();
}

void watched_start(void)
{
    if (*fixed.config.watch == '\0' || fixed.config.disabled)
        return;
    int saved_errno = errno;
    static struct watch_host host;
    watch_start_function *start = (watch_start_function *)part_load(WATCH_PART, WATCH_START);
    host = (struct watch_host){
        .record = fixed.config.watch,
        .next = fixed.next,
        .libc_free = fixed.libc_free,
        .libc_realloc = fixed.libc_realloc,
        .named = fixed.named,
    };
    if (!start) {
        part_say_missing("the process is not watched", WATCH_PART);
    } else if (start(&host)) {
        hand_on_to(&host);
        named_start(&host.named);
    }
    errno = saved_errno;
}
