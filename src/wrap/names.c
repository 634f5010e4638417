/* Symbols, clones and demangled names beside a pattern. */
#include "wrap/names.h"

#include <ctype.h>
#include <string.h>

#include "base/compiler.h"
#include "base/iberty.h"
#include "base/text.h"
#include "wrap/spec.h"

enum form { FORM_BARE, FORM_PARAMETERS, FORM_RESULT };

static const int form_options[] = {
    [FORM_BARE] = DMGL_ANSI,
    [FORM_PARAMETERS] = DMGL_PARAMS | DMGL_ANSI | DMGL_RET_DROP,
    [FORM_RESULT] = DMGL_PARAMS | DMGL_ANSI,
};

/* Takes the ending off that a compiler gives to a copy or a renamed form of the function itself.
 * Any other ending names another function: the body of a parallel region, a nested function. */
static bool cut_clone(char *plain)
{
    static const char *const clones[] = {".isra.", ".constprop.", ".lto_priv.",
                                         ".llvm.", ".__uniq.",    ".specialized."};
    char *number = plain + strlen(plain);
    while (number > plain && isdigit((unsigned char)number[-1]))
        number--;
    for (size_t i = 0; i < COUNT(clones) && *number != '\0'; i++) {
        size_t length = strlen(clones[i]);
        if ((size_t)(number - plain) <= length || memcmp(number - length, clones[i], length) != 0)
            continue;
        number[-(ptrdiff_t)length] = '\0';
        return true;
    }
    return false;
}

bool name_set(struct name *name, const char *symbol)
{
    size_t length = strcspn(symbol, "@");
    if (length >= sizeof name->plain)
        length = sizeof name->plain - 1;
    memcpy(name->plain, symbol, length);
    name->plain[length] = '\0';
    name->part = false;
    name->made = 0;
    for (char *dot = strchr(name->plain + 1, '.'); dot; dot = strchr(dot + 1, '.')) {
        if (strncmp(dot, ".cold", 5) == 0)
            return false;
        if (strncmp(dot, ".part.", 6) == 0)
            name->part = true;
    }
    memcpy(name->symbol, name->plain, length + 1);
    while (!name->part && cut_clone(name->plain))
        ;
    name->mangled = strncmp(name->plain, "_Z", 2) == 0 || strncmp(name->plain, "_R", 2) == 0;
    return true;
}

static void append(const char *bytes, size_t count, void *text)
{
    text_append_bytes(text, NAME_MAX_LENGTH, bytes, count);
}

/* The C++ or Rust name in that form; "" when the symbol only looks like one. Of Rust's the last
 * form has the hash that its compiler adds. */
static const char *demangle(struct name *name, enum form form)
{
    char *text = name->forms[form];
    if (name->made & 1U << form)
        return text;
    name->made |= 1U << form;
    text[0] = '\0';
    if (rust_demangle_callback(name->plain, form == FORM_RESULT ? DMGL_VERBOSE : 0, append, text))
        return text;
    text[0] = '\0';
    if (!cplus_demangle_v3_callback(name->plain, form_options[form], append, text))
        text[0] = '\0';
    const char *ending = strchr(name->plain, '.');
    if (form == FORM_BARE && *text != '\0' && ending) /* the demangler has passed over it */
        append(ending, strlen(ending), text);
    return text;
}

/* Words in C++ and Rust names that symbols abbreviate or do not hold. */
static const char *const abbreviated[] = {
    "std",      "allocator", "basic_string", "basic_istream", "basic_ostream", "basic_iostream",
    "operator", "new",       "delete",       "co_await",      "unsigned",      "signed",
    "char",     "wchar_t",   "char8_t",      "char16_t",      "char32_t",      "short",
    "int",      "long",      "__int128",     "float",         "double",        "__float128",
    "bool",     "void",      "auto",         "decltype",      "const",         "volatile",
    "restrict", "noexcept",  "true",         "false",         "lambda",        "unnamed",
    "default",  "anonymous", "namespace",    "clone",         "virtual",       "thunk",
    "vtable",   "typeinfo",  "variable",     "function",      "reference",     "temporary",
    "iostream", "covariant", "construction", "nullptr",       "requires",      "sizeof",
    "usize",    "isize",     "u16 u32 u64",  "u128",          "i16 i32 i64",   "i128",
    "f32 f64",  "closure",   "shim",         "unsafe extern", "impl dyn mut",  "for",
};

/*
 * Demangling takes 100 times as long as looking for a word in the symbol, and compilers write most
 * identifiers of a name into it as they are. So a word of the pattern that is missing there spares
 * the demangling. The result is the first such word, of `length` bytes, 0 when there is none.
 */
static const char *find_identifier(const char *pattern, size_t *length)
{
    for (const char *at = pattern; *at != '\0' && *at != '[' && *at != '\\'; at += *length + 1) {
        *length = 0;
        while (isalnum((unsigned char)at[*length]) || at[*length] == '_')
            ++*length;
        char word[NAME_MAX_LENGTH];
        bool usable = *length > 2 && *length < sizeof word && !isdigit((unsigned char)*at);
        if (usable) {
            memcpy(word, at, *length);
            word[*length] = '\0';
        }
        for (size_t i = 0; usable && i < COUNT(abbreviated); i++)
            usable = !strstr(abbreviated[i], word);
        if (usable)
            return at;
        if (at[*length] == '\0')
            break;
    }
    *length = 0;
    return pattern;
}

static bool may_match(const struct name *name, const char *pattern)
{
    size_t length;
    const char *identifier = find_identifier(pattern, &length);
    return memmem(name->plain, strlen(name->plain), identifier, length) != NULL;
}

bool name_matches(struct name *name, const char *pattern)
{
    if (name->part && !strchr(pattern, '.'))
        return false;
    if (spec_fits(pattern, name->plain) || strcmp(pattern, name->symbol) == 0)
        return true;
    if (!name->mangled || !may_match(name, pattern))
        return false;
    for (enum form form = FORM_BARE; form <= FORM_RESULT; form++)
        if (spec_fits(pattern, demangle(name, form)))
            return true;
    return false;
}

const char *name_shown(struct name *name)
{
    const char *shown = name->mangled ? demangle(name, FORM_PARAMETERS) : "";
    return *shown != '\0' ? shown : name->plain;
}
