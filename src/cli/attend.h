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
    bool by_script; /* which leaves the program's number in the file "main" of the folder */
    pid_t program;
    int status;    /* as waitpid has it */
    bool outlived; /* by processes that may write to the folder */
    char *folder;
    char **files; /* what is there in the end; the last is NULL */
    size_t count;
};

/* Makes the folder for the statistics, and has them written there. */
void attend_prepare(struct attended *attended);

/* Then runs the program with the settings that are in the environment, and waits for it. Signals
 * that are sent to this process are passed on, and it stops with the program. */
void attend(char **program, struct attended *attended);

/* Those of the files whose names fit the pattern; the last is NULL. The list is to be freed. */
char **attended_files(const struct attended *attended, const char *pattern, size_t *count);

/* Whether the program's own process is among those that left statistics. */
bool attended_itself(const struct attended *attended);

/* For each process that has had scopes and has left none, but for the program's own and those that
 * are still at work, a line that says so. The last is NULL. */
char **attended_lost(const struct attended *attended);

/* How the program ended, as a shell has it: its status, or 128 and the number of the signal. */
int attended_status(const struct attended *attended);

/* Removes the files and the folder. */
void attend_forget(struct attended *attended);

/* Ends this process as the program has ended. */
noreturn void attend_exit(int status);

#endif
