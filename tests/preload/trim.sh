#!/usr/bin/env bash
# malloc_trim reaches the arenas, and core files hold the arenas without the reservation.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need cases -O2 trim.c
for name in idle in_scope by_another_thread; do
    under "$tmp/cases" "$name"
    routed "malloc_trim: $name"
done
under "$tmp/cases" dumped
routed 'core files'
# The record of 192 KiB, and what the arena has come to.
like 'core files: the arena is in them, and little else is mapped' "$out" \
    '^dumped [1-9][0-9]{3}, reserved little$'
done_testing
