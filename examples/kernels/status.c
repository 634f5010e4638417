/* Texts for kernel_status. */
#include "status.h"

const char *kernel_status_text(enum kernel_status status)
{
    switch (status) {
    case KERNEL_OK:
        return "success";
    case KERNEL_BAD_ARGUMENT:
        return "argument out of range";
    case KERNEL_BAD_GRAPH:
        return "inconsistent graph";
    case KERNEL_NO_MEMORY:
        return "out of memory";
    }
    return "unknown status";
}
