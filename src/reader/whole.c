#include "reader/whole.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
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

/* Descriptors have names there; what they lead to is written to behind what is in it. */
static bool is_descriptor(const char *name)
{
    return strncmp(name, "/dev/", 5) == 0 || strncmp(name, "/proc/", 6) == 0;
}

static FILE *open_beside(struct whole *file, mode_t mode)
{
    file->beside = need_text("%s.XXXXXX", file->place); /* other hosts may write it, too */
    int opened = mkostemp(file->beside, O_CLOEXEC);
    if (opened < 0) {
        free(file->beside);
        file->beside = NULL;
        return NULL;
    }
    fchmod(opened, mode);
    return fdopen(opened, "w");
}

bool whole_open(struct whole *file, const char *name)
{
    struct stat status;
    mode_t mask = umask(0);
    umask(mask);
    bool is_there = lstat(name, &status) == 0;
    bool is_link = is_there && S_ISLNK(status.st_mode);
    bool foreign = is_link && status.st_uid != geteuid() && status.st_uid != 0;
    char *place = is_link && !foreign ? realpath(name, NULL) : NULL;
    if (is_link)
        is_there = !foreign && stat(name, &status) == 0;
    *file = (struct whole){.place = place ? place : need_text("%s", name)};
    if (!is_descriptor(name) && (!is_there || S_ISREG(status.st_mode)))
        file->stream = open_beside(file, is_there ? status.st_mode & 07777 : 0666 & ~mask);
    if (!file->stream && !foreign)
        file->stream = fopen(file->place, is_descriptor(name) ? "ae" : "we");
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
