#include "cli/elf_file.h"

#include <limits.h>
#include <link.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"

/* The identification and the two fields after it lie alike in Elf32_Ehdr and Elf64_Ehdr. */
#define IDENTITY_SIZE offsetof(Elf64_Ehdr, e_version)
_Static_assert(IDENTITY_SIZE == offsetof(Elf32_Ehdr, e_version), "common start of the ELF header");

static bool read_at(int fd, void *buffer, size_t size, uint64_t offset)
{
    return offset <= INT64_MAX && pread(fd, buffer, size, (off_t)offset) == (ssize_t)size;
}

bool elf_identify(int fd, struct elf_identity *identity)
{
    Elf64_Ehdr header;
    if (!read_at(fd, &header, IDENTITY_SIZE, 0) || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0)
        return false;
    *identity = (struct elf_identity){
        .class = header.e_ident[EI_CLASS],
        .data = header.e_ident[EI_DATA],
        .machine = header.e_machine,
        .type = header.e_type,
    };
    return true;
}

/* True when the dynamic section in `segment` is that of an executable, as linkers say of each
 * ET_DYN file that is one. */
static bool is_executable(int fd, const ElfW(Phdr) * segment)
{
    ElfW(Dyn) entry;
    for (uint64_t at = 0; at + sizeof entry <= segment->p_filesz; at += sizeof entry) {
        if (!read_at(fd, &entry, sizeof entry, segment->p_offset + at) || entry.d_tag == DT_NULL)
            return false;
        if (entry.d_tag == DT_FLAGS_1)
            return (entry.d_un.d_val & DF_1_PIE) != 0;
    }
    return false;
}

/* False when the file has no program headers of this machine's format. */
static bool read_header(int fd, ElfW(Ehdr) * header)
{
    return read_at(fd, header, sizeof *header, 0) &&
           memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_phentsize == sizeof(ElfW(Phdr)) && header->e_phnum > 0;
}

bool elf_is_static(int fd)
{
    ElfW(Ehdr) header;
    if (!read_header(fd, &header))
        return false;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        ElfW(Phdr) segment;
        if (!read_at(fd, &segment, sizeof segment, header.e_phoff + i * sizeof segment) ||
            segment.p_type == PT_INTERP)
            return false;
        /* The dynamic linker, run as a program, names no other one and does preload. */
        if (segment.p_type == PT_DYNAMIC && header.e_type == ET_DYN && !is_executable(fd, &segment))
            return false;
    }
    return true;
}

/* ---- dynamic sections and symbols ------------------------------------------------------------ */

/* Larger tables are no sign of a sanitizer, and not worth the memory. */
#define TABLE_MAX ((size_t)64 << 20)

/* A section's contents with a zero byte behind them; NULL when they cannot be had. */
static void *read_section(int fd, const ElfW(Shdr) * section)
{
    size_t size = section->sh_size;
    if (size == 0 || size > TABLE_MAX)
        return NULL;
    char *contents = malloc(size + 1);
    if (contents && !read_at(fd, contents, size, section->sh_offset)) {
        free(contents);
        return NULL;
    }
    if (contents)
        contents[size] = '\0';
    return contents;
}

/* A dynamic section or symbol table, and the names it refers to. */
struct table {
    char *entries;
    char *names;
    size_t size; /* of the entries, bytes */
    size_t names_size;
};

/* The first section of a kind, for which `table` must be freed in the end. */
static bool find_table(int fd, unsigned kind, struct table *table)
{
    ElfW(Ehdr) header;
    ElfW(Shdr) section, names;
    if (!read_at(fd, &header, sizeof header, 0) || header.e_shentsize != sizeof section)
        return false;
    for (unsigned i = 0; i < header.e_shnum; i++) {
        if (!read_at(fd, &section, sizeof section, header.e_shoff + i * sizeof section))
            return false;
        if (section.sh_type != kind)
            continue;
        if (!read_at(fd, &names, sizeof names, header.e_shoff + section.sh_link * sizeof names))
            return false;
        *table = (struct table){read_section(fd, &section), read_section(fd, &names),
                                section.sh_size, names.sh_size};
        return true;
    }
    return false;
}

static void free_table(struct table *table)
{
    free(table->entries);
    free(table->names);
}

/* "" for what lies outside the table. */
static const char *name_at(const struct table *table, uint64_t offset)
{
    return table->names && offset < table->names_size ? table->names + offset : "";
}

static bool starts_with(const char *text, const char *start)
{
    return start && strncmp(text, start, strlen(start)) == 0;
}

static bool is_own_class(int fd)
{
    struct elf_identity identity;
    return elf_identify(fd, &identity) &&
           identity.class == (sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32);
}

/* What `judge` says of the first library that the file needs and that it says anything of. */
static const char *judge_needed(int fd, const char *(*judge)(const char *library))
{
    struct table dynamic;
    ElfW(Dyn) entry;
    const char *found = NULL;
    if (!find_table(fd, SHT_DYNAMIC, &dynamic))
        return NULL;
    for (size_t at = 0; dynamic.entries && !found && at + sizeof entry <= dynamic.size;
         at += sizeof entry) {
        memcpy(&entry, dynamic.entries + at, sizeof entry);
        if (entry.d_tag == DT_NEEDED)
            found = judge(name_at(&dynamic, entry.d_un.d_val));
    }
    free_table(&dynamic);
    return found;
}

/* ---- C libraries ----------------------------------------------------------------------------- */

static const char *libc_of_loader(const char *path)
{
    static const char *const loaders[][2] = {
        {"ld-linux", "glibc"}, {"ld-musl-", "musl"}, {"ld-uClibc", "uClibc"}, {"linker", "bionic"}};
    const char *file = basename(path);
    for (size_t i = 0; i < COUNT(loaders); i++)
        if (starts_with(file, loaders[i][0]))
            return loaders[i][1];
    return NULL;
}

static const char *libc_of_library(const char *library)
{
    if (starts_with(library, "libc.so."))
        return "glibc";
    return strcmp(library, "libc.so") == 0 || starts_with(library, "libc.musl-") ? "musl" : NULL;
}

const char *elf_libc(int fd, const char *path)
{
    ElfW(Ehdr) header;
    ElfW(Phdr) segment;
    char interpreter[PATH_MAX];
    if (!is_own_class(fd) || !read_header(fd, &header))
        return NULL;
    /* The dynamic linker, run as a program, names no other one. */
    const char *loader = path;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        if (!read_at(fd, &segment, sizeof segment, header.e_phoff + i * sizeof segment))
            return NULL;
        if (segment.p_type != PT_INTERP || segment.p_filesz == 0 || segment.p_filesz > PATH_MAX ||
            !read_at(fd, interpreter, segment.p_filesz, segment.p_offset))
            continue;
        interpreter[segment.p_filesz - 1] = '\0';
        loader = interpreter;
    }
    const char *found = libc_of_loader(loader);
    if (!found && loader == path) /* musl's is the library itself */
        found = libc_of_library(basename(path));
    return found ? found : judge_needed(fd, libc_of_library);
}

/* ---- sanitizers ------------------------------------------------------------------------------ */

/* The runtimes: each as a library that must come first, and as a symbol that a program defines
 * which holds it. */
static const struct runtime {
    const char *name;
    const char *library;       /* start of its file name; NULL when there is none, or it may */
    const char *clang_library; /* come second */
    const char *symbol;
} runtimes[] = {
    {"AddressSanitizer", "libasan.so", "libclang_rt.asan", "__asan_init"},
    {"HWAddressSanitizer", "libhwasan.so", "libclang_rt.hwasan", "__hwasan_init"},
    {"MemorySanitizer", NULL, NULL, "__msan_init"},
    {"ThreadSanitizer", NULL, NULL, "__tsan_init"},
    {"LeakSanitizer", NULL, NULL, "__lsan_init"},
};

const char *elf_sanitizer_library(const char *file)
{
    for (size_t i = 0; i < COUNT(runtimes); i++)
        if (starts_with(file, runtimes[i].library) || starts_with(file, runtimes[i].clang_library))
            return runtimes[i].name;
    return NULL;
}

static const char *defined_runtime(const struct table *symbols)
{
    ElfW(Sym) symbol;
    for (size_t at = 0; symbols->entries && at + sizeof symbol <= symbols->size;
         at += sizeof symbol) {
        memcpy(&symbol, symbols->entries + at, sizeof symbol);
        if (symbol.st_shndx == SHN_UNDEF)
            continue;
        for (size_t i = 0; i < COUNT(runtimes); i++)
            if (strcmp(name_at(symbols, symbol.st_name), runtimes[i].symbol) == 0)
                return runtimes[i].name;
    }
    return NULL;
}

const char *elf_sanitizer(int fd)
{
    struct table symbols;
    if (!is_own_class(fd))
        return NULL;
    const char *found = judge_needed(fd, elf_sanitizer_library);
    if (!found && find_table(fd, SHT_DYNSYM, &symbols)) {
        found = defined_runtime(&symbols);
        free_table(&symbols);
    }
    return found;
}
