#!/usr/bin/env bash
# Runs a program under Valgrind's memcheck with libarenashim.so in its path, and fails on any leak,
# any invalid access, a scope left open, or not one routed call.
#
# usage: valgrind-check.sh [--no-shim] PROGRAM [ARGUMENT...]
#
#   --no-shim   memcheck alone: for programs that hold the allocator themselves (unit tests)
#
# Environment: ARENASHIM_SHIM names the library (else it is looked for beside this script, in the
# build tree and installed); the other ARENASHIM_ variables are the program's; VALGRIND names
# valgrind; VALGRIND_OPTS adds options, for instance --suppressions=FILE or --track-origins=yes.
#
# Exit status: 99 when something was found (the report goes to stderr), 125 when the check itself
# failed, otherwise the program's.
set -euo pipefail

FOUND=99
FAILED=125

# Without the first, valgrind puts its own malloc before a preloaded one, and the shim would be
# idle; the C library's malloc stays checked.
# shellcheck disable=SC2054 # the commas belong to the options
memcheck_options=(
    --tool=memcheck
    --soname-synonyms=somalloc=nouserintercepts
    --leak-check=full
    --show-leak-kinds=definite,indirect,possible
    --errors-for-leak-kinds=definite,indirect,possible
    --num-callers=20
)

fail() {
    printf 'valgrind-check: %s\n' "$*" >&2
    exit "$FAILED"
}

find_shim() {
    local here candidate
    here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
    for candidate in "${ARENASHIM_SHIM-}" "$here/../.libs/libarenashim.so" \
        "$here/../../lib/libarenashim.so" "$here/../../lib/$(uname -m)-linux-gnu/libarenashim.so"; do
        if [ -n "$candidate" ] && [ -f "$candidate" ]; then
            readlink -f "$candidate"
            return
        fi
    done
    fail "libarenashim.so is not where it is looked for; name it in ARENASHIM_SHIM"
}

# A number from the top level of the shim's JSON.
statistic() {
    sed -n "s/^  \"$1\": \([0-9]*\),\{0,1\}\$/\1/p" "$2"
}

# Prints what is wrong with the statistics, nothing when they are in order.
judge_statistics() {
    local file=$1 routed left_open
    if [ ! -s "$file" ]; then
        echo "the shim wrote no statistics: it was not in the path, or the program did not exit"
        return
    fi
    routed=$(statistic routed_calls "$file")
    left_open=$(statistic left_open "$file")
    if [ "$left_open" != 0 ]; then
        echo "$left_open scopes were left open"
    fi
    if [ "$routed" = 0 ]; then
        echo "not one call was routed: no mark was reached, or ARENASHIM_MODULES leaves out the \
module that allocates ($(statistic scopes "$file") scopes)"
    fi
}

shim=yes
while [ $# -gt 0 ]; do
    case $1 in
    --no-shim) shim= ;;
    --) shift && break ;;
    -*) fail "unknown option '$1'; there is --no-shim" ;;
    *) break ;;
    esac
    shift
done
[ $# -gt 0 ] || fail "usage: valgrind-check.sh [--no-shim] PROGRAM [ARGUMENT...]"
valgrind=${VALGRIND:-valgrind}
command -v "$valgrind" >/dev/null || fail "valgrind is missing; install it (Debian: valgrind)"
command -v "$1" >/dev/null || fail "'$1' is not a program"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=$work/valgrind.log

# Children of the program write files of their own, which nobody reads: memcheck does not follow
# them. The process that is checked keeps the number it has here.
status=0
(
    echo "$BASHPID" >"$work/pid"
    if [ -n "$shim" ]; then
        library=$(find_shim)
        unset ARENASHIM_SHIM
        export LD_PRELOAD="$library${LD_PRELOAD:+:$LD_PRELOAD}"
        export ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$work/%p.json"
    fi
    exec "$valgrind" "${memcheck_options[@]}" --log-file="$log" "$@"
) || status=$?

summary=$(sed -n 's/^==[0-9]*== ERROR SUMMARY: \([0-9]*\) errors.*/\1/p' "$log" 2>/dev/null | tail -n 1)
[ -n "$summary" ] || {
    cat "$log" >&2 2>/dev/null || true
    fail "valgrind did not finish (status $status)"
}

findings=
if [ "$summary" != 0 ]; then
    sed 's/^==[0-9]*== \{0,1\}//' "$log" >&2
    findings="memcheck reports $summary errors"
fi
if [ -n "$shim" ]; then
    complaints=$(judge_statistics "$work/$(cat "$work/pid").json")
    findings=$findings${findings:+${complaints:+$'\n'}}$complaints
fi
if [ -n "$findings" ]; then
    printf '%s\n' "$findings" | sed 's/^/valgrind-check: /' >&2
    exit "$FOUND"
fi
exit "$status"
