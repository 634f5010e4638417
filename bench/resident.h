/*
 * What memory the process holds, as the kernel counts it. Nothing here allocates.
 */
#ifndef BENCH_RESIDENT_H
#define BENCH_RESIDENT_H

#ifdef __cplusplus
extern "C" {
#endif

/* Page faults so far that took no disk. */
long resident_faults(void);

/* KiB of memory that the process has now. */
long resident_kb(void);

/* The most KiB that it had since resident_peak_reset, or since it started when the kernel refuses
 * that. */
long resident_peak_kb(void);
void resident_peak_reset(void);

#ifdef __cplusplus
}
#endif

#endif
