/*
 * Invariants, checked in builds with --enable-debug and by nothing else.
 */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#ifdef ARENASHIM_CHECK_INVARIANTS
#define CHECK(condition) ((condition) ? (void)0 : check_failed(#condition, __FILE__, __LINE__))
#else
#define CHECK(condition) ((void)sizeof(condition))
#endif

/* One line on stderr and abort(). */
__attribute__((noreturn, cold)) void check_failed(const char *condition, const char *file,
                                                  unsigned line);

#endif
