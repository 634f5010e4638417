#include "route/thrower.h"

#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/numbers.h"

struct file {
    const char *bytes;
    size_t size;
};

static bool holds(const struct file *file, uint64_t offset, uint64_t size)
{
    return offset <= file->size && size <= file->size - offset;
}

/* Where the kernel was given the dynamic linker, /proc/self/exe is that. */
static struct file map_program(void)
{
    struct file file = {0};
    struct stat status;
    const char *path =
        getauxval(AT_BASE) != 0 ? "/proc/self/exe" : (const char *)getauxval(AT_EXECFN);
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY) : -1;
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
        void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes != MAP_FAILED)
            file = (struct file){bytes, (size_t)status.st_size};
    }
    if (fd >= 0)
        close(fd);
    return file;
}

/* Both lie side by side in the runtime's archive, and nothing that draws for others between. */
static bool draws_exceptions(const char *name)
{
    return strcmp(name, "__cxa_allocate_exception") == 0 ||
           strcmp(name, "__cxa_allocate_dependent_exception") == 0;
}

static struct region find_in_table(const struct file *file, const ElfW(Shdr) * table,
                                   const ElfW(Shdr) * names, uintptr_t base)
{
    uintptr_t start = UINTPTR_MAX, end = 0;
    const ElfW(Sym) *symbols = (const ElfW(Sym) *)(file->bytes + table->sh_offset);
    const char *texts = file->bytes + names->sh_offset;
    for (size_t i = 0; i < table->sh_size / sizeof *symbols; i++) {
        if (symbols[i].st_shndx == SHN_UNDEF || symbols[i].st_name >= names->sh_size ||
            !draws_exceptions(texts + symbols[i].st_name))
            continue;
        start = lower(start, base + symbols[i].st_value);
        end = higher(end, base + symbols[i].st_value + symbols[i].st_size);
    }
    return end != 0 ? (struct region){.start = start, .size = end - start} : (struct region){0};
}

static struct region find_in_file(const struct file *file)
{
    const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)file->bytes;
    if (!holds(file, 0, sizeof *header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_shentsize != sizeof(ElfW(Shdr)) ||
        !holds(file, header->e_shoff, (uint64_t)header->e_shnum * sizeof(ElfW(Shdr))) ||
        header->e_shoff % sizeof(uint64_t) != 0)
        return (struct region){0};
    const ElfW(Shdr) *sections = (const ElfW(Shdr) *)(file->bytes + header->e_shoff);
    for (size_t i = 0; i < header->e_shnum; i++) {
        const ElfW(Shdr) *table = &sections[i];
        if (table->sh_type != SHT_SYMTAB || table->sh_link >= header->e_shnum)
            continue;
        const ElfW(Shdr) *names = &sections[table->sh_link];
        if (holds(file, table->sh_offset, table->sh_size) &&
            holds(file, names->sh_offset, names->sh_size) && names->sh_size > 0 &&
            table->sh_offset % sizeof(uint64_t) == 0 &&
            file->bytes[names->sh_offset + names->sh_size - 1] == '\0')
            return find_in_table(file, table, names, getauxval(AT_ENTRY) - header->e_entry);
    }
    return (struct region){0};
}

struct region thrower_find(void)
{
    struct file file = map_program();
    if (!file.bytes)
        return (struct region){0};
    struct region found = find_in_file(&file);
    munmap((void *)(uintptr_t)file.bytes, file.size);
    return found;
}
