#!/usr/bin/env bash
# libarena.a is usable over its C ABI: a program in each second language that this machine has
# links it, without a header, and its assertions hold.
#
#   ARENA_LIB  the library (./libarena.a)
#   CC         the C compiler that links the Rust program (cc)

# shellcheck source=/dev/null
. "${srcdir:-.}/tests/tap.sh"
set -euo pipefail

library=$(realpath "${ARENA_LIB:-./libarena.a}")
sources=$(realpath "${srcdir:-.}/tests/arena")

# has TOOL: it is there and starts (a toolchain manager's stub may be all there is).
has() {
    "$1" --version >/dev/null 2>&1
}

has rustc || has gfortran || plan_skip 'no rustc or gfortran'
if nm "$library" | grep -E ' U __(asan|msan|tsan|ubsan)_' >/dev/null; then
    plan_skip 'libarena.a is built with a sanitizer, whose runtime only a C compiler links'
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

build_rust() {
    # rustc takes one word for the linker; CC may be several.
    printf '#!/bin/sh\nexec %s "$@"\n' "${CC:-cc}" >"$tmp/cc"
    chmod +x "$tmp/cc"
    timeout 120 rustc --edition 2018 -D warnings -C linker="$tmp/cc" -C link-arg="$library" -C link-arg=-pthread \
        -o "$tmp/rust" "$sources/link_arena.rs"
}

build_fortran() {
    timeout 120 gfortran -Wall -Wextra -Werror -pthread -o "$tmp/fortran" "$sources/link_arena.f90" "$library"
}

# language NAME COMPILER: builds with build_NAME and runs what it built.
language() {
    if has "$2"; then
        check "$1 links libarena.a" "build_$1"
        check "$1 gets what arena.h promises" timeout 20 "$tmp/$1"
    else
        skip "$1 links libarena.a" "no $2"
    fi
}

language rust rustc
language fortran gfortran
done_testing
