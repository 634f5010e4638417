/*
 * Preloaded into every program of an emulated root (root.sh): a thread that the emulator has for
 * itself is not the program's. Functions would count as running otherwise, and their code be left
 * alone.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

int stat(const char *path, struct stat *status)
{
    int result = fstatat(AT_FDCWD, path, status, 0);
    if (result == 0 && strcmp(path, "/proc/self/task") == 0)
        status->st_nlink--;
    return result;
}
