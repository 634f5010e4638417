/* The tables of what must not be wrapped, and of what patterns pass over. */
#include "wrap/refuse.h"

#include <elf.h>
#include <fnmatch.h>
#include <string.h>
#include <sys/auxv.h>

#include "base/compiler.h"
#include "base/numbers.h"
#include "wrap/convention.h"
#include "wrap/spec.h"

/* Texts of the shim's own modules, which are never unloaded. */
static struct list own_names;

void refuse_note_own(const struct object *object)
{
    const ElfW(Sym) *symbols = (const ElfW(Sym) *)object_address(object, DT_SYMTAB);
    const char *names = (const char *)object_address(object, DT_STRTAB);
    size_t count = symbols && names ? symbols_dynamic_count(object) : 0;
    for (size_t i = 0; i < count; i++) {
        unsigned type = ELF64_ST_TYPE(symbols[i].st_info);
        if ((type != STT_FUNC && type != STT_NOTYPE) || names[symbols[i].st_name] == '\0')
            continue;
        const char **name = list_add(&own_names, sizeof *name);
        if (name)
            *name = names + symbols[i].st_name;
    }
}

static bool is_own_name(const char *name, size_t length)
{
    const char *const *names = own_names.items;
    for (size_t i = 0; i < own_names.count; i++)
        if (strncmp(names[i], name, length) == 0 && names[i][length] == '\0')
            return true;
    return false;
}

static const struct {
    const char *glob, *reason;
    bool everywhere; /* every module has one */
} refused[] = {
    {"_start", "the program is started by it", true},
    {"_init", "the dynamic linker runs it before anything else of the module", true},
    {"_fini", "the dynamic linker runs it after everything else of the module", true},
    {"_dl_relocate_static_pie", "the program is started by it", true},
    {"frame_dummy", "the compiler made it, to start the module", true},
    {"*register_tm_clones", "the compiler made it, to start the module", true},
    {"__do_global_dtors_aux", "the compiler made it, to end the module", true},
    {"call_weak_fn", "the compiler made it, to start the module", true},
    {"__aarch64_*", "the compiler made it, for an atomic instruction", true},
    {"__libc_start_*", "the program is started by it", false},
    {"__libc_csu_*", "the program is started by it", true},
    {"setjmp", "it returns more than once", false},
    {"_setjmp", "it returns more than once", false},
    {"sigsetjmp", "it returns more than once", false},
    {"__sigsetjmp", "it returns more than once", false},
    {"getcontext", "it returns more than once", false},
    {"swapcontext", "it returns more than once", false},
    {"vfork", "it returns more than once", false},
    {"__vfork", "it returns more than once", false},
    {"clone", "it returns on another stack", false},
    {"__clone", "it returns on another stack", false},
    {"__clone3", "it returns on another stack", false},
    {"__restore_rt", "the kernel goes on with it after a signal, nobody calls it", false},
    {"__fentry__", "it is not called as functions are", false},
    {"mcount", "it is not called as functions are", false},
    {"_mcount", "it is not called as functions are", false},
    {"__morestack", "it is not called as functions are", false},
    {"__tls_get_addr", "it is not called as functions are", false},
    {"__x86_*", "it is not called as functions are", true},
    {"Builtins_*", "it is not called as functions are", false},       /* code of V8 */
    {"uw_init_context*", "it looks at its own return address", true}, /* libgcc's unwinder */
};

#define OWN_FRAMES(language)                                                                       \
    "its module holds " language ", whose run-time system knows the frames on its stack"

/* Functions that compilers and run-time systems put into each object that holds their code. */
static const struct {
    const char *glob, *reason;
} languages[] = {
    {"runtime.morestack*", OWN_FRAMES("Go")},
    {"caml[A-Z]*", OWN_FRAMES("OCaml")},
    {"caml_start_program", OWN_FRAMES("OCaml")},
    {"*zi*_info", OWN_FRAMES("Haskell")}, /* a dot in the name of a module */
    {"ZCMain_main_info", OWN_FRAMES("Haskell")},
};

/* Go's linker leaves its name in stripped objects, too. */
static bool has_note_of_go(const struct object *object)
{
    for (size_t i = 0; i < object->header_count; i++) {
        const ElfW(Phdr) *header = &object->headers[i];
        uintptr_t at = object->base + header->p_vaddr, end = at + header->p_memsz;
        if (header->p_type != PT_NOTE || !object_segment(object, at))
            continue;
        while (end - at > sizeof(ElfW(Nhdr))) {
            const ElfW(Nhdr) *note = (const void *)at;
            if (note->n_namesz == 4 && memcmp(note + 1, "Go\0", 4) == 0)
                return true;
            size_t size = sizeof *note + round_up(note->n_namesz, 4) + round_up(note->n_descsz, 4);
            if (size >= end - at)
                break;
            at += size;
        }
    }
    return false;
}

const char *refuse_object(const struct object *object, const struct symbols *symbols)
{
    if (has_note_of_go(object))
        return OWN_FRAMES("Go");
    const struct symbol *symbol = symbols->list.items;
    for (size_t i = 0; i < symbols->list.count; i++)
        for (size_t k = 0; k < COUNT(languages); k++)
            if (fnmatch(languages[k].glob, symbol[i].name, 0) == 0)
                return languages[k].reason;
    return NULL;
}

bool refuse_silently(const char *name)
{
    for (size_t i = 0; i < COUNT(refused); i++)
        if (refused[i].everywhere && fnmatch(refused[i].glob, name, 0) == 0)
            return true;
    return false;
}

const char *refuse_reason(const struct object *object, const struct symbol *symbol)
{
    enum object_kind kind = object_kind(object);
    if (kind == OBJECT_OWN)
        return "it belongs to the shim";
    if (kind == OBJECT_LOADER)
        return "it belongs to the dynamic linker";
    if (symbol->address == getauxval(AT_ENTRY))
        return "the program is started by it"; /* also where its name was stripped */
    if (symbol->indirect)
        return "the code for it is chosen when it is bound (IFUNC)";
    for (size_t i = 0; symbol->name && i < COUNT(refused); i++)
        if (fnmatch(refused[i].glob, symbol->name, 0) == 0)
            return refused[i].reason;
    const char *reason = convention_refuse(object, symbol);
    if (reason)
        return reason;
    if (symbol->name && symbol->scope == SYMBOL_EXPORTED &&
        is_own_name(symbol->name, strcspn(symbol->name, "@")))
        return "the shim itself calls it";
    return NULL;
}
