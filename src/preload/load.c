/*
 * What the dynamic linker runs when libarenashim.so comes and goes.
 */
#include "shim/report.h"
#include "shim/start.h"

__attribute__((constructor)) static void on_load(void)
{
    start_shim();
}

__attribute__((destructor)) static void on_unload(void)
{
    report_at_exit();
}
