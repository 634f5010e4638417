/*
 * How a kernel call ended.
 *
 * One rule for all kernels: a call that does not return KERNEL_OK has freed all its scratch and
 * has not written to the caller's buffers.
 */
#ifndef EXAMPLES_KERNELS_STATUS_H
#define EXAMPLES_KERNELS_STATUS_H

enum kernel_status {
    KERNEL_OK,
    KERNEL_BAD_ARGUMENT, /* NULL, a size of 0 where none is allowed, a parameter out of range */
    KERNEL_BAD_GRAPH,    /* a CSR graph that contradicts itself */
    KERNEL_NO_MEMORY,
};

/* A static text for messages, without a full stop; never NULL. Any thread. */
const char *kernel_status_text(enum kernel_status status);

#endif
