#!/usr/bin/env bash
# The symbols of libarena.a: every function that arena.h declares, inline or not, and no other
# global name; and no call of the malloc family, since an arena may be asked for where malloc is
# itself served from arenas.
#
#   ARENA_LIB  the library (./libarena.a)
#   NM         lists symbols (nm)

# shellcheck source=/dev/null
. "${srcdir:-.}/tests/tap.sh"
set -euo pipefail

library=${ARENA_LIB:-./libarena.a}
header=${srcdir:-.}/include/arenashim/arena.h
read -ra nm <<<"${NM:-nm}" # libtool's has an option

# A declaration starts in the first column; comments, bodies and continued lines do not. A name that
# ends in an underscore is the header's own, for AddressSanitizer.
declared=$(sed -nE 's/^[A-Za-z_][^(]*[ *](arena_[a-z0-9_]*[a-z0-9])\(.*/\1/p' "$header" |
    sort -u)
# The instrumentation of sanitizers adds names with a dot or two underscores.
defined=$("${nm[@]}" -g --defined-only "$library" |
    awk 'NF == 3 && $3 !~ /^__|[.]|_$/ { print $3 }' | sort -u)
undefined=$("${nm[@]}" -u "$library" | awk '{ print $NF }')

for name in $declared; do
    like "$name is defined" "$defined" "^$name\$"
done
is 'nothing else is' "$defined" "$declared"
unlike 'nothing calls the malloc family' "$undefined" \
    '^(malloc|calloc|realloc|reallocarray|free|aligned_alloc|posix_memalign|memalign|strdup)$'
done_testing
