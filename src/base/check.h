/*
 * Invariants, checked in builds with --enable-debug and by nothing else; and the end of the process
 * by abort().
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#ifdef ARENASHIM_CHECK_INVARIANTS
#define CHECK(condition) ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))
#else
#define CHECK(condition) ((void)sizeof(condition))
#endif

/* A process that ends by a signal or by _exit leaves no coverage counts, but for those written
 * here. */
#ifdef ARENASHIM_COVERAGE
void __gcov_dump(void);
#define WRITE_COVERAGE() __gcov_dump()
#else
#define WRITE_COVERAGE() ((void)0)
#endif

/* abort(), where the shim ends the process. */
__attribute__((noreturn, cold)) void check_abort(void);

/* One line on stderr and abort(). */
__attribute__((noreturn, cold)) void check_failed(const char *condition, const char *file,
                                                  unsigned line);

#endif
