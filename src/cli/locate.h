/*
 * Where the command's companions are: beside it in the build tree, else where they were installed.
 *
 * The build tree is recognised by libtool's .libs/libarenashim.so next to the running executable.
 * An installed file is first looked for relative to the executable, so that a prefix which was
 * moved as a whole keeps working, then at the place given to configure.
 */
#ifndef CLI_LOCATE_H
#define CLI_LOCATE_H

#include <limits.h>
#include <stdbool.h>

/* The absolute path of the shim to preload: `given`, or where it belongs when that is NULL. Exits
 * with EXIT_CANCELED when it is not a shared library or LD_PRELOAD cannot express the path. */
void locate_shim(const char *given, char path[PATH_MAX]);

/* The absolute path of the script behind `arenashim check`. Exits with EXIT_CANCELED when it is
 * missing. */
void locate_check_script(char path[PATH_MAX]);

#endif
