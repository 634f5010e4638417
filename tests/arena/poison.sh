#!/usr/bin/env bash
# A program built with AddressSanitizer, in C and C++, by gcc and clang, with a libarena.a built
# without and with it: uses of arena memory that is not allocated are reported with their line, and
# a correct program runs.
#
#   ARENA_LIB  the library (./libarena.a)

# shellcheck source=/dev/null
. "${srcdir:-.}/tests/tap.sh"
set -euo pipefail

library=$(realpath "${ARENA_LIB:-./libarena.a}")
root=$(realpath "${srcdir:-.}")
source=$root/tests/arena/poison.c
flags=(-g -O1 -Wall -Wextra -Werror -I"$root/include" -fsanitize=address -pthread)
unset ASAN_OPTIONS

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# works COMPILER LANGUAGE: it is there, and so is its runtime.
works() {
    printf 'int main(void) { return 0; }\n' >"$tmp/empty"
    "$1" "${flags[@]}" -o "$tmp/empty.out" -x "$2" "$tmp/empty" 2>/dev/null &&
        timeout 30 "$tmp/empty.out" 2>/dev/null
}

# run CASE [ASAN_OPTION]: sets status and output
run() {
    status=0
    ASAN_OPTIONS=detect_leaks=0${2:+:$2} timeout 60 "$tmp/poison" "$1" >"$tmp/output" 2>&1 ||
        status=$?
    output=$(<"$tmp/output")
}

# cases DESCRIPTION: every case of $tmp/poison
cases() {
    local what=$1 name line
    run correct
    is "$what: correct" "$status:$output" 0:works
    for name in $bad; do
        line=$(grep -nF "/* $name */" "$source" | cut -d: -f1)
        run "$name"
        is "$what: $name ends the program" "$status" 1
        like "$what: $name is reported" "$output" 'ERROR: AddressSanitizer: use-after-poison'
        if printf '%s\n' "$output" | grep -Eq '#0 0x[0-9a-f]+ +\('; then
            skip "$what: $name is reported with its line" 'no symbolizer for its runtime'
            continue
        fi
        like "$what: $name is reported with its line" "$output" \
            "#0 0x[0-9a-f]+ in $name(\(\))? .*poison\.c:$line(:|\$)"
    done
}

bad=$(sed -nE 's|.*; /\* ([a-z_]+) \*/$|\1|p' "$source")
is 'cases that must be reported' "$(wc -w <<<"$bad")" 8

without=("$library")
if nm "$library" | grep -E ' U __(asan|msan|tsan|ubsan)_' >/dev/null; then
    without=()
fi
for compiler in gcc clang; do
    case $compiler in
    gcc) cxx=g++ ;;
    clang) cxx=clang++ ;;
    esac
    if ! works "$compiler" c; then
        skip "$compiler" "$compiler -fsanitize=address does not work here"
        continue
    fi
    for file in arena thread; do
        "$compiler" "${flags[@]}" -c -o "$tmp/$file.o" "$root/src/arena/$file.c"
    done
    if [ ${#without[@]} -gt 0 ]; then
        # Nothing is inlined here, and yet it is not the library's functions that run.
        check "$compiler builds" "$compiler" "${flags[@]}" -O0 -o "$tmp/poison" "$source" "$library"
        cases "$compiler, libarena.a without"
        run after_reset allow_user_poisoning=0
        is "$compiler: nothing is reported where ASAN_OPTIONS says so" "$status:$output" 0:
    else
        skip "$compiler, libarena.a without" 'it is built with a sanitizer'
    fi
    check "$compiler builds with libarena.a's sources" \
        "$compiler" "${flags[@]}" -o "$tmp/poison" "$source" "$tmp/arena.o" "$tmp/thread.o"
    cases "$compiler, libarena.a with"
    if works "$cxx" c++; then
        check "$cxx builds" "$cxx" "${flags[@]}" -std=c++11 -o "$tmp/poison" -x c++ "$source" \
            -x none "$tmp/arena.o" "$tmp/thread.o"
        cases "$cxx"
    else
        skip "$cxx" "$cxx -fsanitize=address does not work here"
    fi
done
done_testing
