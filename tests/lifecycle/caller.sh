#!/usr/bin/env bash
# The caller's view: a transcript of some 2,400 calls with every corner of the allocation family
# (sizes up to SIZE_MAX, alignments that are none, products that overflow, empty blocks, errno,
# untouched arguments) is the same without the shim, with it out of scopes, and in a scope.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"
export limit=120

need caller -O2 -Wno-alloc-size-larger-than -Wno-use-after-free -Wno-unknown-warning-option caller.c

capture "$tmp/caller" out
is 'without the shim: it runs' "$status:$err" 0:
# In an emulator brk fails, which the C library makes up for, but for errno.
transcript() {
    sed "${EMULATED:+/ block usable:/s/errno:Cannot allocate memory/errno:kept/}" "$tmp/out"
}
transcript >"$tmp/plain"
check 'without the shim: the transcript is long' test "$(wc -l <"$tmp/plain")" -gt 2000
check 'without the shim: realloc(block, 0) frees, as in glibc' \
    grep -qx 'realloc(block, 0) NULL errno:kept' "$tmp/plain"

# same NAME out|in [VARIABLE=VALUE...]
same() {
    local name=$1 where=$2
    shift 2
    under "$@" "$tmp/caller" "$where"
    routed "$name"
    check "$name: the same transcript" diff "$tmp/plain" <(transcript)
    stat_is "$name: nothing is misuse" '"\(.misuses) \(.left_open)"' '0 0'
}

same 'out of scopes' out
stat_is 'out of scopes: nothing but the first block is routed' .routed_calls 1
same 'in a scope' in
check 'in a scope: most are routed' test "$(stat .routed_calls)" -gt 2000
same 'in a scope, aligned to 64' in ARENASHIM_ALIGN=64
same 'in a scope with little capacity' in ARENASHIM_CAPACITY=16K
done_testing
