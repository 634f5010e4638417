#!/usr/bin/env bash
# Runs a program under Valgrind's memcheck with libarenashim.so in its path, and fails on any leak,
# any invalid access, a scope left open, a misused mark or block, or not one routed call. The processes
# that it forks are judged with it but for leaks, since what other threads hold seems lost there; programs
# that it starts are judged likewise with VALGRIND_OPTS=--trace-children=yes, and else not at all.
#
# usage: valgrind-check.sh [OPTION...] [--] PROGRAM [ARGUMENT...]
#
#   --no-shim             memcheck alone: for programs that hold the allocator themselves (unit tests)
#   --suppressions=FILE   what memcheck is to keep silent about
#   --gen-suppressions    memcheck prints a suppression for each error
#   --folder=FOLDER       leave all files in FOLDER, which exists and which the caller waits for
#   --results             judge nothing: leave what memcheck found (PID.xml) and the statistics
#                         (PID.json) of each process there, and PID.finished of the program, unless the
#                         check itself failed
#
# The shells and launchers between this script and the program have the shim preloaded, but it is idle
# where memcheck does not watch (ARENASHIM_MEMCHECK).
#
# Environment: ARENASHIM_SHIM names the library (else it is looked for beside this script, in the
# build tree and installed); the other ARENASHIM_ variables are the program's; VALGRIND names
# valgrind; VALGRIND_OPTS adds options, for instance --suppressions=FILE or --track-origins=yes, but not
# -q, which leaves out what is judged here.
#
# Exit status: 99 when something was found (the report goes to stderr), 125 when the check itself
# failed or, with ARENASHIM_SCOPE_STRICT=1, the shim did not let the program start, otherwise the
# program's. What a program that failed has not done, as to leave statistics or to have a call routed,
# says nothing.
set -euo pipefail

FOUND=99
FAILED=125

# Without it, valgrind puts its own malloc before a preloaded one, and the shim would be idle; the C
# library's malloc stays checked. A shim that can tell valgrind of its blocks names it.
FLAG=--soname-synonyms=somalloc=nouserintercepts
# shellcheck disable=SC2054 # the commas belong to the options
memcheck_options=(
    --tool=memcheck
    "$FLAG"
    --leak-check=full
    --show-leak-kinds=definite,indirect,possible
    --errors-for-leak-kinds=definite,indirect,possible
    --num-callers=20
    --time-stamp=no
    --error-markers=arenashim-error,arenashim-error-end
)

fail() {
    printf 'valgrind-check: %s\n' "$*" >&2
    exit "$FAILED"
}

find_shim() {
    local here candidate
    here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
    for candidate in "${ARENASHIM_SHIM-}" "$here/../.libs/libarenashim.so" \
        "$here/.libs/libarenashim.so" \
        "$here"/../../lib{,"/$(uname -m)-linux-gnu"}{,/arenashim}/libarenashim.so; do
        if [ -n "$candidate" ] && [ -f "$candidate" ] && [ -r "$candidate" ]; then
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

# The sum over all processes that memcheck has watched.
sum() {
    local process total=0
    for process in $watched; do
        [ ! -s "$work/$process.json" ] || total=$((total + $(statistic "$1" "$work/$process.json")))
    done
    echo "$total"
}

# Prints what is wrong with the statistics, nothing when they are in order.
judge_statistics() {
    local left_open misuses
    if [ ! -s "$work/$main.json" ] && [ "$status" = 0 ]; then
        echo "the shim wrote no statistics: it was not in the path, or the program did not exit"
        return
    fi
    left_open=$(sum left_open)
    misuses=$(sum misuses)
    if [ "$left_open" != 0 ]; then
        echo "$left_open scopes were left open"
    fi
    if [ "$misuses" != 0 ]; then
        echo "$misuses marks or blocks were misused"
    fi
    if [ "$(sum routed_calls)" = 0 ] && [ "$status" = 0 ]; then
        echo "not one call was routed: no mark was reached, or ARENASHIM_MODULES leaves out the \
module that allocates ($(sum scopes) scopes)"
    fi
}

shim=yes
folder=
results=
while [ $# -gt 0 ]; do
    case $1 in
    --no-shim) shim= ;;
    --folder=*) folder=${1#*=} ;;
    --results) results=yes ;;
    --suppressions=*) memcheck_options+=("$1") ;;
    --gen-suppressions) memcheck_options+=("$1=all") ;;
    --) shift && break ;;
    -*) fail "unknown option '$1'; there are --no-shim, --suppressions, --gen-suppressions, --folder, --results" ;;
    *) break ;;
    esac
    shift
done
[ $# -gt 0 ] || fail "usage: valgrind-check.sh [OPTION...] [--] PROGRAM [ARGUMENT...]"
valgrind=${VALGRIND:-valgrind}
command -v "$valgrind" >/dev/null || fail "valgrind is missing; install it (Debian: valgrind)"
command -v "$1" >/dev/null || fail "'$1' is not a program"

if [ -n "$shim" ]; then
    library=$(find_shim)
    grep -qFe "$FLAG" "$library" ||
        fail "$library was built without the headers of valgrind, and cannot tell memcheck of its blocks"
fi

work=${folder:-$(mktemp -d)}
[ -n "$folder" ] || trap 'rm -rf "$work"' EXIT
# For valgrind and the shim alike %p is the process; a percent sign of the directory's is none.
pattern=${work//%/%%}/%p
if [ -n "$results" ]; then
    memcheck_options+=(--xml=yes --xml-file="$pattern.xml")
else
    memcheck_options+=(--xml=no --log-file="$pattern.log")
fi

status=0
# Without what bash says of a program that a signal ends.
{
    (
        echo "$BASHPID" >"$work/main"
        if [ -n "$shim" ]; then
            unset ARENASHIM_SHIM
            export LD_PRELOAD="$library${LD_PRELOAD:+:$LD_PRELOAD}"
            export ARENASHIM_MEMCHECK=1 ARENASHIM_STATS=json ARENASHIM_STATS_FILE="${folder:+%b}$pattern.json"
        fi
        exec "$valgrind" "${memcheck_options[@]}" "$@"
    ) 2>&3 3>&- || status=$?
} 3>&2 2>/dev/null
main=$(cat "$work/main")

log() {
    cat "$work"/*.log 2>/dev/null || true
}

is_finished() {
    if [ -n "$results" ]; then
        grep -qs '<state>FINISHED' "$work/$main.xml"
    else
        log | grep -q "^==$main== ERROR SUMMARY: "
    fi
}

is_finished || {
    log >&2
    fail "valgrind did not finish, or was quiet (-q in VALGRIND_OPTS or a .valgrindrc); its status is $status"
}
# The shim has said which function cannot be a scope.
if [ -n "$shim" ] && [ "${ARENASHIM_SCOPE_STRICT-}" = 1 ] && [ "$status" = "$FAILED" ] &&
    [ ! -s "$work/$main.json" ]; then
    exit "$FAILED"
fi
if [ -n "$results" ]; then
    : >"$work/$main.finished"
    exit "$status"
fi
watched=$(log | sed -n 's/^==\([0-9]*\)== .*/\1/p' | sort -u)
# Of a process that was killed there is no summary, but there are its errors.
errors=$(awk -v main="$work/$main.log" '
    /^==[0-9]+== arenashim-error$/ { begins = 1; next }
    begins { errors += FILENAME == main || !/ blocks? are (definitely|indirectly|possibly) lost /; begins = 0 }
    END { print errors + 0 }' "$work"/*.log)

findings=
if [ "$errors" != 0 ]; then
    log | sed '/^==[0-9]*== arenashim-error/d; s/^==[0-9]*== \{0,1\}//' >&2
    findings="memcheck reports $errors errors"
fi
if [ -n "$shim" ]; then
    complaints=$(judge_statistics)
    findings=$findings${findings:+${complaints:+$'\n'}}$complaints
fi
if [ -n "$findings" ]; then
    printf '%s\n' "$findings" | sed 's/^/valgrind-check: /' >&2
    exit "$FOUND"
fi
exit "$status"
