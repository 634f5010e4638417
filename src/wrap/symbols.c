/* Reading symbol tables, in memory and in the file, and the unwind table. */
#include "wrap/symbols.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- symbol tables --------------------------------------------------------------------------- */

/* A hash chain ends with an odd value; the last chain holds the last symbol. */
static size_t count_by_gnu_hash(const uint32_t *table)
{
    uint32_t buckets = table[0], first = table[1];
    const uint32_t *bucket = table + 4 + table[2] * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    const uint32_t *chain = bucket + buckets;
    uint32_t last = 0;
    for (uint32_t i = 0; i < buckets; i++)
        if (bucket[i] > last)
            last = bucket[i];
    if (last < first)
        return first; /* none is defined */
    while ((chain[last - first] & 1) == 0)
        last++;
    return (size_t)last + 1;
}

size_t symbols_dynamic_count(const struct object *object)
{
    const uint32_t *hash = (const uint32_t *)object_address(object, DT_HASH);
    const uint32_t *gnu_hash = (const uint32_t *)object_address(object, DT_GNU_HASH);
    return hash ? hash[1] : gnu_hash ? count_by_gnu_hash(gnu_hash) : 0;
}

/* Appends a symbol if it is a function that is defined here. */
static bool add(const struct object *object, struct symbols *symbols, const ElfW(Sym) * entry,
                const char *name, bool dynamic)
{
    unsigned type = ELF64_ST_TYPE(entry->st_info), binding = ELF64_ST_BIND(entry->st_info);
    unsigned visibility = ELF64_ST_VISIBILITY(entry->st_other);
    uintptr_t address = object->base + entry->st_value;
    if ((type != STT_FUNC && type != STT_GNU_IFUNC) || entry->st_shndx == SHN_UNDEF ||
        *name == '\0')
        return true;
    const ElfW(Phdr) *segment = object_segment(object, address);
    if (!segment || !(segment->p_flags & PF_X))
        return true;
    struct symbol *symbol = list_add(&symbols->list, sizeof *symbol);
    if (!symbol)
        return false;
    bool visible = visibility == STV_DEFAULT || visibility == STV_PROTECTED;
    *symbol = (struct symbol){
        .name = name,
        .address = address,
        .size = entry->st_size,
        .scope = binding == STB_LOCAL ? SYMBOL_LOCAL
                 : dynamic && visible ? SYMBOL_EXPORTED
                                      : SYMBOL_GLOBAL,
        .other = entry->st_other,
        .indirect = type == STT_GNU_IFUNC,
    };
    return true;
}

static bool add_dynamic(const struct object *object, struct symbols *symbols)
{
    const ElfW(Sym) *table = (const ElfW(Sym) *)object_address(object, DT_SYMTAB);
    const char *names = (const char *)object_address(object, DT_STRTAB);
    size_t count = table && names ? symbols_dynamic_count(object) : 0;
    for (size_t i = 0; i < count; i++)
        if (!add(object, symbols, &table[i], names + table[i].st_name, true))
            return false;
    return true;
}

/* ---- the file on disk ------------------------------------------------------------------------ */

/* Whether bytes of the file lie inside it. */
static bool holds(const struct symbols *symbols, uint64_t offset, uint64_t size)
{
    return offset <= symbols->file_size && size <= symbols->file_size - offset;
}

/* A file that was replaced after loading has other addresses: program headers and notes, which
 * hold the build ID, are compared. */
static bool is_loaded_file(const struct object *object, const struct symbols *symbols)
{
    const ElfW(Ehdr) *header = symbols->file;
    const char *bytes = symbols->file;
    size_t headers_size = object->header_count * sizeof(ElfW(Phdr));
    if (!holds(symbols, 0, sizeof *header) || memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_phnum != object->header_count || !holds(symbols, header->e_phoff, headers_size) ||
        memcmp(bytes + header->e_phoff, object->headers, headers_size) != 0)
        return false;
    for (size_t i = 0; i < object->header_count; i++) {
        const ElfW(Phdr) *note = &object->headers[i];
        if (note->p_type != PT_NOTE || !object_segment(object, object->base + note->p_vaddr))
            continue;
        if (!holds(symbols, note->p_offset, note->p_filesz) ||
            memcmp(bytes + note->p_offset, (const void *)(object->base + note->p_vaddr),
                   note->p_filesz) != 0)
            return false;
    }
    return true;
}

static void map_file(const struct object *object, struct symbols *symbols)
{
    const int flags = O_RDONLY | O_CLOEXEC | O_NOCTTY;
    /* The path of the program may be another file by now, and there may be no /proc. */
    int fd = object->is_program && object_is_executed() ? open("/proc/self/exe", flags) : -1;
    if (fd < 0)
        fd = open(object->path, flags);
    struct stat status;
    if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
        void *file = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (file != MAP_FAILED) {
            symbols->file = file;
            symbols->file_size = (size_t)status.st_size;
        }
    }
    if (fd >= 0)
        close(fd);
}

/* The section of that type, NULL when there is none. */
static const ElfW(Shdr) * find_section(const struct symbols *symbols, uint32_t type)
{
    const ElfW(Ehdr) *header = symbols->file;
    const char *bytes = symbols->file;
    if (header->e_shentsize != sizeof(ElfW(Shdr)) || header->e_shoff % sizeof(uint64_t) != 0 ||
        !holds(symbols, header->e_shoff, (uint64_t)header->e_shnum * sizeof(ElfW(Shdr))))
        return NULL;
    const ElfW(Shdr) *sections = (const ElfW(Shdr) *)(bytes + header->e_shoff);
    for (size_t i = 0; i < header->e_shnum; i++)
        if (sections[i].sh_type == type &&
            holds(symbols, sections[i].sh_offset, sections[i].sh_size) &&
            sections[i].sh_offset % sizeof(uint64_t) == 0)
            return &sections[i];
    return NULL;
}

static bool add_from_file(const struct object *object, struct symbols *symbols)
{
    const ElfW(Ehdr) *header = symbols->file;
    const char *bytes = symbols->file;
    const ElfW(Shdr) *section = find_section(symbols, SHT_SYMTAB);
    if (!section || section->sh_link >= header->e_shnum)
        return true;
    const ElfW(Shdr) *text = (const ElfW(Shdr) *)(bytes + header->e_shoff) + section->sh_link;
    if (text->sh_type != SHT_STRTAB || !holds(symbols, text->sh_offset, text->sh_size) ||
        text->sh_size == 0 || bytes[text->sh_offset + text->sh_size - 1] != '\0')
        return true;
    symbols->stripped = false;
    const ElfW(Sym) *table = (const ElfW(Sym) *)(bytes + section->sh_offset);
    for (size_t i = 0; i < section->sh_size / sizeof *table; i++)
        if (table[i].st_name < text->sh_size &&
            !add(object, symbols, &table[i], bytes + text->sh_offset + table[i].st_name, false))
            return false;
    return true;
}

bool symbols_open(const struct object *object, struct symbols *symbols)
{
    *symbols = (struct symbols){.stripped = true};
    map_file(object, symbols);
    symbols->unread = !symbols->file || !is_loaded_file(object, symbols);
    if (add_dynamic(object, symbols) && (symbols->unread || add_from_file(object, symbols)))
        return true;
    symbols_close(symbols);
    return false;
}

void symbols_close(struct symbols *symbols)
{
    if (symbols->file)
        munmap(symbols->file, symbols->file_size);
    list_free(&symbols->list);
    *symbols = (struct symbols){0};
}

/* ---- the unwind table ------------------------------------------------------------------------ */

/* Pointer encodings (LSB, DWARF extensions): the only ones that linkers write. */
enum { PCREL_SDATA4 = 0x1b, UDATA4 = 0x03, DATAREL_SDATA4 = 0x3b };

struct unwind_header {
    uint8_t version, frame_encoding, count_encoding, table_encoding;
    int32_t frame;
    uint32_t count;
    struct {
        int32_t function, entry; /* from the start of the header */
    } table[];
};

/* A frame description: length, CIE pointer, then where the code begins, from this field on, and its
 * size, in 4 bytes each unless the CIE says otherwise. */
struct unwind_entry {
    uint32_t length, description;
    int32_t function;
    uint32_t size;
};

static const struct unwind_header *unwind_header(const struct object *object)
{
    const struct unwind_header *header = NULL;
    for (size_t i = 0; i < object->header_count; i++)
        if (object->headers[i].p_type == PT_GNU_EH_FRAME)
            header = (const struct unwind_header *)(object->base + object->headers[i].p_vaddr);
    bool is_known = header && header->version == 1 && header->frame_encoding == PCREL_SDATA4 &&
                    header->count_encoding == UDATA4 && header->table_encoding == DATAREL_SDATA4;
    return is_known ? header : NULL;
}

bool symbols_unwind(const struct object *object, uintptr_t address, uintptr_t *start, size_t *size)
{
    const struct unwind_header *header = unwind_header(object);
    if (!header)
        return false;
    uintptr_t origin = (uintptr_t)header;
    size_t low = 0, high = header->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (origin + (uintptr_t)(intptr_t)header->table[middle].function <= address)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return false;
    *start = origin + (uintptr_t)(intptr_t)header->table[low - 1].function;
    uintptr_t place = origin + (uintptr_t)(intptr_t)header->table[low - 1].entry;
    const struct unwind_entry *entry = (const struct unwind_entry *)place;
    *size = 0;
    /* Another encoding would not happen to give the same address. */
    if ((uintptr_t)&entry->function + (uintptr_t)(intptr_t)entry->function == *start)
        *size = entry->size;
    return *size == 0 || address - *start < *size;
}

void symbols_code(const struct object *object, uintptr_t function, uintptr_t *start, uintptr_t *end)
{
    const struct unwind_header *header = unwind_header(object);
    const ElfW(Phdr) *segment = object_segment(object, function);
    uintptr_t last;
    size_t size = 0;
    if (!header || !symbols_unwind(object, function, &last, &size))
        return;
    *start = object->base + segment->p_vaddr;
    uintptr_t first = (uintptr_t)header + (uintptr_t)(intptr_t)header->table[0].function;
    if (first > *start)
        *start = first;
    *end = object->base + segment->p_vaddr + segment->p_memsz;
    symbols_unwind(object, *end - 1, &last, &size);
    if (size > 0)
        *end = last + size;
}
