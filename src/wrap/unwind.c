#include "wrap/unwind.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <unwind.h>

#include "base/compiler.h"
#include "base/find_object.h"
#include "wrap/machine.h"

const struct named_host *wrap_host;

typedef __typeof__(&_Unwind_GetGR) get_register_function;

_Unwind_Reason_Code
wrap_personality(int version, _Unwind_Action actions, _Unwind_Exception_Class class,
                 struct _Unwind_Exception *exception, struct _Unwind_Context *context)
    __attribute__((visibility("hidden")));

/* An address in a dynamic section: the loader has relocated it where it could write. */
static uintptr_t relocated(const struct link_map *map, uintptr_t address)
{
    return address < map->l_addr ? address + map->l_addr : address;
}

static uint32_t gnu_hash(const char *name)
{
    uint32_t hash = 5381;
    for (; *name; name++)
        hash = hash * 33 + (unsigned char)*name;
    return hash;
}

/* The function of that name which the module exports, or 0. No lock, no allocation: unwinding may
 * have begun in a signal handler. */
static uintptr_t exported(const struct link_map *map, const char *name)
{
    uintptr_t table = 0, symbols_at = 0, strings_at = 0;
    for (const ElfW(Dyn) *entry = map->l_ld; entry->d_tag != DT_NULL; entry++)
        switch (entry->d_tag) {
        case DT_GNU_HASH:
            table = relocated(map, entry->d_un.d_ptr);
            break;
        case DT_SYMTAB:
            symbols_at = relocated(map, entry->d_un.d_ptr);
            break;
        case DT_STRTAB:
            strings_at = relocated(map, entry->d_un.d_ptr);
            break;
        }
    if (!table || !symbols_at || !strings_at)
        return 0;

    const struct {
        uint32_t buckets, first, filter_words, filter_shift;
    } *head = (const void *)table;
    const uint32_t *buckets = (const uint32_t *)(table + sizeof *head) +
                              head->filter_words * (sizeof(ElfW(Addr)) / sizeof(uint32_t));
    const uint32_t *chain = buckets + head->buckets;
    const ElfW(Sym) *symbols = (const void *)symbols_at;
    uint32_t hash = gnu_hash(name);
    uint32_t i = head->buckets ? buckets[hash % head->buckets] : 0;
    if (i < head->first)
        return 0;
    for (;; i++) {
        uint32_t of_symbol = chain[i - head->first];
        if ((of_symbol | 1) == (hash | 1) && symbols[i].st_shndx != SHN_UNDEF &&
            !strcmp((const char *)strings_at + symbols[i].st_name, name))
            return map->l_addr + symbols[i].st_value;
        if (of_symbol & 1)
            return 0;
    }
}

_Unwind_Reason_Code wrap_personality(int version, _Unwind_Action actions,
                                     _Unwind_Exception_Class class,
                                     struct _Unwind_Exception *exception,
                                     struct _Unwind_Context *context)
{
    (void)class, (void)exception;
    struct dl_find_object unwinder;
    if (version != 1 || !(actions & _UA_CLEANUP_PHASE) ||
        _dl_find_object((void *)CALLER(), &unwinder) != 0)
        return _URC_CONTINUE_UNWIND;
    get_register_function get_register =
        (get_register_function)exported(unwinder.dlfo_link_map, "_Unwind_GetGR");
    if (get_register) {
        struct named_call *call = (void *)(get_register(context, FRAME_POINTER) + CALL_IN_FRAME);
        if (!wrap_host->leave(call))
            wrap_host->leave_slowly(call);
    }
    return _URC_CONTINUE_UNWIND;
}
