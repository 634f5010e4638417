/*
 * The system's page: what the kernel maps, protects and takes back as a whole. It is asked for
 * once, at start. (The pages of memory/pages.h are a unit of their own, which is never larger.)
 */
#ifndef BASE_PAGE_H
#define BASE_PAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/compiler.h"
#include "base/numbers.h"

/* The largest that kernels for this processor have: what is to have pages for itself in a file. */
#ifdef __x86_64__
#define PAGE_LARGEST 4096
#else
#define PAGE_LARGEST 65536
#endif

/* Bytes of a page; 0 before page_ask. */
extern HIDDEN size_t page_size;

void page_ask(void);

/* The end, or the start, of the page that an address lies in; the start of a page is both. */
static inline uintptr_t page_up(uintptr_t address)
{
    return round_up(address, page_size);
}

static inline uintptr_t page_down(uintptr_t address)
{
    return round_down(address, page_size);
}

#endif
