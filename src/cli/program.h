/*
 * The program to be started, seen from outside: where exec finds it, and whether preloading can
 * reach it. What is said here is advice; exec alone decides whether a program runs.
 */
#ifndef CLI_PROGRAM_H
#define CLI_PROGRAM_H

#include <limits.h>
#include <stdbool.h>

/* The file that execvp would execute for `name`. False with errno set as execvp sets it, when it
 * would fail for want of an executable file of that name. */
bool program_find(const char *name, char path[PATH_MAX]);

/* Whether a preloaded shim gets into a program. */
enum program_reach {
    PROGRAM_REACHED,
    PROGRAM_NOT_REACHED, /* preloading does nothing */
    PROGRAM_ENDANGERED,  /* the program might not even start: it must not be preloaded */
};

/* Prints one line on stderr when `shim` will not work in the program `path`, or in the interpreter
 * it names in its first line, and why: statically linked, another machine, another C library, more
 * privileges than the caller's, or a sanitizer's own malloc. `name` is what the user called it, and
 * `consequence` what follows for the user. */
enum program_reach program_examine(const char *name, const char *path, const char *shim,
                                   const char *consequence);

#endif
