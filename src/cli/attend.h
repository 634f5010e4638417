/*
 * Running a program and having the statistics of all its processes afterwards, where `arenashim
 * run` does not become the program.
 */
#ifndef CLI_ATTEND_H
#define CLI_ATTEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdnoreturn.h>
#include <sys/types.h>

struct attended {
    pid_t program;
    int status;    /* as waitpid has it */
    bool outlived; /* by processes that may write to the folder */
    char *folder;
    char **files; /* JSON statistics, one of each process that left any; the last is NULL */
    size_t count;
};

/* Makes the folder for the statistics, and has them written there. */
void attend_prepare(struct attended *attended);

/* Then runs the program with the settings that are in the environment, and waits for it. What is
 * sent to this process by kill(2) to end it is passed on. */
void attend(char **program, struct attended *attended);

/* Whether the program's own process is among those that left statistics. */
bool attended_itself(const struct attended *attended);

/* How the program ended, as a shell has it: its status, or 128 and the number of the signal. */
int attended_status(const struct attended *attended);

/* Removes the files, and the folder unless somebody may still write there: by its name, so that
 * whoever made it anew would say where. */
void attend_forget(struct attended *attended);

/* Ends this process as the program has ended. */
noreturn void attend_exit(int status);

#endif
