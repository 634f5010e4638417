#!/usr/bin/env bash
# Threads with scopes under helgrind, drd and memcheck: nothing is reported that is not there, and
# true races on scope memory are. Without the flag that lets the shim run, one line says so.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

valgrind=${VALGRIND:-valgrind}
tells_valgrind || plan_skip 'valgrind does not run here, or this is built without it'
flag=--soname-synonyms=somalloc=nouserintercepts

need races -g -O1 -rdynamic races.c

# watch CASE TOOL OPTION...: runs a case with a small capacity
watch() {
    local name=$1 tool=$2
    shift 2
    limit=120 under ARENASHIM_CAPACITY=64K "$valgrind" -q --error-exitcode=99 --tool="$tool" \
        "$@" "$tmp/races" "$name"
}

# watch_all CASE TOOL: with leaks
watch_all() {
    local leaks=definite,indirect,possible
    # The child of a thread has what the C library made for that thread and nothing points at.
    [ "$1" != half_made ] || leaks=definite,indirect
    # What other threads had in registers alone is lost in the child.
    [ "$1" != forks ] || leaks=none
    if [ "$2" = memcheck ]; then
        watch "$1" "$2" "$flag" --leak-check=full \
            --show-leak-kinds="$leaks" --errors-for-leak-kinds="$leaks"
    else
        watch "$1" "$2" "$flag"
    fi
}

for tool in helgrind drd memcheck; do
    for case in at_once one_after_another hand_over forks half_made exits; do
        watch_all "$case" "$tool"
        routed "$tool: $case"
        check "$tool: $case: many calls were routed" test "$(stat .routed_calls)" -gt 8
    done
    if ! wraps; then
        skip "$tool: wrapped calls at once" 'built without functions by name'
        continue
    fi
    ARENASHIM_SCOPES='races!run_scopes' watch_all at_once "$tool"
    routed "$tool: wrapped calls at once"
    stat_is "$tool: wrapped calls at once: scopes" \
        '.sites[] | select(.label == "races!run_scopes") | .scopes' 64
done

for tool in helgrind drd; do
    for case in race stale; do
        watch "$case" "$tool" "$flag"
        is "$tool: $case is found" "$status" 99
        check "$tool: $case is found in scope memory" test "$(stat .routed_calls)" -gt 1
    done
    like "$tool: the report names the line" "$err" ' stale \((.*/)?races\.c:[0-9]+\)'

    watch hand_over "$tool"
    [ "$status" -ne 99 ] || status=0 # what it finds in a program without its own malloc is its own
    is "$tool without the flag: the program works" "$status:$out" 0:
    like "$tool without the flag: one line" "$err" \
        "^arenashim: not in the path: valgrind replaces malloc; .*$flag"
    stat_is "$tool without the flag: the shim is idle" .pid none
done
done_testing
