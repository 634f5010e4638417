#!/usr/bin/env bash
# The crate for Rust: its tests, without the shim and under it, where panics carry out of scopes what
# was drawn in them.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

# has TOOL: it is there and starts (a toolchain manager's stub may be all there is).
has() {
    "$1" --version >/dev/null 2>&1
}

for tool in cargo rustc; do
    has $tool || plan_skip "no $tool"
done
rustc --edition 2021 --print sysroot >/dev/null 2>&1 || plan_skip 'rustc does not know the edition of 2021'

version=$(rustc --version | cut -d ' ' -f 2)
[ "$(printf '%s\n' 1.63 "$version" | sort -V | head -n 1)" = 1.63 ] ||
    plan_skip "rustc $version is older than 1.63, which the crate needs"

# cargo writes beside the sources.
cp -r "$source_dir/bindings/rust" "$tmp/rust"
chmod -R u+w "$tmp/rust"
LIBARENA_DIR=$(dirname "$(realpath "${ARENA_LIB:-./libarena.a}")")
export LIBARENA_DIR CARGO_HOME=$tmp/cargo CARGO_TARGET_DIR=$tmp/target RUSTFLAGS='-D warnings'
export limit=300
cd "$tmp/rust" || exit 99

capture cargo test -q --offline --features arena
is 'its tests pass without the shim' "$status" 0
[ "$status" -eq 0 ] || not_ok 'cargo test' "$(last_run)"

capture cargo test -q --offline --features arena --no-run --message-format json
scopes=$(jq -r 'select(.target.name? == "scopes").executable' "$tmp/out")
for setting in ARENASHIM_ALIGN=16 ARENASHIM_END=reset ARENASHIM_DEBUG=poison,verify; do
    under "$setting" "$scopes" --test-threads 2
    routed "under the shim, $setting"
    stat_is '... nothing is misuse' '"\(.misuses) \(.left_open)"' '0 0'
done
done_testing
