#include "advise/places.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwfl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "advise/need.h"
#include "advise/units.h"
#include "base/iberty.h"

struct symbol {
    uint64_t offset;
    const char *name;
    bool local;
    bool own; /* in the file itself, where specs are looked for; not in a debug file alone */
};

struct object {
    char *path;
    Dwfl_Module *module; /* NULL: the file cannot be read */
    GElf_Addr bias;      /* from offsets to libdw's addresses */
    struct symbol *symbols;
    size_t count; /* in the order of the tables: static functions of a file stand together */
    struct symbol *sorted; /* by offset, the best name first */
};

static Dwfl *session;
static struct object *objects;
static size_t object_count;

/* ---- files ----------------------------------------------------------------------------------- */

/* Whoever has set up a server for debug files does not expect to be kept waiting for it here. */
static int find_debug_file(Dwfl_Module *module, void **data, const char *name, Dwarf_Addr base,
                           const char *file, const char *link, GElf_Word crc, char **found)
{
    static const char servers[] = "DEBUGINFOD_URLS";
    char *set = getenv(servers) ? strdup(getenv(servers)) : NULL;
    unsetenv(servers);
    int fd = dwfl_standard_find_debuginfo(module, data, name, base, file, link, crc, found);
    if (set)
        setenv(servers, set, 1);
    free(set);
    return fd;
}

static void *grown(void *items, size_t count, size_t size)
{
    /* Powers of two are full. */
    return (count & (count - 1)) == 0 ? need(reallocarray(items, count ? 2 * count : 1, size))
                                      : items;
}

static void add_symbol(struct object *object, const GElf_Sym *entry, const char *name, bool own)
{
    if (GELF_ST_TYPE(entry->st_info) != STT_FUNC || entry->st_shndx == SHN_UNDEF || !name ||
        *name == '\0')
        return;
    object->symbols = grown(object->symbols, object->count, sizeof *object->symbols);
    object->symbols[object->count++] =
        (struct symbol){entry->st_value, name, GELF_ST_BIND(entry->st_info) == STB_LOCAL, own};
}

/* The symbols of one table of the file. */
static void read_table(struct object *object, Elf *elf, Elf_Scn *section, const GElf_Shdr *header)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = header->sh_entsize > 0 ? header->sh_size / header->sh_entsize : 0;
    GElf_Sym entry;
    for (size_t i = 0; data && i < count && gelf_getsym(data, (int)i, &entry); i++)
        add_symbol(object, &entry, elf_strptr(elf, header->sh_link, entry.st_name), true);
}

/* Those of the debug file, which have the addresses of the file itself. */
static void read_debug_table(struct object *object)
{
    int count = dwfl_module_getsymtab(object->module);
    for (int i = 0; i < count; i++) {
        GElf_Sym entry;
        GElf_Addr address;
        GElf_Word section;
        const char *name =
            dwfl_module_getsym_info(object->module, i, &entry, &address, &section, NULL, NULL);
        entry.st_value = address - object->bias;
        add_symbol(object, &entry, name, false);
    }
}

static int compare_symbols(const void *left, const void *right)
{
    const struct symbol *a = left, *b = right;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    if (a->local != b->local || a->own != b->own)
        return a->local != b->local ? a->local - b->local : b->own - a->own;
    size_t length = strlen(a->name), other = strlen(b->name);
    return length != other ? (length < other ? -1 : 1) : strcmp(a->name, b->name);
}

static void read_symbols(struct object *object)
{
    Elf *elf = dwfl_module_getelf(object->module, &object->bias);
    Elf_Scn *section = NULL;
    GElf_Shdr header;
    bool whole = false;
    while (elf && (section = elf_nextscn(elf, section)) && gelf_getshdr(section, &header)) {
        whole = whole || header.sh_type == SHT_SYMTAB;
        if (header.sh_type == SHT_SYMTAB || header.sh_type == SHT_DYNSYM)
            read_table(object, elf, section, &header);
    }
    if (elf && !whole)
        read_debug_table(object);
    object->sorted = need(calloc(object->count + 1, sizeof *object->sorted));
    if (object->count > 0)
        memcpy(object->sorted, object->symbols, object->count * sizeof *object->sorted);
    qsort(object->sorted, object->count, sizeof *object->sorted, compare_symbols);
}

static struct object *open_object(const char *path)
{
    static const Dwfl_Callbacks callbacks = {.find_elf = dwfl_build_id_find_elf,
                                             .find_debuginfo = find_debug_file,
                                             .section_address = dwfl_offline_section_address};
    for (size_t i = 0; i < object_count; i++)
        if (strcmp(objects[i].path, path) == 0)
            return &objects[i];
    if (!session)
        session = dwfl_begin(&callbacks);
    objects = grown(objects, object_count, sizeof *objects);
    struct object *object = &objects[object_count++];
    *object = (struct object){.path = need_text("%s", path)};
    if (session) {
        dwfl_report_begin_add(session);
        object->module = dwfl_report_offline(session, object->path, object->path, -1);
        dwfl_report_end(session, NULL, NULL);
    }
    if (object->module)
        read_symbols(object);
    return object;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* The best symbol that stands there, or NULL. */
static const struct symbol *symbol_at(const struct object *object, uint64_t offset)
{
    size_t low = 0, high = object->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (object->sorted[middle].offset < offset)
            low = middle + 1;
        else
            high = middle;
    }
    return low < object->count && object->sorted[low].offset == offset ? &object->sorted[low]
                                                                       : NULL;
}

static char *demangled(const char *symbol, bool parameters)
{
    char *name = rust_demangle(symbol, DMGL_NO_OPTS);
    int options = parameters ? DMGL_PARAMS | DMGL_ANSI | DMGL_RET_DROP : DMGL_ANSI;
    return name ? name : cplus_demangle_v3(symbol, options);
}

static char *shown_name(const char *symbol)
{
    char *name = demangled(symbol, true);
    return name ? name : need_text("%.*s", (int)strcspn(symbol, "@"), symbol);
}

size_t places_bare(const char *name)
{
    size_t length = strlen(name), open = 0;
    const char *end = strrchr(name, ')');
    for (const char *at = end; at && at > name; at--) {
        open += *at == ')';
        open -= *at == '(';
        if (open == 0)
            return (size_t)(at - name);
    }
    return length;
}

/* The length of the name of a function, some part of which the symbol names; 0: it is none. */
static size_t part_of(const char *symbol)
{
    const char *part = strstr(symbol, ".cold");
    return part && (part[5] == '\0' || part[5] == '.') ? (size_t)(part - symbol) : 0;
}

uint64_t places_entry(const char *module, uint64_t offset)
{
    const struct object *object = open_object(module);
    const struct symbol *part = symbol_at(object, offset), *nearest = NULL;
    size_t length = part ? part_of(part->name) : 0, at = 0, least = SIZE_MAX;
    for (size_t i = 0; length > 0 && i < object->count; i++)
        if (object->symbols[i].offset == offset)
            at = i;
    /* Static functions of several files may have one name: their tables stand one after the other.
     */
    for (size_t i = 0; length > 0 && i < object->count; i++) {
        const struct symbol *symbol = &object->symbols[i];
        if (strncmp(symbol->name, part->name, length) != 0 || symbol->name[length] != '\0')
            continue;
        size_t away = i < at ? at - i : i - at;
        if (away < least) {
            nearest = symbol;
            least = away;
        }
    }
    return nearest ? nearest->offset : offset;
}

/* ---- debug information ----------------------------------------------------------------------- */

static char *kept(const char *text)
{
    return text ? need_text("%s", text) : NULL;
}

/* What stands at the address in the line table. */
static void find_line(const struct object *object, uint64_t address, struct place *place)
{
    Dwarf_Die *unit = unit_of(object->module, &address);
    Dwarf_Line *line = unit ? dwarf_getsrc_die(unit, address) : NULL;
    int number;
    place->file = kept(line ? dwarf_linesrc(line, NULL, NULL) : NULL);
    place->line = line && dwarf_lineno(line, &number) == 0 ? (unsigned)number : 0;
}

/* The entities of the source around an address, the innermost first; to be freed. (Those that
 * dwarf_getscopes finds around an inlined function are where it is written, not where it is
 * called.) */
static int find_scopes(const struct object *object, uint64_t address, Dwarf_Die **scopes)
{
    Dwarf_Die *unit = unit_of(object->module, &address), *found;
    int count = unit ? dwarf_getscopes(unit, address, &found) : 0;
    if (count <= 0)
        return 0;
    count = dwarf_getscopes_die(&found[0], scopes);
    free(found);
    return count;
}

static void set_name(const struct object *object, uint64_t offset, struct place *place)
{
    const struct symbol *symbol = symbol_at(object, offset);
    *place = (struct place){.module = object->path, .offset = offset};
    place->name = symbol ? shown_name(symbol->name) : need_text("+0x%" PRIx64, offset);
}

void places_function(const char *module, uint64_t offset, struct place *place)
{
    const struct object *object = open_object(module);
    Dwarf_Die *scopes;
    set_name(object, offset, place);
    if (!object->module)
        return;
    find_line(object, offset + object->bias, place);
    int count = find_scopes(object, offset + object->bias, &scopes);
    for (int i = 0; i < count; i++) {
        int line;
        if (dwarf_tag(&scopes[i]) != DW_TAG_subprogram || !dwarf_decl_file(&scopes[i]) ||
            dwarf_decl_line(&scopes[i], &line) != 0)
            continue;
        free(place->file);
        place->file = kept(dwarf_decl_file(&scopes[i]));
        place->line = (unsigned)line;
        break;
    }
    if (count > 0)
        free(scopes);
}

void places_free(struct place *place)
{
    free(place->name);
    free(place->file);
}

/* Where an inlined function was called, as a place of its caller's. */
static void find_call(Dwarf_Die *inlined, struct place *place)
{
    Dwarf_Attribute attribute;
    Dwarf_Word file, line;
    Dwarf_Die unit;
    Dwarf_Files *files;
    size_t count;
    place->file = NULL;
    place->line = 0;
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_file, &attribute), &file) != 0 ||
        !dwarf_diecu(inlined, &unit, NULL, NULL) || dwarf_getsrcfiles(&unit, &files, &count) != 0)
        return;
    place->file = kept(dwarf_filesrc(files, file, NULL, NULL));
    if (dwarf_formudata(dwarf_attr(inlined, DW_AT_call_line, &attribute), &line) == 0)
        place->line = (unsigned)line;
}

size_t places_frames(const char *module, uint64_t function, uint64_t offset, struct place *frames,
                     size_t most)
{
    const struct object *object = open_object(module);
    uint64_t address = offset - 1 + object->bias; /* of the call */
    struct place call = {0};
    Dwarf_Die *scopes;
    size_t found = 0;
    int count = 0;
    if (object->module) {
        find_line(object, address, &call);
        count = find_scopes(object, address, &scopes);
    }
    for (int i = 0; i < count && found + 1 < most; i++) {
        if (dwarf_tag(&scopes[i]) != DW_TAG_inlined_subroutine)
            continue;
        const char *name = dwarf_diename(&scopes[i]);
        frames[found] = call;
        frames[found].module = object->path;
        frames[found].offset = offset;
        frames[found++].name = kept(name ? name : "(inlined)");
        find_call(&scopes[i], &call);
    }
    if (count > 0)
        free(scopes);
    set_name(object, places_entry(module, function), &frames[found]);
    frames[found].file = call.file;
    frames[found].line = call.line;
    return found + 1;
}

void places_call(const char *module, uint64_t offset, struct place *place)
{
    const struct object *object = open_object(module);
    GElf_Addr address = offset - 1 + object->bias; /* it may be the last of its function */
    const char *name = object->module ? dwfl_module_addrname(object->module, address) : NULL;
    *place = (struct place){.module = object->path, .offset = offset};
    place->name = name ? shown_name(name) : need_text("+0x%" PRIx64, offset);
    if (object->module)
        find_line(object, address, place);
}

/* ---- what can be wrapped --------------------------------------------------------------------- */

bool places_is_start(const char *module, uint64_t offset)
{
    const struct object *object = open_object(module);
    GElf_Ehdr header;
    GElf_Addr bias;
    return object->module && gelf_getehdr(dwfl_module_getelf(object->module, &bias), &header) &&
           header.e_entry == offset;
}

bool places_is_called(const char *module, uint64_t offset)
{
    const struct object *object = open_object(module);
    Dwarf_Addr bias;
    Dwarf_CFI *table = object->module ? dwfl_module_eh_cfi(object->module, &bias) : NULL;
    Dwarf_Frame *frame;
    Dwarf_Op *operations;
    size_t count = 0, return_address = 0;
#ifndef __aarch64__ /* it is in a register there */
    return_address = sizeof(uint64_t);
#endif
    if (!table || dwarf_cfi_addrframe(table, offset + object->bias - bias, &frame) != 0)
        return true;
    /* Of a function that was called the return address alone is on the stack, if that. */
    bool called = dwarf_frame_cfa(frame, &operations, &count) == 0 && count == 1 &&
                  operations->atom == DW_OP_bregx && operations->number2 == return_address;
    free(frame);
    return called;
}

/* ---- specs ----------------------------------------------------------------------------------- */

/* Whether a spec's name means the symbol: it, a clone of it, or the name of a C++ or Rust function
 * without parameters. */
static bool means(const char *name, const char *symbol)
{
    size_t length = strlen(name);
    if (strncmp(symbol, name, length) == 0 &&
        (symbol[length] == '\0' || symbol[length] == '.' || symbol[length] == '@'))
        return true;
    if (!strstr(symbol, name) || (strncmp(symbol, "_Z", 2) != 0 && strncmp(symbol, "_R", 2) != 0))
        return false;
    char *bare = demangled(symbol, false);
    bool same = bare && strcmp(bare, name) == 0;
    free(bare);
    return same;
}

/* The symbol by which a spec can name what is entered there, and nothing else; or NULL. */
static const char *unique_symbol(const struct object *object, uint64_t offset)
{
    const struct symbol *symbol = symbol_at(object, offset);
    if (!symbol || !symbol->own || symbol->name[strcspn(symbol->name, "*?[\\!;@. \t+:#")] != '\0')
        return NULL;
    for (size_t i = 0; i < object->count; i++)
        if (object->symbols[i].own && object->symbols[i].offset != offset &&
            part_of(object->symbols[i].name) == 0 && means(symbol->name, object->symbols[i].name))
            return NULL;
    return symbol->name;
}

char *places_spec(const struct place *place, bool whole)
{
    const char *symbol = unique_symbol(open_object(place->module), place->offset);
    const char *slash = strrchr(place->module, '/');
    char *module = need_text("%s", whole || !slash ? place->module : slash + 1);
    /* Characters that separate specs and their parts, or would be part of a glob. */
    for (char *at = module; *(at += strcspn(at, "*?[\\!;")) != '\0';)
        *at++ = '?';
    char *spec = symbol ? need_text("%s!%s", module, symbol)
                        : need_text("%s!+0x%" PRIx64, module, place->offset);
    free(module);
    return spec;
}
