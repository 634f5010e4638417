/* Changing what the dynamic linker binds, and has bound, to a function. */
#include "wrap/bindings.h"

#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/numbers.h"
#include "wrap/code.h"
#include "wrap/machine.h"
#include "wrap/scan.h"
#include "wrap/symbols.h"

struct relocations {
    const ElfW(Rela) * first;
    size_t count;
};

/* Those of the dynamic linker's two tables that can hold slots: lazy ones and the rest. */
static void find_relocations(const struct object *object, struct relocations tables[2])
{
    tables[0].first = (const ElfW(Rela) *)object_address(object, DT_JMPREL);
    tables[0].count = object_value(object, DT_PLTRELSZ) / sizeof(ElfW(Rela));
    tables[1].first = (const ElfW(Rela) *)object_address(object, DT_RELA);
    tables[1].count = object_value(object, DT_RELASZ) / sizeof(ElfW(Rela));
    for (size_t i = 0; i < 2; i++)
        if (!tables[i].first)
            tables[i].count = 0;
}

static bool is_slot(const ElfW(Rela) * relocation)
{
    unsigned type = ELF64_R_TYPE(relocation->r_info);
    return type == RELOCATION_SLOT || type == RELOCATION_DATA || type == RELOCATION_WORD;
}

static bool imports(const struct object *object, const char *const *names, size_t count)
{
    const ElfW(Sym) *symbols = (const ElfW(Sym) *)object_address(object, DT_SYMTAB);
    const char *texts = (const char *)object_address(object, DT_STRTAB);
    struct relocations tables[2];
    find_relocations(object, tables);
    for (size_t t = 0; symbols && texts && t < 2; t++) {
        for (size_t i = 0; i < tables[t].count; i++) {
            const ElfW(Rela) *relocation = &tables[t].first[i];
            const char *name = texts + symbols[ELF64_R_SYM(relocation->r_info)].st_name;
            for (size_t k = 0; is_slot(relocation) && k < count; k++)
                if (strcmp(name, names[k]) == 0)
                    return true;
        }
    }
    return false;
}

size_t bindings_importers(const struct object *objects, size_t object_count,
                          const char *const *names, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < object_count; i++)
        found += imports(&objects[i], names, count);
    return found;
}

/* ---- other addresses ------------------------------------------------------------------------- */

/* Looked at behind what the file holds: the rest may be gigabytes that nobody has touched. */
#define ZEROED_MAX ((size_t)1 << 20)

static bool is_in_code(const struct object *object, uintptr_t function)
{
    for (size_t i = 0; i < object->header_count; i++) {
        const ElfW(Phdr) *header = &object->headers[i];
        uintptr_t start = object->base + header->p_vaddr;
        if (header->p_type == PT_LOAD && (header->p_flags & PF_X) &&
            scan_names(start, start + header->p_memsz, function, object->base == 0))
            return true;
    }
    return false;
}

static bool is_relocated_to(const struct object *object, uintptr_t function)
{
    struct relocations tables[2];
    find_relocations(object, tables);
    for (size_t i = 0; i < tables[1].count; i++) {
        const ElfW(Rela) *relocation = &tables[1].first[i];
        if (ELF64_R_TYPE(relocation->r_info) == RELOCATION_RELATIVE &&
            object->base + (uintptr_t)relocation->r_addend == function)
            return true;
    }
    return false;
}

static size_t count_slots(const struct object *object, uintptr_t function)
{
    struct relocations tables[2];
    find_relocations(object, tables);
    size_t count = 0;
    for (size_t t = 0; t < 2; t++)
        for (size_t i = 0; i < tables[t].count; i++) {
            const ElfW(Rela) *relocation = &tables[t].first[i];
            count += is_slot(relocation) &&
                     *(const uintptr_t *)(object->base + relocation->r_offset) == function;
        }
    return count;
}

static size_t count_words(const struct object *object, uintptr_t function)
{
    size_t count = 0;
    for (size_t i = 0; i < object->header_count; i++) {
        const ElfW(Phdr) *header = &object->headers[i];
        if (header->p_type != PT_LOAD || !(header->p_flags & PF_W))
            continue;
        const uintptr_t *word =
            (const uintptr_t *)round_up(object->base + header->p_vaddr, sizeof *word);
        size_t zeroed = header->p_memsz - header->p_filesz;
        size_t size = header->p_filesz + (zeroed < ZEROED_MAX ? zeroed : ZEROED_MAX);
        for (size_t k = 0; k < size / sizeof *word; k++)
            count += word[k] == function;
    }
    return count;
}

bool bindings_known_otherwise(const struct object *objects, size_t object_count,
                              const struct object *object, uintptr_t function)
{
    if (is_in_code(object, function) || is_relocated_to(object, function))
        return true;
    for (size_t i = 0; i < object_count; i++)
        if (object_kind(&objects[i]) != OBJECT_OWN &&
            count_words(&objects[i], function) > count_slots(&objects[i], function))
            return true;
    return false;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Whether the dynamic linker has made the page of this address read-only after relocation. */
static bool is_sealed(const struct object *object, uintptr_t address, uintptr_t page)
{
    for (size_t i = 0; i < object->header_count; i++) {
        const ElfW(Phdr) *header = &object->headers[i];
        uintptr_t start = round_down(object->base + header->p_vaddr, page);
        uintptr_t end = round_down(object->base + header->p_vaddr + header->p_memsz, page);
        if (header->p_type == PT_GNU_RELRO && address >= start && address < end)
            return true;
    }
    return false;
}

/*
 * Stores a word as other threads may be reading it: at once. Only in a page that holds code, too,
 * as symbol tables of old linkers do, the kernel writes it: such a page is never made writable.
 * Nobody looks symbols up then: at start, or in a module that is just being loaded.
 */
static bool store(const struct object *object, uintptr_t *word, uintptr_t value)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = round_down((uintptr_t)word, page);
    const ElfW(Phdr) *segment = object_segment(object, (uintptr_t)word);
    if (!segment || (uintptr_t)word % sizeof *word != 0)
        return false;
    if (segment->p_flags & PF_X)
        return code_write((uintptr_t)word, &value, sizeof value);
    bool writable = (segment->p_flags & PF_W) && !is_sealed(object, (uintptr_t)word, page);
    if (!writable && mprotect((void *)start, page, PROT_READ | PROT_WRITE) != 0)
        return false;
    __atomic_store_n(word, value, __ATOMIC_RELEASE);
    return writable || mprotect((void *)start, page, PROT_READ) == 0;
}

bool bindings_redirect(const struct object *object, uintptr_t function, uintptr_t replacement)
{
    ElfW(Sym) *symbols = (ElfW(Sym) *)object_address(object, DT_SYMTAB);
    size_t count = symbols ? symbols_dynamic_count(object) : 0;
    bool done = false;
    for (size_t i = 0; i < count; i++) {
        ElfW(Sym) *symbol = &symbols[i];
        if (symbol->st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol->st_info) != STT_FUNC ||
            object->base + symbol->st_value != function)
            continue;
        if (!store(object, &symbol->st_value, replacement - object->base))
            return false;
        done = true;
    }
    return done;
}

bool bindings_rewrite(const struct object *object, uintptr_t function, uintptr_t replacement)
{
    struct relocations tables[2];
    find_relocations(object, tables);
    bool done = true;
    for (size_t t = 0; t < 2; t++) {
        for (size_t i = 0; i < tables[t].count; i++) {
            const ElfW(Rela) *relocation = &tables[t].first[i];
            uintptr_t *slot = (uintptr_t *)(object->base + relocation->r_offset);
            if (is_slot(relocation) && *slot == function && !store(object, slot, replacement))
                done = false;
        }
    }
    return done;
}
