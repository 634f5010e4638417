#!/usr/bin/env bash
# Host programs built with sanitizers, by gcc and clang, with the shim preloaded and started by
# `arenashim run`: where the sanitizer leaves room the shim works, elsewhere it steps aside with one
# line, and the program runs.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

arenashim=$(realpath "${ARENASHIM:-./arenashim}")
unset ARENASHIM
# shellcheck disable=SC2034 # read by build: these are for the compiler of the tests alone
clang_flags=()
compilers=()
for compiler in gcc clang; do
    if have "$compiler"; then
        compilers+=("$compiler")
    else
        skip "programs of $compiler" "$compiler is not installed"
    fi
done

# launch PROGRAM...: capture by `arenashim run`; stats are in $tmp/stats
launch() {
    rm -f "$tmp/stats"
    capture "$arenashim" run --stats=json --stats-file="$tmp/stats" -- "$@"
}

# silent DESCRIPTION: the last run worked, and nothing was said
silent() {
    is "$1: works, and nothing is said" "$status:$out:$err" 0:works:
    check "$1: calls are routed" test "$(stat .routed_calls)" -ge 300
}

# aside DESCRIPTION ERE: it worked without the shim, which is said in one line
aside() {
    is "$1: works" "$status:$out" 0:works
    one_line "$1: one line" "$2"
    stat_is "$1: the shim is idle or absent" .pid none
}

for cc in "${compilers[@]}"; do
    for sanitizer in undefined thread leak address; do
        what="$cc -fsanitize=$sanitizer"
        name=$cc-$sanitizer
        if ! build "$name" -g -O1 -fsanitize="$sanitizer" sanitized.c ||
            ! "$tmp/$name" works >/dev/null; then
            skip "$what" 'the compiler or the system cannot'
            continue
        fi
        under "$tmp/$name" works
        case $name in
        *-undefined | gcc-*)
            if [ "$name" != gcc-address ]; then
                silent "$what, preloaded"
                launch "$tmp/$name" works
                silent "$what, arenashim run"
                continue
            fi
            like "$what, preloaded: refuses by itself" "$err" 'ASan runtime does not come first'
            runtime=$("$cc" -print-file-name=libasan.so)
            capture env LD_PRELOAD="$runtime $shim" ARENASHIM_STATS_FILE="$tmp/stats" \
                "$tmp/$name" works
            aside "$what, preloaded behind the runtime" 'not in the path: malloc is that of .*libasan'
            ;;
        *)
            aside "$what, preloaded" "not in the path: malloc is that of $tmp/$name; "
            ;;
        esac
        launch "$tmp/$name" works
        aside "$what, arenashim run" \
            "warning: '$tmp/$name' brings its own malloc by [A-Z][a-z]*Sanitizer; it runs without"
    done
done

# The runtime for a program that has none.
cc=gcc
if [ -x "$tmp/gcc-address" ]; then
    need plain -O1 sanitized.c
    runtime=$(gcc -print-file-name=libasan.so)
    rm -f "$tmp/stats"
    capture env ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$runtime" "$arenashim" run \
        --stats-file="$tmp/stats" -- "$tmp/plain" works
    aside 'the runtime in LD_PRELOAD, arenashim run' \
        'warning: LD_PRELOAD names the runtime of AddressSanitizer, which must come before the shim in '
fi

# ---- what the sanitizers find ------------------------------------------------------------------

if [ -x "$tmp/gcc-thread" ]; then
    # The thread sanitizer is not made for threads started after a fork.
    need races -g -O1 -fsanitize=thread races.c
    for case in at_once one_after_another hand_over exits; do
        under ARENASHIM_CAPACITY=64K "$tmp/races" "$case"
        routed "thread sanitizer: $case"
    done
    for case in race stale; do
        under ARENASHIM_CAPACITY=64K "$tmp/races" "$case"
        is "thread sanitizer: $case is found" "$status" 66
        check "thread sanitizer: $case is found in scope memory" test "$(stat .routed_calls)" -gt 1
    done
fi
if [ -x "$tmp/gcc-leak" ]; then
    under "$tmp/gcc-leak" leak
    if [ "$status" -eq 23 ]; then
        like 'leak sanitizer: a leak outside scopes is found' "$err" \
            'SUMMARY: LeakSanitizer: 1234 byte\(s\) leaked in 1 allocation'
        under "$tmp/gcc-leak" led_to
        routed 'leak sanitizer: what scope memory leads to is no leak'
    else
        skip 'leaks' 'the leak sanitizer does not work here'
    fi
fi
done_testing
