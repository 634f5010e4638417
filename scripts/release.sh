#!/usr/bin/env bash
# What a release must pass: one version everywhere, make distcheck, and a library that has the symbols of
# the last release (packaging/released, one line each) and is not much larger.
#
# usage: scripts/release.sh [--record] [VARIABLE=VALUE...]     (make distcheck takes VARIABLEs)
#
# With --record packaging/released is written anew, for the release.
set -euo pipefail
cd "$(dirname "$0")/.."
export LC_ALL=C
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

GROWTH=10 # percent
record=packaging/released
build=$PWD/build/release

fail() {
    printf 'release.sh: %s\n' "$*" >&2
    exit 1
}

recording=
if [ "${1-}" = --record ]; then
    recording=yes
    shift
fi
for argument; do
    [[ $argument == *=* ]] || fail "'$argument' is unknown; there are --record and VARIABLE=VALUE"
done
need_packages "${build_packages[@]}" binutils

version=$(sed -n 's/^AC_INIT(\[arenashim\], \[\(.*\)\])$/\1/p' configure.ac)
for named in "NEWS $(sed -n '1s/^arenashim //p' NEWS)" \
    "debian/changelog $(sed -n '1s/^arenashim (\(.*\)-[^-]*).*/\1/p' debian/changelog)" \
    "packaging/arenashim.spec $(sed -n 's/^Version: *//p' packaging/arenashim.spec)" \
    "bindings/rust/Cargo.toml $(sed -n 's/^version = "\(.*\)"/\1/p' bindings/rust/Cargo.toml)" \
    "bindings/python/pyproject.toml $(sed -n 's/^version = "\(.*\)"/\1/p' bindings/python/pyproject.toml)"; do
    [ "${named#* }" = "$version" ] || fail "${named% *} says '${named#* }', configure.ac '$version'"
done
printf 'version: %s everywhere\n' "$version"

rm -rf "$build"
mkdir -p "$build"
(autoreconf -i && cd "$build" && ../../configure -q && make -j"$(nproc)" all) >"$build.log" 2>&1 ||
    fail "it does not build: $build.log"

# Of each library the symbols that are its interface, and how many bytes of the file are loaded.
{
    for library in libarenashim libarenashim-wrap libarenashim-watch; do
        nm -D --defined-only "$build/.libs/$library.so" | sed "s/^[^ ]* /$library.so /"
        size "$build/.libs/$library.so" | awk -v name="$library.so" 'NR == 2 { print name, "bytes", $1 + $2 }'
    done
    nm --defined-only --extern-only "$build/libarena.a" | sed -n 's/^[0-9a-f]* /libarena.a /p'
} | sort >"$build.now"

differences=$(diff --unchanged-line-format= --old-line-format='gone: %L' --new-line-format='added: %L' \
    <(grep -v ' bytes ' "$record") <(grep -v ' bytes ' "$build.now")) || true
printf '%s\n' "${differences:-symbols: those of the last release}"
# A line for each library; those that have grown too much are marked.
sizes=$(join <(sed -n 's/ bytes / /p' "$record") <(sed -n 's/ bytes / /p' "$build.now") |
    awk -v most=$GROWTH '{ growth = 100 * ($3 / $2 - 1)
        printf "%s: %d bytes, %+.1f %%%s\n", $1, $3, growth, (growth > most ? ", too much" : "") }')
printf '%s\n' "$sizes"

make -C "$build" -j"$(nproc)" distcheck "$@" >"$build.log" 2>&1 || fail "make distcheck fails: $build.log"
echo 'make distcheck: passed'
if [ -n "$recording" ]; then
    cp "$build.now" "$record"
    exit
fi
[[ $differences != *'gone: '* ]] || fail 'symbols are gone: programs that use them do not start'
[[ $sizes != *'too much'* ]] || fail "a library is larger by more than $GROWTH %"
