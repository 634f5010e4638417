#!/usr/bin/env bash
# Programs of languages whose run-time system knows the frames on its stack: nothing of such a module is
# wrapped, a line says so, and the program does what it does alone. What C libraries do for it can be
# a scope.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

[ -r "${shim%/*}/libarenashim-wrap.so" ] || plan_skip 'the part that wraps functions is not built'
export limit=120

# refused LANGUAGE SPEC ARGUMENT...
refused() {
    local name="$1, $2"
    rm -f "$tmp/stats"
    capture "$arenashim" run --stats=json --stats-file="$tmp/stats" --scope="$2" \
        --scope='libc.so.6!opendir' -- "$tmp/program"
    is "$name: runs as ever" "$status:$out" "0:$plain"
    like "$name: a line says why" "$err" "^arenashim: ARENASHIM_SCOPES: .*: cannot wrap .*: its module \
holds $1, whose run-time system knows the frames on its stack\$"
    stat_is "$name: the C library's function is a scope" '.routed_calls > 0' true
}

# all_refused LANGUAGE ERE: of a function of the program's own
all_refused() {
    local own address
    plain=$("$tmp/program")
    read -r address own < <(nm "$tmp/program" | awk -v ere="$2" '$3 ~ ere { print $1, $3; exit }')
    refused "$1" "main!$own"
    refused "$1" 'main!*'
    strip "$tmp/program"
    [ "$1" = Haskell ] || refused "$1" "main!+0x$address"
}

cp "$here"/runtime.* "$tmp"
cd "$tmp" || exit 99
if ! have ocamlopt; then
    skip OCaml 'ocamlopt is not installed'
elif capture ocamlopt -inline 0 runtime.ml -o program; [ "$status" -eq 0 ]; then
    all_refused OCaml '^camlRuntime(__|[.])query_' # two of OCaml 4, a dot of 5
else
    not_ok 'OCaml compiles' "$err"
fi

export GOCACHE=$tmp/cache GOPATH=$tmp/go GO111MODULE=off GOFLAGS='' CGO_ENABLED=1
if ! have go; then
    skip Go 'go is not installed'
elif capture go build -o program runtime.go; [ "$status" -eq 0 ]; then
    all_refused Go '^main[.]grow$'
else
    not_ok 'Go compiles' "$err"
fi

if ! have ghc; then
    skip Haskell 'ghc is not installed'
elif capture ghc -v0 -O0 runtime.hs -o program; [ "$status" -eq 0 ]; then
    all_refused Haskell '^Main_main_info$'
else
    not_ok 'Haskell compiles' "$err"
fi
done_testing
