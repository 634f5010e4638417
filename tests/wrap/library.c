#include "tests/wrap/library.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define UNWIND_DISTANCES 0x1b /* DW_EH_PE_pcrel | DW_EH_PE_sdata4 */
#define UNWIND_TABLE 0x3b     /* DW_EH_PE_datarel | DW_EH_PE_sdata4 */

static void fail(const char *path, const char *what)
{
    fprintf(stderr, "%s: %s\n", path, what);
    exit(1);
}

static const Elf64_Ehdr *header(const struct library *library)
{
    return (const Elf64_Ehdr *)library->file;
}

static const Elf64_Phdr *segments(const struct library *library)
{
    return (const Elf64_Phdr *)(library->file + header(library)->e_phoff);
}

static const Elf64_Phdr *segment_at(const struct library *library, uintptr_t address)
{
    for (int i = 0; i < header(library)->e_phnum; i++) {
        const Elf64_Phdr *segment = &segments(library)[i];
        if (segment->p_type == PT_LOAD && address - segment->p_vaddr < segment->p_filesz)
            return segment;
    }
    return NULL;
}

static void add(struct library *library, uintptr_t start, size_t size, bool named)
{
    const Elf64_Phdr *segment = segment_at(library, start);
    if (!segment || !(segment->p_flags & PF_X))
        return;
    if ((library->count & (library->count - 1)) == 0) {
        size_t room = library->count ? 2 * library->count : 1;
        library->functions = realloc(library->functions, room * sizeof *library->functions);
        if (!library->functions)
            abort();
    }
    library->functions[library->count++] = (struct library_function){
        start, size, segment->p_vaddr, segment->p_vaddr + segment->p_filesz, named};
}

static void add_symbols(struct library *library)
{
    const Elf64_Shdr *sections = (const Elf64_Shdr *)(library->file + header(library)->e_shoff);
    for (int i = 0; i < header(library)->e_shnum; i++) {
        if (sections[i].sh_type != SHT_DYNSYM && sections[i].sh_type != SHT_SYMTAB)
            continue;
        const Elf64_Sym *symbols = (const Elf64_Sym *)(library->file + sections[i].sh_offset);
        for (size_t k = 0; k < sections[i].sh_size / sizeof *symbols; k++) {
            int type = ELF64_ST_TYPE(symbols[k].st_info);
            if (symbols[k].st_shndx != SHN_UNDEF && (type == STT_FUNC || type == STT_GNU_IFUNC))
                add(library, symbols[k].st_value, symbols[k].st_size, true);
        }
    }
}

static int32_t word(const unsigned char *at)
{
    int32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

/* .eh_frame_hdr: a table of (function, its record), both as distances from the table's header; the
 * record holds the length at its 13th byte. */
static void add_unwound(struct library *library)
{
    for (int i = 0; i < header(library)->e_phnum; i++) {
        const Elf64_Phdr *segment = &segments(library)[i];
        if (segment->p_type != PT_GNU_EH_FRAME)
            continue;
        const unsigned char *table = library->file + segment->p_offset;
        if (table[1] != UNWIND_DISTANCES || table[2] != 3 || table[3] != UNWIND_TABLE)
            return;
        for (int32_t k = 0; k < word(table + 8); k++) {
            const unsigned char *entry = table + 12 + 8 * k;
            const unsigned char *record = table + word(entry + 4);
            uintptr_t place = segment->p_vaddr + (uintptr_t)word(entry + 4) + 8;
            uintptr_t start = segment->p_vaddr + (uintptr_t)word(entry);
            if (start == place + (uintptr_t)word(record + 8))
                add(library, start, (uint32_t)word(record + 12), false);
        }
    }
}

static int by_address(const void *a, const void *b)
{
    const struct library_function *f = a, *g = b;
    if (f->start != g->start)
        return f->start < g->start ? -1 : 1;
    if (f->named != g->named)
        return f->named ? -1 : 1;
    return f->size > g->size ? -1 : f->size < g->size;
}

void library_read(struct library *library, const char *path)
{
    struct stat status;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    *library = (struct library){0};
    if (file < 0 || fstat(file, &status) != 0)
        fail(path, "cannot be read");
    library->bytes = (size_t)status.st_size;
    library->file = mmap(NULL, library->bytes, PROT_READ, MAP_PRIVATE, file, 0);
    close(file);
    if (library->file == MAP_FAILED || memcmp(library->file, ELFMAG, SELFMAG) != 0)
        fail(path, "is no ELF file");
    for (int i = 0; i < header(library)->e_phnum; i++) {
        const Elf64_Phdr *segment = &segments(library)[i];
        if (segment->p_type == PT_LOAD)
            library->end = segment->p_vaddr + segment->p_memsz;
    }
    add_symbols(library);
    add_unwound(library);
    qsort(library->functions, library->count, sizeof *library->functions, by_address);
    size_t kept = 0;
    for (size_t i = 0; i < library->count; i++)
        if (kept == 0 || library->functions[kept - 1].start != library->functions[i].start)
            library->functions[kept++] = library->functions[i];
    library->count = kept;
    if (kept == 0)
        fail(path, "has no functions");
}

uintptr_t library_map(const struct library *library)
{
    unsigned char *memory = mmap(NULL, library->end, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        fail("library_map", "no memory");
    for (int i = 0; i < header(library)->e_phnum; i++) {
        const Elf64_Phdr *segment = &segments(library)[i];
        if (segment->p_type == PT_LOAD)
            memcpy(memory + segment->p_vaddr, library->file + segment->p_offset, segment->p_filesz);
    }
    return (uintptr_t)memory;
}
