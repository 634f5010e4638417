#include "reader/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "advise/need.h"

bool whole_is_possible(const char *name)
{
    char *copy = need_text("%s", name);
    bool possible =
        access(name, W_OK) == 0 || (errno == ENOENT && access(dirname(copy), W_OK | X_OK) == 0);
    free(copy);
    return possible;
}

bool whole_open(struct whole *file, const char *name)
{
    struct stat status;
    char *place = realpath(name, NULL);
    bool is_there = stat(name, &status) == 0;
    *file = (struct whole){.place = place ? place : need_text("%s", name)};
    if (!is_there || S_ISREG(status.st_mode)) {
        mode_t mask = umask(0);
        umask(mask);
        file->beside = need_text("%s.XXXXXX", file->place); /* other hosts may write it, too */
        int opened = mkostemp(file->beside, O_CLOEXEC);
        file->stream = opened >= 0 ? fdopen(opened, "w") : NULL;
        if (file->stream)
            fchmod(opened, is_there ? status.st_mode & 07777 : 0666 & ~mask);
    }
    if (!file->stream) {
        free(file->beside);
        file->beside = NULL;
        file->stream = fopen(file->place, "we");
    }
    if (!file->stream) {
        int error = errno;
        free(file->place);
        errno = error;
    }
    return file->stream != NULL;
}

bool whole_close(struct whole *file)
{
    bool written = ferror(file->stream) == 0;
    written = fclose(file->stream) == 0 && written;
    written = written && (!file->beside || rename(file->beside, file->place) == 0);
    int error = errno;
    if (!written && file->beside)
        unlink(file->beside);
    free(file->beside);
    free(file->place);
    errno = error;
    return written;
}
