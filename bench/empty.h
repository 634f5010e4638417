/*
 * The floor of every measurement: functions of another module that do nothing, called through the
 * procedure linkage table as malloc is.
 */
#ifndef BENCH_EMPTY_H
#define BENCH_EMPTY_H

void bench_empty(void);

/* The same; bench/wrapped.sh makes scopes of their calls, which end as the names say. */
void bench_empty_retain(void);
void bench_empty_reset(void);

#endif
