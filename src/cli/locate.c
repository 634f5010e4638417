#include "cli/locate.h"

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/elf_file.h"

#define SHIM "libarenashim.so"
#define BUILT_SHIM ".libs/" SHIM
#define CHECK_SCRIPT "valgrind-check"

/* Writes "`directory`/`name`" to `path`; false when that is too long or cannot be read. */
static bool find_file(const char *directory, const char *name, char path[PATH_MAX])
{
    return snprintf(path, PATH_MAX, "%s/%s", directory, name) < PATH_MAX && access(path, R_OK) == 0;
}

/* Cuts `suffix` off the end of `text` when it is there. */
static bool strip_suffix(char *text, const char *suffix)
{
    size_t length = strlen(text), cut = strlen(suffix);
    if (length < cut || strcmp(text + length - cut, suffix) != 0)
        return false;
    text[length - cut] = '\0';
    return true;
}

/* The directory of the running executable without a final slash; "" for the root directory. Where
 * there is no /proc, that of the file as it was named to the kernel. */
static bool executable_directory(char directory[PATH_MAX])
{
    ssize_t length = readlink("/proc/self/exe", directory, PATH_MAX);
    if (length > 0 && length < PATH_MAX)
        directory[length] = '\0';
    else if (!realpath((const char *)getauxval(AT_EXECFN), directory))
        return false;
    char *slash = strrchr(directory, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

/* `name` in the build tree that the executable lies in; false when it lies in none. */
static bool find_built(const char *name, char path[PATH_MAX])
{
    char directory[PATH_MAX];
    if (!executable_directory(directory))
        return false;
    strip_suffix(directory, "/.libs");
    return find_file(directory, name, path);
}

/* Moves `installed`, a directory given to configure, the way the executable was moved from
 * ARENASHIM_BINDIR: /usr/lib for an executable in /opt/x/bin that was configured for /usr/bin
 * becomes /opt/x/lib. False when the executable's directory does not end like ARENASHIM_BINDIR. */
static bool relocate(const char *installed, char moved[PATH_MAX])
{
    static const char bindir[] = ARENASHIM_BINDIR;
    size_t common = 0;
    for (size_t i = 0; bindir[i] != '\0' && bindir[i] == installed[i]; i++)
        if (bindir[i] == '/')
            common = i;
    char prefix[PATH_MAX];
    return executable_directory(prefix) && strip_suffix(prefix, bindir + common) &&
           snprintf(moved, PATH_MAX, "%s%s", prefix, installed + common) < PATH_MAX;
}

static bool find_installed(const char *directory, const char *name, char path[PATH_MAX])
{
    char moved[PATH_MAX];
    return (relocate(directory, moved) && find_file(moved, name, path)) ||
           find_file(directory, name, path);
}

static bool is_shared_library(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    struct elf_identity identity;
    bool shared = elf_identify(fd, &identity) && identity.type == ET_DYN;
    close(fd);
    return shared;
}

void locate_shim(const char *given, char path[PATH_MAX])
{
    if (given) {
        if (!realpath(given, path) || !is_shared_library(path))
            errx(EXIT_CANCELED, "--shim='%s' is not accepted; it takes a readable shared library",
                 given);
    } else if (!find_built(BUILT_SHIM, path) && !find_installed(ARENASHIM_PRELOADDIR, SHIM, path)) {
        errx(EXIT_CANCELED, "cannot find " SHIM " beside this command or in " ARENASHIM_PRELOADDIR
                            "; --shim=FILE of 'arenashim run' names it");
    }
    if (strpbrk(path, " :"))
        errx(EXIT_CANCELED,
             "cannot preload '%s': LD_PRELOAD cannot express a path with a space or a colon", path);
}

void locate_check_script(char path[PATH_MAX])
{
    char shim[PATH_MAX];
    bool found = find_built(BUILT_SHIM, shim)
                     ? find_built(CHECK_SCRIPT, path)
                     : find_installed(ARENASHIM_PKGLIBEXECDIR, CHECK_SCRIPT, path);
    if (!found)
        errx(EXIT_CANCELED, "cannot find the script behind 'arenashim check', '%s'", path);
}
