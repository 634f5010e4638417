#include "next/symbol.h"

#include <dlfcn.h>
#include <link.h>
#include <stdint.h>

#include "base/compiler.h"

extern const char __ehdr_start[] HIDDEN, _end[] HIDDEN;

static inline bool is_own(const void *function)
{
    return (uintptr_t)function - (uintptr_t)__ehdr_start <
           (uintptr_t)_end - (uintptr_t)__ehdr_start;
}

/* Another library's dlsym may be in front, which passes the question on by a call of its own: then
 * the next one is what is behind that library, which may be this, and calls would come back for
 * ever. */
static void *find_behind(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
#ifdef __GLIBC__
    if (UNLIKELY(is_own(found))) {
        static const char *const versions[] = {"GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.2.5"};
        void *(*real)(void *, const char *) = NULL;
        for (size_t i = 0; i < COUNT(versions) && !real; i++)
            real = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", versions[i]);
        if (real)
            found = real(RTLD_NEXT, name);
    }
#endif
    return found;
}

/* RTLD_DEFAULT would look into a plug-in first with which this library has come (RTLD_DEEPBIND). */
void *first_symbol(const char *name)
{
#ifdef __GLIBC__
    return dlsym(_r_debug.r_map, name); /* a handle of the program */
#else
    return dlsym(RTLD_DEFAULT, name);
#endif
}

/* Behind the C library in the order of search the program does not call this library, but this one
 * may call itself, and must not stop the program. */
void *next_symbol(const char *name)
{
    void *found = find_behind(name);
    if (UNLIKELY(!found)) {
        found = first_symbol(name);
        if (is_own(found))
            found = NULL;
    }
    return found;
}
