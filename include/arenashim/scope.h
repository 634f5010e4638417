/*
 * Scope marks for programs that run under libarenashim.so.
 *
 * Inside a scope the calling thread's malloc family draws from that thread's arena; at the end of
 * the scope everything drawn in it is gone at once. Without the shim in the process each mark is a
 * test and a branch, and there is nothing to link: all functions here are inline and look the
 * shim up by weak reference (or, in objects that are not position independent, once by dlsym).
 *
 *     ARENA_SCOPE("rank") { ... }            the block is the scope
 *     ARENA_SCOPE_HERE("rank");              the rest of the enclosing block is
 *     ARENA_SCOPE_PAUSED { ... }             the block allocates outside the arena
 *     arenashim::scope guard{"rank"};        C++: as ARENA_SCOPE_HERE
 *
 * Block macros end on every way out of the block: its end, return, break, continue, goto and C++
 * exceptions. `break` and `continue` leave the marked block, not a loop around it. longjmp and
 * (in C without -fexceptions) pthread_exit leave the scope open; the end of an enclosing scope
 * closes and counts it.
 *
 * Thread rules: every call concerns the calling thread alone. A token is valid in the thread that
 * began the scope. Needs GCC or clang, C99 or C++11, on an ELF system.
 */
#ifndef ARENASHIM_SCOPE_H
#define ARENASHIM_SCOPE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Where a scope is marked. The macros make one static record per mark; statistics are kept per
 * site, and records with equal contents are one site. The strings must have static storage (a
 * literal, as a rule): the shim recognises a site by their addresses. The record itself need not.
 */
typedef struct arena_scope_site {
    const char *label; /* any text, or NULL */
    const char *file;  /* source file, or NULL */
    uint32_t line;     /* 1-based, 0 when unknown */
    uint32_t reserved; /* must be 0 */
} arena_scope_site;

/* What begin returns and end takes. An id of 0 stands for "no scope was begun"; ending it does
 * nothing. */
typedef struct arena_scope_token {
    uint64_t id;
} arena_scope_token;

/*
 * ABI of libarenashim.so, for callers in other languages. In C and C++ use the inline functions
 * of the same names below, which also work without the shim.
 *
 * arena_scope_begin   opens a scope; `site` may be NULL. Returns id 0 when the shim cannot open
 *                     one (disabled, no address space for an arena): calls then go to the next
 *                     allocator, and nothing else changes.
 * arena_scope_end     closes the scope and, before it, every scope of this thread that was begun
 *                     after it and is still open (each is counted as left open). A token that is
 *                     not open in this thread is one line on stderr and a counter.
 * arena_scope_pause   sends this thread's calls to the next allocator until the matching resume.
 *                     A pause belongs to the innermost scope: a scope begun inside a pause routes
 *                     again, and a scope's end forgets the pauses made in it (by its own token
 *                     that is one line on stderr and a counter). Pauses nest. Outside
 *                     scopes both calls do nothing.
 * arena_scope_keep    moves a block out of the arena: returns a block of the next allocator with
 *                     the same contents and usable size, and frees `block`. Other blocks and NULL
 *                     are returned as they are. NULL with errno ENOMEM leaves `block` as it was.
 *                     The copy is aligned to 16 bytes or ARENASHIM_ALIGN.
 * arena_scope_active  1 when the calling thread is in an unpaused scope, else 0.
 */
#ifdef ARENASHIM_BUILDING

#define ARENASHIM_API_ __attribute__((visibility("default")))
ARENASHIM_API_ arena_scope_token arena_scope_begin(const arena_scope_site *site);
ARENASHIM_API_ void arena_scope_end(arena_scope_token token);
ARENASHIM_API_ void arena_scope_pause(void);
ARENASHIM_API_ void arena_scope_resume(void);
ARENASHIM_API_ void *arena_scope_keep(void *block);
ARENASHIM_API_ int arena_scope_active(void);
ARENASHIM_API_ void arenashim_stats_print(int fd);

#else /* a program that marks scopes */

#define ARENASHIM_FUNCTIONS_(X)                                                                    \
    X(arena_scope_token, arena_scope_begin, (const arena_scope_site *))                            \
    X(void, arena_scope_end, (arena_scope_token))                                                  \
    X(void, arena_scope_pause, (void))                                                             \
    X(void, arena_scope_resume, (void))                                                            \
    X(void *, arena_scope_keep, (void *))                                                          \
    X(int, arena_scope_active, (void))                                                             \
    X(void, arenashim_stats_print, (int))

#if defined(__PIC__) || defined(__PIE__)

#define ARENASHIM_WEAK_(result, name, parameters)                                                  \
    extern result arenashim_weak_##name parameters __asm__(#name) __attribute__((weak));
ARENASHIM_FUNCTIONS_(ARENASHIM_WEAK_)
#undef ARENASHIM_WEAK_
#define ARENASHIM_FIND_(name) (arenashim_weak_##name)

#else

/*
 * The static linker settles a weak undefined function of a position-dependent object to 0 for
 * good, so the addresses are looked up at the first mark. dlsym itself is weak: in a static
 * program it is absent, and so is the shim. Threads that race here store the same values.
 */
typedef void (*arenashim_function_)(void);
extern arenashim_function_ arenashim_weak_dlsym(void *, const char *) __asm__("dlsym")
    __attribute__((weak));

#define ARENASHIM_POINTER_(result, name, parameters) result(*name) parameters;
struct arenashim_functions_ {
    int looked_up;
    ARENASHIM_FUNCTIONS_(ARENASHIM_POINTER_)
};
#undef ARENASHIM_POINTER_

static struct arenashim_functions_ arenashim_found_ __attribute__((unused));

__attribute__((unused, noinline, cold)) static void arenashim_look_up_(void)
{
    if (arenashim_weak_dlsym) {
#define ARENASHIM_LOOK_UP_(result, name, parameters)                                               \
    arenashim_found_.name = (result(*) parameters)arenashim_weak_dlsym((void *)0, #name);
        ARENASHIM_FUNCTIONS_(ARENASHIM_LOOK_UP_)
#undef ARENASHIM_LOOK_UP_
    }
    __atomic_store_n(&arenashim_found_.looked_up, 1, __ATOMIC_RELEASE);
}

#define ARENASHIM_FIND_(name)                                                                      \
    (__atomic_load_n(&arenashim_found_.looked_up, __ATOMIC_ACQUIRE) ? (void)0                      \
                                                                    : arenashim_look_up_(),        \
     arenashim_found_.name)

#endif

/* The inline functions need assembler names of their own: a local symbol with the name of the
 * shim's function would stand in its way. */
#define ARENASHIM_INLINE_(result, name, parameters)                                                \
    static inline result name parameters __asm__("arenashim_inline_" #name);
ARENASHIM_FUNCTIONS_(ARENASHIM_INLINE_)
#undef ARENASHIM_INLINE_
#undef ARENASHIM_FUNCTIONS_

static inline arena_scope_token arena_scope_begin(const arena_scope_site *site)
{
    arena_scope_token none = {0};
    return __builtin_expect(ARENASHIM_FIND_(arena_scope_begin) != 0, 0)
               ? ARENASHIM_FIND_(arena_scope_begin)(site)
               : none;
}

static inline void arena_scope_end(arena_scope_token token)
{
    if (ARENASHIM_FIND_(arena_scope_end) != 0)
        ARENASHIM_FIND_(arena_scope_end)(token);
}

static inline void arena_scope_pause(void)
{
    if (ARENASHIM_FIND_(arena_scope_pause) != 0)
        ARENASHIM_FIND_(arena_scope_pause)();
}

static inline void arena_scope_resume(void)
{
    if (ARENASHIM_FIND_(arena_scope_resume) != 0)
        ARENASHIM_FIND_(arena_scope_resume)();
}

static inline void *arena_scope_keep(void *block)
{
    return ARENASHIM_FIND_(arena_scope_keep) != 0 ? ARENASHIM_FIND_(arena_scope_keep)(block)
                                                  : block;
}

static inline int arena_scope_active(void)
{
    return ARENASHIM_FIND_(arena_scope_active) != 0 ? ARENASHIM_FIND_(arena_scope_active)() : 0;
}

/* Writes the statistics so far to `fd`, in the format that ARENASHIM_STATS names (else text).
 * Without the shim nothing is written. */
static inline void arenashim_stats_print(int fd)
{
    if (ARENASHIM_FIND_(arenashim_stats_print) != 0)
        ARENASHIM_FIND_(arenashim_stats_print)(fd);
}

/* ---- marks ---------------------------------------------------------------------------------- */

struct arenashim_block_ {
    arena_scope_token token;
    int done;
};

static inline void arenashim_block_end_(struct arenashim_block_ *block)
{
    arena_scope_end(block->token);
}

static inline void arenashim_pause_end_(int *done)
{
    (void)done;
    arena_scope_resume();
}

static inline int arenashim_pause_begin_(void)
{
    arena_scope_pause();
    return 0;
}

#define ARENASHIM_JOIN2_(a, b) a##b
#define ARENASHIM_JOIN_(a, b) ARENASHIM_JOIN2_(a, b)

/* The address of this mark's static site record. */
#define ARENASHIM_SITE_(text)                                                                      \
    (__extension__({                                                                               \
        static const arena_scope_site arenashim_site_ = {(text), __FILE__, __LINE__, 0};           \
        &arenashim_site_;                                                                          \
    }))

#define ARENASHIM_BLOCK_(text, name)                                                               \
    for (struct arenashim_block_ name __attribute__((                                              \
             cleanup(arenashim_block_end_))) = {arena_scope_begin(ARENASHIM_SITE_(text)), 0};      \
         !name.done; name.done = 1)

#define ARENASHIM_PAUSED_(name)                                                                    \
    for (int name __attribute__((cleanup(arenashim_pause_end_))) = arenashim_pause_begin_();       \
         !name; name = 1)

/* The block that follows is a scope. `label` is a string literal. */
#define ARENA_SCOPE(label) ARENASHIM_BLOCK_(label, ARENASHIM_JOIN_(arenashim_block_, __COUNTER__))

/* The rest of the enclosing block is a scope. Do not jump past it (goto, case). */
#define ARENA_SCOPE_HERE(label)                                                                    \
    struct arenashim_block_ ARENASHIM_JOIN_(arenashim_block_, __COUNTER__) __attribute__((         \
        cleanup(arenashim_block_end_), unused)) = {arena_scope_begin(ARENASHIM_SITE_(label)), 0}

/* The block that follows allocates from the next allocator. */
#define ARENA_SCOPE_PAUSED ARENASHIM_PAUSED_(ARENASHIM_JOIN_(arenashim_paused_, __COUNTER__))

#endif /* ARENASHIM_BUILDING */

#ifdef __cplusplus
} /* extern "C" */

#ifndef ARENASHIM_BUILDING
namespace arenashim {

/* A scope from construction to destruction. Neither copied nor moved; destroy guards in the
 * reverse order of construction (as automatic variables are). */
class scope {
  public:
#if defined(__has_builtin)
#if __has_builtin(__builtin_FILE) && __has_builtin(__builtin_LINE)
#define ARENASHIM_HAVE_CALLER_ 1
#endif
#elif defined(__GNUC__)
#define ARENASHIM_HAVE_CALLER_ 1
#endif
#ifdef ARENASHIM_HAVE_CALLER_
    explicit scope(const char *label, const char *file = __builtin_FILE(),
                   uint32_t line = __builtin_LINE())
#else
    explicit scope(const char *label, const char *file = nullptr, uint32_t line = 0)
#endif
        : site_{label, file, line, 0}, token_(arena_scope_begin(&site_))
    {
    }
    explicit scope(const arena_scope_site *site) : site_(), token_(arena_scope_begin(site))
    {
    }
    ~scope()
    {
        arena_scope_end(token_);
    }
    scope(const scope &) = delete;
    scope &operator=(const scope &) = delete;

  private:
    arena_scope_site site_;
    arena_scope_token token_;
};

} /* namespace arenashim */
#endif
#endif

#endif /* ARENASHIM_SCOPE_H */
