/*
 * Another process, seen from outside: it notices nothing and waits for nobody.
 */
#ifndef TOP_PROCESS_H
#define TOP_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Copies memory of the process. False, with errno, when it is not all there: ESRCH when the process
 * is not, EPERM when it may not be looked into. */
bool process_read(pid_t pid, uintptr_t address, void *to, size_t size);

/* The same of several pieces in one turn, one after the other; `local` has the sizes of `remote`.
 */
bool process_read_pieces(pid_t pid, const struct iovec *local, const struct iovec *remote,
                         size_t count);

/* The addresses of up to `most` symbols of that name which its object files export, by their
 * dynamic sections in memory: files may be stripped, or gone. Returns how many; -1, with errno, as
 * above. */
int process_find(pid_t pid, const char *symbol, uintptr_t *addresses, int most);

/* A thread in another PID namespace has two numbers: the one that it knows, and the one here. Fills
 * in those of up to `most` threads of the process and returns how many; 0 when they are the same.
 */
struct process_number {
    pid_t inside, here;
};
size_t process_numbers(pid_t pid, struct process_number *numbers, size_t most);

/* Its name, or that of one of its threads, as ps(1) shows it; "" when it has none any more. */
#define PROCESS_NAME_SIZE 32
void process_name(pid_t pid, pid_t thread, char name[PROCESS_NAME_SIZE]);

#endif
