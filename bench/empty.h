/*
 * The floor of every measurement: a function of another module that does nothing, called through
 * the procedure linkage table as malloc is.
 */
#ifndef BENCH_EMPTY_H
#define BENCH_EMPTY_H

void bench_empty(void);

#endif
