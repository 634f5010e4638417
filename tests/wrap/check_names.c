/*
 * Specs and names: how specs are read, which names of functions a pattern means, and what is known
 * of the functions of loaded modules.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "wrap/names.h"
#include "wrap/spec.h"
#include "wrap/symbols.h"

/* ---- specs ----------------------------------------------------------------------------------- */

static const struct {
    const char *text, *module, *name;
    uintptr_t offset;
    bool retain; /* given that true is what holds without a prefix */
} read_specs[] = {
    {"f", NULL, "f", 0, true},
    {"libk.so!f", "libk.so", "f", 0, true},
    {"main!main", "main", "main", 0, true},
    {"/usr/lib/libk.so.1!spread_*", "/usr/lib/libk.so.1", "spread_*", 0, true},
    {"reset:f", NULL, "f", 0, false},
    {"retain:f", NULL, "f", 0, true},
    {"reset:libk.so!f", "libk.so", "f", 0, false},
    {"reset::f", NULL, "reset::f", 0, true},
    {"retain::f(int)", NULL, "retain::f(int)", 0, true},
    {"reset:reset::f", NULL, "reset::f", 0, false},
    {"reset:retain:f", NULL, "retain:f", 0, false},
    {"libk.so!reset:f", "libk.so", "reset:f", 0, true},
    {"a::b(int, char const*)", NULL, "a::b(int, char const*)", 0, true},
    {"lib[!k]*!f", "lib[!k]*", "f", 0, true},
    {"lib[!]k]*!f", "lib[!]k]*", "f", 0, true},
    {"f[!a]", NULL, "f[!a]", 0, true},
    {"[!a!b]*", NULL, "[!a!b]*", 0, true},
    {"a::operator!", NULL, "a::operator!", 0, true},
    {"a::operator!=(a const&)", NULL, "a::operator!=(a const&)", 0, true},
    {"libk.so!a::operator!", "libk.so", "a::operator!", 0, true},
    {"a::operator[](int)", NULL, "a::operator[](int)", 0, true},
    {"libk.so!a::operator[]!b", "libk.so", "a::operator[]!b", 0, true},
    {"libk.so!+0x1180", "libk.so", NULL, 0x1180, true},
    {"reset:main!+0xDeadBeef", "main", NULL, 0xdeadbeef, false},
    {"m!+0xffffffffffffffff", "m", NULL, UINTPTR_MAX, true},
};

START_TEST(specs_are_read)
{
    struct spec spec;
    const char *text = read_specs[_i].text;
    ck_assert_ptr_null(spec_parse(text, strlen(text), true, &spec));
    ck_assert_str_eq(spec.text, text);
    ck_assert_pstr_eq(spec.module, read_specs[_i].module);
    ck_assert_pstr_eq(spec.name, read_specs[_i].name);
    ck_assert_uint_eq(spec.offset, read_specs[_i].offset);
    ck_assert_int_eq(spec.retain, read_specs[_i].retain);
}
END_TEST

START_TEST(a_prefix_decides_over_the_default)
{
    struct spec spec;
    ck_assert_ptr_null(spec_parse("retain:f", 8, false, &spec));
    ck_assert(spec.retain);
    ck_assert_ptr_null(spec_parse("f", 1, false, &spec));
    ck_assert(!spec.retain);
}
END_TEST

static const struct {
    const char *text, *reason;
} malformed[] = {
    {"", "no function is named"},
    {"reset:", "no function is named"},
    {"libk.so!", "no function is named"},
    {"!f", "nothing stands before '!'"},
    {"retain:!f", "nothing stands before '!'"},
    {"+0x10", "an offset needs its module"},
    {"m!+", "the offset is no hexadecimal number that begins with 0x"},
    {"m!+0x", "the offset is no hexadecimal number that begins with 0x"},
    {"m!+10", "the offset is no hexadecimal number that begins with 0x"},
    {"m!+0x1g", "the offset is no hexadecimal number that begins with 0x"},
    {"m!+0x10000000000000000", "the offset is no hexadecimal number that begins with 0x"},
};

START_TEST(malformed_specs_are_refused)
{
    struct spec spec;
    const char *text = malformed[_i].text;
    ck_assert_pstr_eq(spec_parse(text, strlen(text), true, &spec), malformed[_i].reason);
}
END_TEST

START_TEST(a_spec_ends_at_its_length)
{
    struct spec spec;
    ck_assert_ptr_null(spec_parse("m!fgh;x", 4, true, &spec));
    ck_assert_str_eq(spec.text, "m!fg");
    ck_assert_str_eq(spec.name, "fg");
    ck_assert_ptr_null(spec_parse("m!+0x123", 7, true, &spec));
    ck_assert_uint_eq(spec.offset, 0x12);
}
END_TEST

START_TEST(lists_of_specs)
{
    struct list specs = {0};
    ck_assert_uint_eq(specs_read(&specs, " a ;; m!b;\treset:c d ;", true), 0);
    const struct spec *spec = specs.items;
    ck_assert_uint_eq(specs.count, 3);
    ck_assert_str_eq(spec[0].name, "a");
    ck_assert_str_eq(spec[1].name, "b");
    ck_assert_str_eq(spec[2].name, "c d");
    ck_assert(!spec[2].retain);
    ck_assert_uint_eq(specs_read(&specs, "", true), 0);
    ck_assert_uint_eq(specs.count, 3);
    list_free(&specs);
}
END_TEST

/* ---- names ----------------------------------------------------------------------------------- */

static const struct {
    const char *symbol, *pattern;
    bool matches;
} name_pairs[] = {
    {"spread", "spread", true},
    {"spread", "spread_*", false},
    {"spread_all", "spread_*", true},
    {"spread_all", "spread", false},
    {"spread_all", "spread_[ab]ll", true},
    {"spread", "?pread", true},
    {"f@@VERSION_1", "f", true},
    {"f@VERSION_1", "f", true},
    /* C++ */
    {"_Z3fooi", "_Z3fooi", true},
    {"_Z3fooi", "_Z3foo*", true},
    {"_Z3fooi", "foo", true},
    {"_Z3fooi", "foo(int)", true},
    {"_Z3fooi", "foo(char)", false},
    {"_Z3fooi", "fo", false},
    {"_Z3fooi", "foo*", true},
    {"_Z3fooi", "f*)", true},
    {"_Z3fooi", "*int)", true},
    {"_Z3fooi", "*(int*", true},
    {"_Z3food", "*double)", true},
    {"_Z3food", "*ouble)", true},
    {"_ZN2ns5Store3addERKSs", "ns::Store::add", true},
    {"_ZN2ns5Store3addERKSs", "ns::*::add", true},
    {"_ZN2ns5Store3addERKSs", "*::add", true},
    {"_ZN2ns5Store3addERKSs", "*std::string*", true},
    {"_ZN2ns5Store3addERKSs", "*basic_string*", false},
    {"_ZN2ns5Store3addERKSs", "ns::Store::add(std::string const&)", true},
    {"_ZN2ns5Store3addERKSs", "Store::add", false},
    {"_ZN2ns5StoreC1Ev", "ns::Store::Store", true},
    {"_ZN2ns5StoreC2Ev", "ns::Store::Store()", true},
    {"_ZN2ns5StoreD0Ev", "ns::Store::~Store", true},
    {"_ZN2nseqERKS_S1_", "ns::operator==", true},
    {"_ZN2nsixEi", "ns::operator[](int)", true},
    {"_ZN2ns1aIiEEvT_", "ns::a<int>", true},
    {"_ZN2ns1aIiEEvT_", "ns::a<int>(int)", true},
    {"_ZN2ns1aIiEEvT_", "void ns::a<int>(int)", true},
    {"_ZN2ns1aIiEEvT_", "ns::a", false},
    {"_ZN2ns1aIiEEvT_", "ns::a<*", true},
    {"_ZN12_GLOBAL__N_14workEv", "(anonymous namespace)::work", true},
    {"_ZN12_GLOBAL__N_14workEv", "(anonymous namespace)::work()", true},
    {"_ZN12_GLOBAL__N_14workEv", "*::work", true},
    {"_ZN5resetD1Ev", "reset::~reset", true},
    {"_ZNSt6vectorIiSaIiEE9push_backERKi", "std::vector<int*>::push_back", true},
    {"_ZNSs6appendEPKc", "std::string::append", true},
    {"_Z", "_Z", true},
    {"_Z", "f", false},
    {"_Zq", "_Zq", true},
    /* What compilers make of one function. */
    {"f.isra.0", "f", true},
    {"f.constprop.0", "f", true},
    {"f.constprop.0.isra.0", "f", true},
    {"f.isra.0", "f.isra.0", true},
    {"f.isra.0", "f.isra.1", false},
    {"f.part.0", "f", false},
    {"f.part.0", "f*", false},
    {"f.part.0", "f.part.0", true},
    {"f.part.0", "f.*", true},
    {"f.cold", "f", false},
    {"f.cold", "f.cold", false},
    {"f.cold", "*", false},
    {"f.part.0.cold", "f.part*", false},
    {"_Z3fooi.isra.0", "foo(int)", true},
    {"_Z3fooi.cold", "foo", false},
    {".hidden", ".hidden", true},
    {"f.lto_priv.3", "f", true},
    {"f.lto_priv.0.isra.0", "f", true},
    {"f.llvm.1234567890", "f", true},
    {"f.__uniq.42", "f", true},
    {"f.__uniq.42.llvm.7", "f", true},
    {"f.specialized.1", "f", true},
    /* Functions of their own. */
    {"f._omp_fn.0", "f", false},
    {"f._omp_fn.0", "f._omp_fn.0", true},
    {"f._omp_fn.0", "f._omp_fn.*", true},
    {"f._omp_fn.0", "f*", true},
    {"f._omp_fn.0.constprop.0", "f", false},
    {"f._omp_fn.0.constprop.0", "f._omp_fn.0", true},
    {"f._loopfn.0", "f", false},
    {"f.omp_outlined", "f", false},
    {".omp_outlined..1", ".omp_outlined*", true},
    {"inner.0", "inner", false},
    {"inner.0", "inner.0", true},
    {"inner.0.constprop.0", "inner", false},
    {"f.resolver", "f", false},
    {"f.avx2", "f", false},
    {"f.constprop", "f", false},
    {".isra.0", ".isra.0", true},
    {"module.function", "module", false},
    {"_Z3fooi._omp_fn.0", "foo", false},
    {"_Z3fooi._omp_fn.0", "foo(int)", false},
    {"_Z3fooi._omp_fn.0", "foo._omp_fn.0", true},
    {"_Z3fooi._omp_fn.0", "foo(int) [clone ._omp_fn.0]", true},
    {"_Z3fooi._omp_fn.0", "foo(int)*", true},
    {"_Z3fooi.constprop.0", "foo", true},
    {"_Z3fooi.part.0", "foo", false},
    {"_Z3fooi.part.0", "foo.part.0", true},
    /* Rust, both manglings. */
    {"_ZN3app6engine5query17h28cb1234567890abE", "app::engine::query", true},
    {"_ZN3app6engine5query17h28cb1234567890abE", "app::engine::query::h28cb1234567890ab", true},
    {"_ZN3app6engine5query17h28cb1234567890abE", "app::*::query", true},
    {"_ZN3app6engine5query17h28cb1234567890abE", "app::engine", false},
    {"_ZN3app6engine5query17h28cb1234567890abE.llvm.123", "app::engine::query", true},
    {"_ZN4core3ptr23drop_in_place$LT$u8$GT$17h28cb1234567890abE", "core::ptr::drop_in_place<u8>",
     true},
    {"_ZN3std2rt10lang_start28_$u7b$$u7b$closure$u7d$$u7d$17h28cb1234567890abE",
     "std::rt::lang_start::{{closure}}", true},
    {"_ZN33_$LT$app..A$u20$as$u20$app..B$GT$3run17h28cb1234567890abE", "<app::A as app::B>::run",
     true},
    {"_RNvNtCs32gj3y4fnmh_3app6engine5query", "app::engine::query", true},
    {"_RNvNtCs32gj3y4fnmh_3app6engine5query", "app::*", true},
    {"_RNvNtCs32gj3y4fnmh_3app6engine5query.llvm.123", "app::engine::query", true},
    {"_RNvNtCs32gj3y4fnmh_3app6engine5query", "app::engine", false},
    {"_RNvMNtCs32gj3y4fnmh_4main6engineINtB2_u7Bse_snamE3runB4_",
     "<main::engine::B\xc3\xb6se<u32>>::run", true},
    {"_RNCNvCs32gj3y4fnmh_3app4main0B3_", "app::main::{closure#0}", true},
    {"_Render", "_Render", true},
    {"_Render", "app", false},
};

START_TEST(patterns_mean_names)
{
    static struct name name;
    bool usable = name_set(&name, name_pairs[_i].symbol);
    /* Asked twice: the forms that have been made serve again. */
    for (int i = 0; i < 2; i++)
        ck_assert_msg((usable && name_matches(&name, name_pairs[_i].pattern)) ==
                          name_pairs[_i].matches,
                      "%s, pattern %s", name_pairs[_i].symbol, name_pairs[_i].pattern);
}
END_TEST

START_TEST(long_names_are_cut)
{
    static struct name name;
    static char symbol[3 * NAME_MAX_LENGTH];
    memset(symbol, 'a', sizeof symbol - 1);
    ck_assert(name_set(&name, symbol));
    ck_assert_uint_eq(strlen(name_shown(&name)), NAME_MAX_LENGTH - 1);
    ck_assert(name_matches(&name, "a*"));
    ck_assert(!name_matches(&name, symbol));
    memcpy(symbol, "_Z4", 3);
    ck_assert(name_set(&name, symbol));
    ck_assert(!name_matches(&name, "aaaa*"));
}
END_TEST

START_TEST(names_for_people)
{
    static struct name name;
    name_set(&name, "_ZN2ns1aIiEEvT_");
    ck_assert_str_eq(name_shown(&name), "ns::a<int>(int)");
    name_set(&name, "plain@@V1");
    ck_assert_str_eq(name_shown(&name), "plain");
    name_set(&name, "_Zq");
    ck_assert_str_eq(name_shown(&name), "_Zq");
    name_set(&name, "_ZN3app5query17h28cb1234567890abE");
    ck_assert_str_eq(name_shown(&name), "app::query");
    name_set(&name, "_RNvCs32gj3y4fnmh_3app5query");
    ck_assert_str_eq(name_shown(&name), "app::query");
    name_set(&name, "_Z3fooi._omp_fn.0");
    ck_assert_str_eq(name_shown(&name), "foo(int) [clone ._omp_fn.0]");
}
END_TEST

/* ---- symbols --------------------------------------------------------------------------------- */

static int take_object(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size;
    struct object *object = list_add(context, sizeof *object);
    object_describe(info, object);
    return 0;
}

/* The loaded object that a MODULE means. */
static struct object find_object(const char *module)
{
    struct list objects = {0};
    dl_iterate_phdr(take_object, &objects);
    const struct object *object = objects.items;
    size_t i = 0;
    while (i < objects.count && !object_fits(&object[i], module))
        i++;
    ck_assert_uint_lt(i, objects.count);
    struct object found = object[i];
    list_free(&objects);
    return found;
}

static const struct symbol *find_symbol(const struct symbols *symbols, const char *name)
{
    const struct symbol *symbol = symbols->list.items;
    for (size_t i = 0; i < symbols->list.count; i++)
        if (strncmp(symbol[i].name, name, strlen(name)) == 0 &&
            strchr("@", symbol[i].name[strlen(name)]))
            return &symbol[i];
    return NULL;
}

START_TEST(symbols_of_the_program)
{
    struct object program = find_object("main");
    struct symbols symbols;
    ck_assert(program.is_program);
    ck_assert(symbols_open(&program, &symbols));
    ck_assert(!symbols.stripped);
    const struct symbol *symbol = find_symbol(&symbols, "take_object");
    ck_assert_ptr_nonnull(symbol);
    ck_assert_uint_eq(symbol->address, (uintptr_t)take_object);
    ck_assert_int_eq(symbol->scope, SYMBOL_LOCAL);
    symbol = find_symbol(&symbols, "spec_parse");
    ck_assert_ptr_nonnull(symbol);
    ck_assert_uint_eq(symbol->address, (uintptr_t)spec_parse);
    ck_assert_int_eq(symbol->scope, SYMBOL_LOCAL); /* hidden, so local since linking */
    /* Undefined here, and no function. */
    ck_assert_ptr_null(find_symbol(&symbols, "strlen"));
    ck_assert_ptr_null(find_symbol(&symbols, "read_specs"));
    symbols_close(&symbols);
}
END_TEST

START_TEST(symbols_of_the_c_library)
{
    struct object library = find_object("libc.so*");
    struct symbols symbols;
    ck_assert(symbols_open(&library, &symbols));
    const struct symbol *symbol = find_symbol(&symbols, "ldiv");
    ck_assert_ptr_nonnull(symbol);
    ck_assert_uint_eq(symbol->address, (uintptr_t)ldiv);
    ck_assert_int_eq(symbol->scope, SYMBOL_EXPORTED);
    ck_assert(!symbol->indirect);
    symbol = find_symbol(&symbols, "strlen");
    ck_assert_ptr_nonnull(symbol);
    ck_assert(symbol->indirect);
    symbols_close(&symbols);
}
END_TEST

/* A file that has been replaced since it was loaded says nothing of addresses. */
START_TEST(another_file_is_not_believed)
{
    struct object program = find_object("main");
    struct symbols symbols;
    static const char *const files[] = {"/bin/true", "/dev/null", "/nowhere", "/bin", ""};
    program.is_program = false;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        program.path = files[i];
        ck_assert(symbols_open(&program, &symbols));
        ck_assert(symbols.stripped && symbols.unread);
        ck_assert_ptr_null(find_symbol(&symbols, "take_object"));
        symbols_close(&symbols);
    }
    program.path = "/proc/self/exe";
    ck_assert(symbols_open(&program, &symbols));
    ck_assert_ptr_nonnull(find_symbol(&symbols, "take_object"));
    symbols_close(&symbols);
}
END_TEST

/* The compiler's own functions have exact sizes in both places. */
START_TEST(the_unwind_table_knows_functions)
{
    struct object program = find_object("main");
    uintptr_t start;
    size_t size;
    struct symbols symbols;
    ck_assert(symbols_open(&program, &symbols));
    static const char *const names[] = {"take_object", "spec_parse", "name_matches", "main"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct symbol *symbol = find_symbol(&symbols, names[i]);
        ck_assert_ptr_nonnull(symbol);
        size_t inside[] = {0, 1, symbol->size - 1};
        for (size_t k = 0; k < 3; k++) {
            ck_assert(symbols_unwind(&program, symbol->address + inside[k], &start, &size));
            ck_assert_uint_eq(start, symbol->address);
            ck_assert_uint_eq(size, symbol->size);
        }
    }
    ck_assert(!symbols_unwind(&program, program.start, &start, &size));
    ck_assert(!symbols_unwind(&program, program.end, &start, &size));
    symbols_close(&symbols);
}
END_TEST

/* ---- lists ----------------------------------------------------------------------------------- */

START_TEST(lists_grow)
{
    struct list list = {0};
    for (size_t i = 0; i < 100000; i++) {
        size_t *item = list_add(&list, sizeof *item);
        ck_assert_ptr_nonnull(item);
        ck_assert_uint_eq(*item, 0);
        *item = i;
    }
    for (size_t i = 0; i < list.count; i++)
        ck_assert_uint_eq(((size_t *)list.items)[i], i);
    list_free(&list);
    ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(memory_is_zeroed_and_apart)
{
    char *before = NULL;
    for (size_t bytes = 1; bytes < 100000; bytes += bytes / 7 + 1) {
        char *memory = memory_take(bytes);
        ck_assert_ptr_nonnull(memory);
        ck_assert_uint_eq((uintptr_t)memory % 16, 0);
        for (size_t i = 0; i < bytes; i++)
            ck_assert_int_eq(memory[i], 0);
        memset(memory, 1, bytes);
        ck_assert_ptr_ne(memory, before);
        before = memory;
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("names");
    TCase *tests = tcase_create("names");
    tcase_add_loop_test(tests, specs_are_read, 0, sizeof read_specs / sizeof read_specs[0]);
    tcase_add_test(tests, a_prefix_decides_over_the_default);
    tcase_add_loop_test(tests, malformed_specs_are_refused, 0,
                        sizeof malformed / sizeof malformed[0]);
    tcase_add_test(tests, a_spec_ends_at_its_length);
    tcase_add_test(tests, lists_of_specs);
    tcase_add_loop_test(tests, patterns_mean_names, 0, sizeof name_pairs / sizeof name_pairs[0]);
    tcase_add_test(tests, long_names_are_cut);
    tcase_add_test(tests, names_for_people);
    tcase_add_test(tests, symbols_of_the_program);
    tcase_add_test(tests, symbols_of_the_c_library);
    tcase_add_test(tests, another_file_is_not_believed);
    tcase_add_test(tests, the_unwind_table_knows_functions);
    tcase_add_test(tests, lists_grow);
    tcase_add_test(tests, memory_is_zeroed_and_apart);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
