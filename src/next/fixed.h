/*
 * What is settled at start and only read afterwards. It fills pages of its own, which
 * fixed_seal() makes read-only: a writable table of function pointers is an attacker's favourite.
 */
#ifndef SHIM_FIXED_H
#define SHIM_FIXED_H

#include <sys/types.h>

struct dl_find_object;

#include "base/compiler.h"
#include "base/page.h"
#include "memory/region.h"
#include "next/allocator.h"
#include "next/named_host.h"
#include "next/operators.h"
#include "settings/values.h"

/* What leave.c hands calls on to. */
struct leave {
    void (*_exit)(int status);
    int (*execv)(const char *path, char *const argv[]);
    int (*execve)(const char *path, char *const argv[], char *const envp[]);
    int (*execvp)(const char *file, char *const argv[]);
    int (*execvpe)(const char *file, char *const argv[], char *const envp[]);
    int (*fexecve)(int fd, char *const argv[], char *const envp[]);
};

struct fixed {
    struct next_allocator next;
    struct outside outside;
    struct region region;
    struct region fast;    /* the same for the entry points; all 0 where blocks are checked */
    struct region deleted; /* the same for operator delete; all 0, too, where the program has one */
    struct region thrower; /* code in the program that draws exceptions: see route/thrower.h */
    size_t bias;           /* a block of n bytes occupies (n + bias) & mask bytes; see layout.h */
    size_t mask;
    bool judges;       /* in scopes that retain, too, callers are judged by their module */
    bool everybody;    /* there, modules without a mark take part, unless the user's list says no */
    uint64_t small;    /* hot.small where the fast paths serve; 0: they never do */
    bool checked;      /* memcheck watches, or ARENASHIM_DEBUG is set: see header.h */
    uintptr_t wrapper; /* the malloc that calls ours, when that is not the first; else 0 */
    struct operators operators;
    pid_t (*fork)(void); /* _Fork */
    struct leave leave;
    void (*scope)(void); /* is called where a process may begin its first one; or NULL */
    int (*find_object)(void *address, struct dl_find_object *result); /* _dl_find_object */
    struct config config;
    struct named_host named;
    void (*libc_free)(void *); /* the C library's, whichever allocator is the next */
    void *(*libc_realloc)(void *, size_t);
    struct next_allocator behind_boot; /* next.c: what `next` calls on when it guards the buffer */
};

union fixed_pages {
    struct fixed values;
    unsigned char bytes[(sizeof(struct fixed) + PAGE_LARGEST - 1) / PAGE_LARGEST * PAGE_LARGEST];
};

/* Defined in next.c, whose functions it begins with. */
extern HIDDEN union fixed_pages fixed_pages __attribute__((aligned(PAGE_LARGEST)));
#define fixed (fixed_pages.values)

/* Makes the pages read-only, and writable again for a while. Where the system's are larger than
 * PAGE_LARGEST it does nothing: other variables may lie in the same page. */
void fixed_seal(void);
void fixed_unseal(void);

#endif
