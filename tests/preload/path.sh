#!/usr/bin/env bash
# Is the shim in the path? Every way of being loaded and yet not serving malloc is one line that
# says why, and the program runs on; every way of being loaded that works says nothing.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need simple simple.c
ran="7:sum 45"

# preload LIST [VARIABLE=VALUE...] COMMAND...
preload() {
    local list=$1
    shift
    rm -f "$tmp/stats"
    capture env LD_PRELOAD="$list" ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/stats" "$@"
}

# serves DESCRIPTION: the last run was routed, and quiet
serves() {
    is "$1: the program works and nothing is said" "$status:$out:$err" "$ran:"
    check "$1: routed" test "$(stat .routed_calls)" -gt 0
}

# bypassed DESCRIPTION ERE: the last run was not, and one line says so; an idle shim writes no
# statistics
bypassed() {
    is "$1: the program works" "$status:$out" "${3:-$ran}"
    one_line "$1: one line" "$2"
    stat_is "$1: the shim is idle" .pid none
}

preload "$shim" "$tmp/simple"
serves 'preloaded'
preload "$shim $shim" "$tmp/simple"
serves 'the same path twice'
ln -s "$shim" "$tmp/link.so"
preload "$shim $tmp/link.so" "$tmp/simple"
serves 'the same file by two paths is one library'
(cd "$(dirname "$shim")" && preload ./libarenashim.so "$tmp/simple" && declare -p status out err) \
    >"$tmp/state"
# shellcheck source=/dev/null
. "$tmp/state"
serves 'by a relative path'

# ---- loaded twice ------------------------------------------------------------------------------

mkdir "$tmp/second"
cp "$shim" "$tmp/second/libarenashim.so"
preload "$shim $tmp/second/libarenashim.so" "$tmp/simple"
is 'two copies: the program works' "$status:$out" "$ran"
one_line 'two copies: one line with both paths' \
    "loaded twice: $shim serves, and this copy is idle: $tmp/second/libarenashim.so\$"
check 'two copies: the first serves' test "$(stat .routed_calls)" -gt 0
preload "$tmp/second/libarenashim.so $shim" "$tmp/simple"
one_line 'two copies, the other way round: one line' \
    "loaded twice: $tmp/second/libarenashim.so serves, and this copy is idle: $shim\$"
check 'two copies, the other way round: the first serves' test "$(stat .routed_calls)" -gt 0

# ---- linked ------------------------------------------------------------------------------------

need linked simple.c -L"$tmp/second" -larenashim -Wl,-rpath,"$tmp/second"
preload '' "$tmp/linked"
serves 'linked with -larenashim'
need linked-no-pie -fno-pie -no-pie simple.c -L"$tmp/second" -larenashim -Wl,-rpath,"$tmp/second"
preload '' "$tmp/linked-no-pie"
serves 'linked with -larenashim, position-dependent'
need libuser.so -fPIC -shared routing_lib.c -L"$tmp/second" -Wl,--no-as-needed -larenashim \
    -Wl,-rpath,"$tmp/second"
need indirect simple.c -Wl,--no-as-needed "$tmp/libuser.so" -Wl,-rpath,"$tmp"
preload '' "$tmp/indirect"
# Behind the C library in the search order.
bypassed 'linked by a library of the program alone' \
    'not in the path: malloc is that of [^ ]*libc.so.6'
need late late.c -ldl
preload '' "$tmp/late" "$tmp/libuser.so" past
bypassed 'linked by a plug-in, loaded past all others' 'not in the path: malloc is that of [^ ]*libc.so.6' 7:loaded
need behind late.c -Wl,--no-as-needed "$tmp/libuser.so" -Wl,-rpath,"$tmp" -ldl
preload '' "$tmp/behind" "$tmp/second/libarenashim.so"
bypassed 'called, behind the C library' 'not in the path: malloc is that of [^ ]*libc.so.6' 7:loaded
preload "$tmp/second/libarenashim.so" "$tmp/linked"
serves 'linked and preloaded by the same path'
preload "$shim" "$tmp/linked"
# The loader takes the library by its soname: it is there already.
serves 'linked and preloaded by another path'

# ---- somebody else's malloc --------------------------------------------------------------------

need libown.so -fPIC -shared own_malloc.c
preload "$tmp/libown.so $shim" "$tmp/simple"
bypassed 'behind another malloc' "not in the path: malloc is that of $tmp/libown.so; .*first in LD_PRELOAD"
preload "$shim $tmp/libown.so" "$tmp/simple"
serves 'in front of another malloc'
need defines -DPROGRAM own_malloc.c
preload "$shim" "$tmp/defines"
bypassed 'the program defines malloc' \
    "not in the path: malloc is that of $tmp/defines; .*does not define malloc" '7:1 own calls'
for allocator in jemalloc.so mimalloc.so tcmalloc_minimal.so; do
    library=$(ldconfig -p 2>/dev/null | awk -v name="lib$allocator." 'index($1, name) == 1 { print $NF; exit }')
    if [ -z "$library" ]; then
        skip "behind lib$allocator" "lib$allocator is not installed"
        continue
    fi
    preload "$library $shim" "$tmp/simple"
    bypassed "behind lib$allocator" "not in the path: malloc is that of [^ ]*lib${allocator%%.*}"
done

# ---- a part of the family is somebody else's ---------------------------------------------------

# partial WAY FUNCTION: builds it, and sets `ran` to what it does without the shim
partial() {
    need partial -std=c++17 -O1 -fno-builtin -Wno-unused-function "-D$1" "-D$2" partial.cc -ldl
    preload '' "$tmp/partial"
    ran="$status:$out"
}
plain=$ran
for way in LIBC NEXT; do
    for function in FREE REALLOC DELETE; do
        partial $way $function
        preload "$shim" "$tmp/partial"
        serves "the program defines $function, and goes on by $way"
        preload "$shim" ARENASHIM_SCOPES=process ARENASHIM_DEBUG=verify "$tmp/partial"
        serves "the program defines $function, and goes on by $way, the process, checked"
    done
done
for function in free realloc; do
    partial HANDLE "${function^^}"
    preload "$shim" "$tmp/partial"
    bypassed "the program defines $function, and goes past everybody" \
        "not in the path: $function is that of $tmp/partial; .*does not define $function itself"
done
partial LIBC USABLE
preload "$shim" "$tmp/partial"
bypassed 'the program defines malloc_usable_size' \
    "not in the path: malloc_usable_size is that of $tmp/partial; "
ran=$plain
need defines -DPROGRAM -std=c++17 -fno-builtin own_new.cc
preload '' "$tmp/defines"
wanted=$status:$out
preload "$shim" "$tmp/defines"
bypassed 'the operators of a program that defines malloc come to that' \
    "not in the path: malloc is that of $tmp/defines" "$wanted"

# ---- too late ----------------------------------------------------------------------------------

preload '' "$tmp/late" "$shim"
bypassed 'loaded by dlopen' 'not in the path: malloc is that of [^ ]*libc.so.6' 7:loaded
preload "$shim" "$tmp/late" "$shim"
is 'loaded by dlopen again' "$status:$out:$err" 7:loaded:
check 'loaded by dlopen again: routed' test "$(stat .routed_calls)" -gt 0

# ---- valgrind ----------------------------------------------------------------------------------

valgrind=${VALGRIND:-valgrind}
if ! valgrind_runs; then
    skip 'plain valgrind' 'valgrind does not run here'
elif ! tells_valgrind; then
    preload "$shim" "$valgrind" -q "$tmp/simple"
    bypassed 'plain valgrind, built without its headers' \
        'not in the path: a tool in this process redirects malloc'
    skip 'valgrind with its flag' 'built without the headers of valgrind'
    capture env ARENASHIM_SHIM="$shim" "$source_dir/scripts/valgrind-check.sh" "$tmp/simple"
    is 'the check is refused by one line' "$status:$err" "125:valgrind-check: $shim was built without \
the headers of valgrind, and cannot tell memcheck of its blocks"
else
    preload "$shim" "$valgrind" -q "$tmp/simple"
    bypassed 'plain valgrind' \
        'not in the path: valgrind replaces malloc; .*--soname-synonyms=somalloc=nouserintercepts'
    preload "$shim" "$valgrind" -q --soname-synonyms=somalloc=nouserintercepts "$tmp/simple"
    serves 'valgrind with its flag'
fi
done_testing
