#!/usr/bin/env bash
# The start of a process: calls of the allocation family before any constructor, from IFUNC
# resolvers that run before the shim is relocated and from other libraries' constructors; symbols
# bound at once; an auditor; libraries, and the shim itself, in a namespace of their own.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"
export limit=120

need start -O2 start.c -ldl
directory=$(dirname "$shim")

# library NAME DEFINITION FLAG...: $tmp/NAME of start_lib.c
library() {
    local name=$1 definition=$2
    shift 2
    need "$name" -O2 -Wno-alloc-size-larger-than -Wno-unknown-warning-option -fPIC -shared \
        "-D$definition" start_lib.c "$@"
}

under "$tmp/start" preinit_array
routed 'calls before every constructor'
# The scope before the C library knows the environment is none: what began there would ignore the
# user's settings.
stat_is 'a scope before every constructor does nothing' \
    '[.sites[].label] | index("before constructors")' null

# ---- libraries that come first -----------------------------------------------------------------

library libifunc.so START_IFUNC
library libconstructor.so START_CONSTRUCTOR
for kind in ifunc constructor; do
    early=$tmp/lib$kind.so
    # Linked to the program before and after the shim, or to the program alone.
    need "$kind" -O2 start.c -Wl,--no-as-needed "$early" -Wl,-rpath,"$tmp" -ldl
    need "$kind-shim" -O2 start.c -Wl,--no-as-needed "$early" -L"$directory" -larenashim \
        -Wl,-rpath,"$tmp" -Wl,-rpath,"$directory" -ldl
    need "shim-$kind" -O2 start.c -Wl,--no-as-needed -L"$directory" -larenashim "$early" \
        -Wl,-rpath,"$tmp" -Wl,-rpath,"$directory" -ldl
    for now in '' 1; do
        name="$kind${now:+, bound at once}"
        if [ "$kind" = ifunc ]; then
            # What works without the shim must work with it.
            capture env LD_BIND_NOW="$now" START_PLAIN=1 "$tmp/$kind" early_library
            if [ "$status" -ne 0 ] && [ ${#clang_flags[@]} -gt 0 ]; then
                skip "$name" 'what clang makes of the library crashes without the shim, too'
                continue
            fi
            is "$name: works without the shim" "$status:$err" 0:
        fi
        under LD_BIND_NOW="$now" "$tmp/$kind" early_library
        routed "$name: of the program"
        behind=$early under LD_BIND_NOW="$now" "$tmp/start" early_library
        routed "$name: preloaded behind the shim"
        rm -f "$tmp/stats"
        capture env LD_PRELOAD="$early $shim" LD_BIND_NOW="$now" ARENASHIM_STATS=json \
            ARENASHIM_STATS_FILE="$tmp/stats" "$tmp/start" early_library
        routed "$name: preloaded in front of the shim"
        for program in "$kind-shim" "shim-$kind"; do
            rm -f "$tmp/stats"
            capture env LD_BIND_NOW="$now" ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/stats" \
                "$tmp/$program" early_library
            routed "$name: linked, $program"
        done
        [ "$kind" = constructor ] || continue
        stat_is "$name: its scopes are there" \
            '[.sites[] | select(.label | test("constructor")) | .scopes] | add' 11
    done
done

under LD_BIND_NOW=1 "$tmp/start" scopes_only
routed 'bound at once'
stat_is 'bound at once: exact statistics' '"\(.scopes) \(.routed_calls)"' '21 21'

# ---- an auditor --------------------------------------------------------------------------------

for kind in 1 2; do
    [ "$kind$(uname -m)" != 2x86_64 ] || skipped=no
    if [ "$kind" = 2 ] && [ "${skipped-}" != no ]; then
        skip 'an auditor between all calls' 'written for x86-64'
        continue
    fi
    library "audit$kind.so" "START_AUDIT=$kind"
    for now in '' 1; do
        name="auditor $kind${now:+, bound at once}"
        under LD_AUDIT="$tmp/audit$kind.so" LD_BIND_NOW="$now" START_AUDIT_SAY=1 \
            "$tmp/start" scopes_only
        is "$name: it saw the program start" "$status:$err" '0:audit: many'
        under LD_AUDIT="$tmp/audit$kind.so" LD_BIND_NOW="$now" "$tmp/start" scopes_only
        routed "$name"
        stat_is "$name: exact statistics" '"\(.scopes) \(.routed_calls)"' '21 21'
    done
done

# ---- a second namespace ------------------------------------------------------------------------

library apart.so START_APART
library apart-shim.so START_APART -L"$directory" -Wl,--no-as-needed -larenashim \
    -Wl,-rpath,"$directory"
under "$tmp/start" apart "$tmp/apart.so"
if [ "$status" -eq 77 ]; then
    skip 'a library in a second namespace' "$err"
else
    routed 'a library in a second namespace'
    stat_is 'a library in a second namespace: its scopes are not there' \
        '"\(.threads) \([.sites[].label] | index("apart"))"' '2 null'
    under "$tmp/start" apart "$tmp/apart-shim.so"
    is 'the shim in a second namespace: the program works' "$status:$out" 0:
    one_line 'the shim in a second namespace: one line' \
        "loaded into a namespace of its own \(dlmopen\): this copy is idle: [^ ]*libarenashim.so\$"
    stat_is 'the shim in a second namespace: the first one serves' \
        '"\(.threads) \(.misuses) \(.left_open) \([.sites[].label] | index("apart"))"' '2 0 0 null'
fi
done_testing
