/* What the dynamic linker's program headers and dynamic section say of an object. */
#include "wrap/object.h"

#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/compiler.h"
#include "wrap/spec.h"

bool object_is_executed(void)
{
    return getauxval(AT_BASE) != 0;
}

/* The file of the program; the dynamic linker lists it without a name. Where the kernel was told to
 * execute the dynamic linker, this has put the program's name in the place of its own. */
static const char *program_path(void)
{
    static char path[PATH_MAX];
    if (path[0] == '\0') {
        ssize_t length =
            object_is_executed() ? readlink("/proc/self/exe", path, sizeof path - 1) : 0;
        path[length > 0 ? length : 0] = '\0';
        const char *executed = (const char *)getauxval(AT_EXECFN);
        if (length <= 0 && executed && !realpath(executed, path))
            path[0] = '\0';
    }
    return path;
}

void object_describe(const struct dl_phdr_info *info, struct object *object)
{
    *object = (struct object){
        .base = info->dlpi_addr,
        .headers = info->dlpi_phdr,
        .header_count = info->dlpi_phnum,
        .is_program = info->dlpi_name[0] == '\0',
        .start = UINTPTR_MAX,
    };
    object->path = object->is_program ? program_path() : info->dlpi_name;
    object->name = object->is_program ? program_invocation_short_name : basename(info->dlpi_name);
    for (size_t i = 0; i < object->header_count; i++) {
        const ElfW(Phdr) *header = &object->headers[i];
        uintptr_t address = object->base + header->p_vaddr;
        if (header->p_type == PT_DYNAMIC)
            object->dynamic = (const ElfW(Dyn) *)address;
        if (header->p_type != PT_LOAD)
            continue;
        if (address < object->start)
            object->start = address;
        if (address + header->p_memsz > object->end)
            object->end = address + header->p_memsz;
    }
}

const ElfW(Phdr) * object_segment(const struct object *object, uintptr_t address)
{
    for (size_t i = 0; i < object->header_count; i++) {
        const ElfW(Phdr) *header = &object->headers[i];
        if (header->p_type == PT_LOAD && address - object->base - header->p_vaddr < header->p_memsz)
            return header;
    }
    return NULL;
}

uintptr_t object_value(const struct object *object, ElfW(Sxword) tag)
{
    for (const ElfW(Dyn) *entry = object->dynamic; entry && entry->d_tag != DT_NULL; entry++)
        if (entry->d_tag == tag)
            return entry->d_un.d_val;
    return 0;
}

/* The dynamic linker replaces the offsets in the file by addresses, in objects whose dynamic
 * section it can write to. */
uintptr_t object_address(const struct object *object, ElfW(Sxword) tag)
{
    uintptr_t value = object_value(object, tag);
    return value == 0 || value >= object->start ? value : object->base + value;
}

enum object_kind object_kind(const struct object *object)
{
    static const struct {
        const char *glob;
        enum object_kind kind;
    } kinds[] = {
        {"libarenashim*.so*", OBJECT_OWN}, {"libZydis.so*", OBJECT_OWN},
        {"libZycore.so*", OBJECT_OWN},     {"ld-linux*.so*", OBJECT_LOADER},
        {"ld-[0-9]*.so", OBJECT_LOADER},   {"libc.so*", OBJECT_SYSTEM},
        {"libpthread.so*", OBJECT_SYSTEM}, {"libdl.so*", OBJECT_SYSTEM},
        {"libstdc++.so*", OBJECT_SYSTEM},  {"libgcc_s.so*", OBJECT_SYSTEM},
        {"linux-vdso.so*", OBJECT_KERNEL},
    };
    if (object->is_program)
        return OBJECT_USUAL;
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (fnmatch(kinds[i].glob, object->name, 0) == 0)
            return kinds[i].kind;
    return OBJECT_USUAL;
}

bool object_fits(const struct object *object, const char *module)
{
    enum object_kind kind = object_kind(object);
    if (kind == OBJECT_KERNEL)
        return false;
    /* What is not looked through without MODULE must be called by its name: "lib*" does not. */
    if (kind != OBJECT_USUAL)
        return module && strcspn(module, "*?[\\") > strlen("lib") &&
                       spec_fits(module, basename(object->path))
                   ? true
                   : module && strcmp(module, object->path) == 0;
    if (!module)
        return true;
    return (object->is_program && strcmp(module, "main") == 0) || spec_fits(module, object->name) ||
           spec_fits(module, object->path) || spec_fits(module, basename(object->path));
}
