#!/usr/bin/env bash
# Routing by the caller's module. What the C and C++ libraries keep for themselves is begun in a
# scope, the scope ends, its arena is overwritten, and the libraries go on; a second module of the
# program's takes part when it is named or holds a mark.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

calls_of() {
    stat "[.passed_in_scope.modules[] | select(.name == \"$1\") | .calls] | add // 0"
}

# ---- libraries keep what is theirs -------------------------------------------------------------

need libmod.so -O2 -fPIC -shared routing_lib.c
need routing -O2 routing.c "$tmp/libmod.so" -Wl,-rpath,"$tmp"
capture "$tmp/routing" libc_keeps_its_own
plain=$status:$out
like 'libc: the operations work without the shim' "$plain" '^0:first output'
under "$tmp/routing" libc_keeps_its_own
routed 'libc: operations begun in a scope and used after it'
is 'libc: the same output as without the shim' "$status:$out" "$plain"
calls=$(calls_of libc.so.6)
check "libc: its calls in the scope are counted by name ($calls)" test "$calls" -gt 100
stat_is 'libc: reasons add up' \
    '.passed_in_scope | .total - .paused - .interrupted - .overflow - .unknown_caller -
     .not_participating' 0
stat_is 'libc: modules add up' \
    '.passed_in_scope | .not_participating - ([.modules[].calls] | add)' 0
stat_is 'libc: none of its calls was routed' '.sites[] | select(.label == "operations") | .routed_calls' 2

need routing-cxx -std=c++11 -O2 routing.cc
for name in $("$tmp/routing-cxx"); do
    capture "$tmp/routing-cxx" "$name"
    plain=$status:$out
    under "$tmp/routing-cxx" "$name"
    routed "libstdc++: $name"
    is "libstdc++: $name: the same output as without the shim" "$status:$out" "$plain"
done
under "$tmp/routing-cxx" exceptions
check 'libstdc++: its calls in the scope are counted by name' \
    test "$(calls_of libstdc++.so.6)" -gt 0

# ---- a second module ---------------------------------------------------------------------------

# origins DESCRIPTION WANTED [VARIABLE=VALUE] CASE
origins() {
    local description=$1 wanted=$2
    shift 2
    local name=${*: -1}
    under "${@:1:$#-1}" "$tmp/routing" "$name"
    is "$description" "$status:$err:$out" "0::$wanted"
}

both='program arena, library arena'
program='program arena, library elsewhere'

origins 'a module without a mark takes no part' "$program" library_draws
routed 'a module without a mark: the program is routed'
is 'a module without a mark is named with its calls' "$(calls_of libmod.so)" 5
stat_is 'a module without a mark: exact count of routed calls' .routed_calls 2
for list in '+libmod*' 'libmod*' '+libmod.so' '+libm?d.so' '+libnone*,+libmod*' all all,marked \
    main,+libmod.so marked,+libmod.so '-libmod.so,+libmod*' "+$tmp/libmod.so"; do
    origins "ARENASHIM_MODULES=${list/"$tmp"/DIR}: both" "$both" "ARENASHIM_MODULES=$list" \
        library_draws
    routed "ARENASHIM_MODULES=${list/"$tmp"/DIR}: routed"
    is "ARENASHIM_MODULES=${list/"$tmp"/DIR}: not named" "$(calls_of libmod.so)" 0
done
for list in main marked '+libnone*' 'all,-libmod*' '+libmod*,-libmod.so' '-libmod*'; do
    origins "ARENASHIM_MODULES=$list: the program alone" "$program" "ARENASHIM_MODULES=$list" \
        library_draws
    routed "ARENASHIM_MODULES=$list: routed"
done

# Excluded as well; told by the counts, since no block of the program's shows where the arenas are.
for list in -routing -rout\* '+routing,-routing'; do
    under ARENASHIM_MODULES="$list,+libmod*" "$tmp/routing" library_draws
    routed "ARENASHIM_MODULES=$list,+libmod*: the library is routed"
    stat_is "ARENASHIM_MODULES=$list,+libmod*: and nothing else" .routed_calls 5
    check "ARENASHIM_MODULES=$list,+libmod*: the program is named" \
        test "$(calls_of routing)" -gt 0
    under ARENASHIM_MODULES="$list" "$tmp/routing" library_draws
    stat_is "ARENASHIM_MODULES=$list: nothing is routed" .routed_calls 0
    check "ARENASHIM_MODULES=$list: but the scopes are seen" test "$(stat .scopes)" -gt 0
done

# libc's own calls, when the user insists.
origins 'strdup is the C library'\''s call' "$program" libc_draws
origins 'ARENASHIM_MODULES=all holds the C library too' "$both" ARENASHIM_MODULES=all libc_draws
origins 'ARENASHIM_MODULES=+libc.so.6 as well' "$both" ARENASHIM_MODULES=+libc.so.6 libc_draws
origins 'ARENASHIM_MODULES=all,-libc.so.6 does not' "$program" ARENASHIM_MODULES=all,-libc.so.6 \
    libc_draws

origins 'a wrapper that tail-calls malloc counts as its caller' "$both" library_wraps
need libmod.so -O0 -fPIC -shared routing_lib.c
origins 'a wrapper that does not is judged by itself' "$program" library_wraps

# A mark in the library: its own calls, and not those of a program without one.
need libmod.so -O2 -DMARKED -fPIC -shared routing_lib.c
for list in '' marked; do
    under ${list:+"ARENASHIM_MODULES=$list"} "$tmp/routing" library_marks
    routed "a library with a mark${list:+, $list}: routed"
    stat_is "a library with a mark${list:+, $list}: its own calls" \
        '.sites[] | "\(.label): \(.routed_calls)"' 'of the library: 1'
    is "a library with a mark${list:+, $list}: the program's are not" "$(calls_of routing)" 1
done
under ARENASHIM_MODULES=main "$tmp/routing" library_marks
routed 'a library with a mark, main: routed'
is 'a library with a mark, main: the program instead' \
    "$(calls_of libmod.so):$(calls_of routing)" 1:0
under ARENASHIM_MODULES=main,marked "$tmp/routing" library_marks
stat_is 'a library with a mark, main,marked: both' .routed_calls 2
under ARENASHIM_MODULES='-libmod*' "$tmp/routing" library_marks
stat_is 'a library with a mark, excluded: nothing is routed' .routed_calls 0
is 'a library with a mark, excluded: both are named' \
    "$(calls_of libmod.so):$(calls_of routing)" 1:1

need libplugin.so -O2 -fPIC -shared routing_lib.c
mkdir "$tmp/namesake"
cp "$tmp/libplugin.so" "$tmp/namesake"
export ROUTING_LIBRARY=$tmp/libplugin.so ROUTING_NAMESAKE=$tmp/namesake/libplugin.so
under "$tmp/routing" library_comes_and_goes
routed 'a library that comes and goes'
is 'a library that comes and goes is one in the report' "$(calls_of libplugin.so)" 20
stat_is 'a library that comes and goes is named once' \
    '[.passed_in_scope.modules[] | select(.name == "libplugin.so")] | length' 1
under "$tmp/routing" library_binds_deeply
routed 'a library that is not bound past the shim (RTLD_DEEPBIND)'

if [ "$(uname -m)" = x86_64 ]; then
    under "$tmp/routing" generated_code
    routed 'generated code'
    [ "$out" = 'no executable memory' ] ||
        stat_is 'generated code is counted as unknown' .passed_in_scope.unknown_caller 1
else
    skip 'generated code' 'the code is for x86-64'
fi
done_testing
