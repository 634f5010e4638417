#include "next/part.h"

#include <dlfcn.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"

/* From the folder "arenashim" beside this library, where the part is installed, or from this
 * library's own, where both are built. */
void *part_load(const char *file, const char *symbol)
{
    static const char *const folders[] = {"arenashim/", ""};
    Dl_info own;
    if (!dladdr((void *)part_load, &own))
        return NULL;
    const char *slash = strrchr(own.dli_fname, '/');
    size_t folder = slash ? (size_t)(slash + 1 - own.dli_fname) : 0;
    void *part = NULL;
    for (size_t i = 0; i < 2 && !part; i++) {
        char name[PATH_MAX] = "";
        if (text_append_bytes(name, sizeof name, own.dli_fname, folder) &&
            text_append(name, sizeof name, folders[i]) && text_append(name, sizeof name, file) &&
            access(name, F_OK) == 0)
            part = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    }
    return part ? dlsym(part, symbol) : NULL;
}

void part_say_missing(const char *consequence, const char *file)
{
    const char *reason = dlerror();
    struct text line;
    text_message(&line);
    text_str(&line, consequence);
    text_str(&line, ": ");
    text_str(&line, file);
    text_str(&line, " cannot be loaded: ");
    text_str(&line, reason ? reason : "it is not beside libarenashim.so");
    text_end(&line);
}
