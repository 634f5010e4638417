/*
 * Scope marks for programs that run under libarenashim.so.
 *
 * Inside a scope the calling thread's malloc family draws from that thread's arena; at the end of
 * the scope everything drawn in it is gone at once. Without the shim in the process each mark is a
 * few tests and branches, and there is nothing to link: all functions here are inline and look the
 * shim up by weak reference or, where the linker has settled that to 0, once by dlsym.
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
    uint32_t flags;    /* 0 or ARENA_SCOPE_RETAINS */
} arena_scope_site;

/*
 * The scope drops nothing: what is alive at its end stays valid until it is freed, whoever keeps
 * it. For languages whose run-time systems keep memory of their own, and that promise their users
 * that nothing dangles. Everybody's calls are routed in it, and it holds in spite of ARENASHIM_END.
 * A thread's first such scope makes the begins and ends of all its scopes somewhat slower.
 */
#define ARENA_SCOPE_RETAINS ((uint32_t)1)

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

/* Whatever visibility the program gives to what it includes: these are defined elsewhere. */
#define ARENASHIM_WEAK_(result, name, parameters)                                                  \
    extern result arenashim_weak_##name parameters __asm__(#name)                                  \
        __attribute__((weak, visibility("default")));
ARENASHIM_FUNCTIONS_(ARENASHIM_WEAK_)
#undef ARENASHIM_WEAK_

/*
 * A static linker may settle a weak undefined function to 0 for good: all do in objects that are
 * not position independent, mold in all programs, others when they are told to. So where it is 0
 * the addresses are looked up at the first mark. dlsym itself is weak: in a static program it is
 * absent, and so is the shim. A program's own calls of it are not, for which linkers keep the
 * library that has it. What it notes when the shim is absent is not the program's: glibc takes it
 * away for what is found, and dlerror elsewhere. (In glibc before 2.34 dlerror crashes where there
 * is something to take away and the program's free or realloc calls dlsym.) Threads that race here
 * store the same values.
 */
typedef void (*arenashim_function_)(void);
static arenashim_function_ arenashim_weak_dlsym(void *, const char *)
    __attribute__((weakref("dlsym"), unused));
static char *arenashim_weak_dlerror(void) __attribute__((weakref("dlerror"), unused));

/*
 * Before glibc 2.34 dlsym lies in a library of its own, which the shim brings and the program need
 * not have: in objects that are not position independent linkers leave it open for the loader only
 * where all references go through the global offset table.
 */
#if defined __x86_64__ && defined __LP64__ && !defined __PIC__
#define ARENASHIM_OPEN_(name)                                                                      \
    __extension__({                                                                                \
        __typeof__(&arenashim_weak_##name) open;                                                   \
        __asm__(                                                                                   \
            ".weakref arenashim_open_%=, " #name                                                   \
            "\n\t{movq|mov %0, QWORD PTR} arenashim_open_%={@GOTPCREL(%%rip), %0|@GOTPCREL[rip]}"  \
            : "=r"(open));                                                                         \
        open;                                                                                      \
    })
#else
#define ARENASHIM_OPEN_(name) (&arenashim_weak_##name)
#endif

#define ARENASHIM_POINTER_(result, name, parameters) result(*name) parameters;
struct arenashim_functions_ {
    int looked_up;
    ARENASHIM_FUNCTIONS_(ARENASHIM_POINTER_)
};
#undef ARENASHIM_POINTER_

#ifdef __cplusplus
#define ARENASHIM_AS_(type, value) reinterpret_cast<type>(value)
#else
#define ARENASHIM_AS_(type, value) ((type)(value))
#endif

__attribute__((unused, noinline, cold)) static void
arenashim_look_up_(struct arenashim_functions_ *found)
{
    static void *everywhere; /* RTLD_DEFAULT */
    __typeof__(&arenashim_weak_dlsym) look_up = ARENASHIM_OPEN_(dlsym);
    __typeof__(&arenashim_weak_dlerror) forget = ARENASHIM_OPEN_(dlerror);
    if (look_up && look_up(everywhere, "arena_scope_begin")) {
#define ARENASHIM_LOOK_UP_(result, name, parameters)                                               \
    __atomic_store_n(&found->name,                                                                 \
                     ARENASHIM_AS_(result(*) parameters, look_up(everywhere, #name)),              \
                     __ATOMIC_RELAXED);
        ARENASHIM_FUNCTIONS_(ARENASHIM_LOOK_UP_)
#undef ARENASHIM_LOOK_UP_
    } else if (look_up && forget) {
        look_up(everywhere, "dlsym");
        forget();
    }
    __atomic_store_n(&found->looked_up, 1, __ATOMIC_RELEASE);
}

static inline struct arenashim_functions_ *arenashim_found_(void)
{
    static struct arenashim_functions_ found;
    if (!__atomic_load_n(&found.looked_up, __ATOMIC_ACQUIRE))
        arenashim_look_up_(&found);
    return &found;
}

/* Declares `function`, the shim's function of that name as dlsym finds it, or 0. */
#define ARENASHIM_FOUND_(name)                                                                     \
    __typeof__(&arenashim_weak_##name) function =                                                  \
        __atomic_load_n(&arenashim_found_()->name, __ATOMIC_RELAXED)

/* The inline functions need assembler names of their own: a local symbol with the name of the
 * shim's function would stand in its way. */
#define ARENASHIM_INLINE_(result, name, parameters)                                                \
    static inline result name parameters __asm__("arenashim_inline_" #name);
ARENASHIM_FUNCTIONS_(ARENASHIM_INLINE_)
#undef ARENASHIM_INLINE_
#undef ARENASHIM_FUNCTIONS_

static inline arena_scope_token arena_scope_begin(const arena_scope_site *site)
{
    if (__builtin_expect(arenashim_weak_arena_scope_begin ? 1 : 0, 0))
        return arenashim_weak_arena_scope_begin(site);
    arena_scope_token none = {0};
    ARENASHIM_FOUND_(arena_scope_begin);
    return __builtin_expect(function ? 1 : 0, 0) ? function(site) : none;
}

static inline void arena_scope_end(arena_scope_token token)
{
    if (arenashim_weak_arena_scope_end) {
        arenashim_weak_arena_scope_end(token);
        return;
    }
    ARENASHIM_FOUND_(arena_scope_end);
    if (function)
        function(token);
}

static inline void arena_scope_pause(void)
{
    if (arenashim_weak_arena_scope_pause) {
        arenashim_weak_arena_scope_pause();
        return;
    }
    ARENASHIM_FOUND_(arena_scope_pause);
    if (function)
        function();
}

static inline void arena_scope_resume(void)
{
    if (arenashim_weak_arena_scope_resume) {
        arenashim_weak_arena_scope_resume();
        return;
    }
    ARENASHIM_FOUND_(arena_scope_resume);
    if (function)
        function();
}

static inline void *arena_scope_keep(void *block)
{
    if (arenashim_weak_arena_scope_keep)
        return arenashim_weak_arena_scope_keep(block);
    ARENASHIM_FOUND_(arena_scope_keep);
    return function ? function(block) : block;
}

static inline int arena_scope_active(void)
{
    if (arenashim_weak_arena_scope_active)
        return arenashim_weak_arena_scope_active();
    ARENASHIM_FOUND_(arena_scope_active);
    return function ? function() : 0;
}

/* Writes the statistics so far to `fd`, in the format that ARENASHIM_STATS names (else text).
 * Without the shim nothing is written. */
static inline void arenashim_stats_print(int fd)
{
    if (arenashim_weak_arenashim_stats_print) {
        arenashim_weak_arenashim_stats_print(fd);
        return;
    }
    ARENASHIM_FOUND_(arenashim_stats_print);
    if (function)
        function(fd);
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
