/*
 * Probes for tracers (USDT): a nop, and a note in the file that says where it is and where the
 * arguments lie. Only on paths that are rare: the arguments are made ready whether somebody traces
 * or not.
 *
 *     PROBE(name, argument, ...)    described in libarenashim(7)
 */
#ifndef BASE_PROBE_H
#define BASE_PROBE_H

#ifdef HAVE_SYS_SDT_H
/* Of arguments in memory some tracers know less. */
#define STAP_SDT_ARG_CONSTRAINT nr
#define SDT_USE_VARIADIC
#include <sys/sdt.h>
#define PROBE(...) STAP_PROBEV(arenashim, __VA_ARGS__)
#else
#define PROBE(...) ((void)0)
#endif

#endif
