#!/usr/bin/env bash
# Installs what is missing, builds, and runs every check of the project: the static ones, make
# check, make check-valgrind and make distcheck. Closes with a line "N passed, N failed".
#
# usage: scripts/test.sh
#
# Builds in a directory of its own under build/. A test that needs a tool that is not there skips
# itself by name; skipped tests are counted apart.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

need_packages "${build_packages[@]}" "${bench_packages[@]}" "${test_packages[@]}"

if [ -f config.status ]; then
    echo "test.sh builds outside the source tree, which is configured: run 'make distclean' first" >&2
    exit 1
fi

source=$PWD
build=$PWD/build/test
jobs=$(nproc)
passed=0
failed=0
skipped=0

# step NAME COMMAND...: one thing that passes or fails as a whole
step() {
    local name=$1 log
    log=$build/$(tr -c 'a-z0-9\n' - <<<"$name").log
    shift
    printf '%s: ' "$name"
    if "$@" >"$log" 2>&1; then
        printf 'passed\n'
        passed=$((passed + 1))
    else
        printf 'FAILED\n'
        tail -n 40 "$log"
        failed=$((failed + 1))
    fi
}

# suite NAME LOG COMMAND...: a run of Automake's test suite, whose tests are counted
suite() {
    local name=$1 summary=$2 log status=0 kind count
    log=$build/$(tr -c 'a-z0-9\n' - <<<"$name").log
    shift 2
    printf '%s: ' "$name"
    "$@" >"$log" 2>&1 || status=$?
    declare -A counts=()
    while read -r kind count; do
        counts[$kind]=$count
    done < <(sed -n 's/^# \([A-Z]*\): *\([0-9]*\)$/\1 \2/p' "$log")
    passed=$((passed + ${counts[PASS]:-0} + ${counts[XFAIL]:-0}))
    skipped=$((skipped + ${counts[SKIP]:-0}))
    local bad=$((${counts[FAIL]:-0} + ${counts[XPASS]:-0} + ${counts[ERROR]:-0}))
    if [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
    fi
    failed=$((failed + bad))
    printf '%d passed, %d failed, %d skipped\n' "${counts[PASS]:-0}" "$bad" "${counts[SKIP]:-0}"
    if [ "$bad" -gt 0 ]; then
        tail -n 15 "$log"
        grep -hE '^(not ok|Bail out)' -A 8 "$build/$summary" 2>/dev/null | head -n 120 || true
    fi
}

formatted() {
    git ls-files '*.c' '*.h' '*.cc' | xargs -r clang-format --dry-run --Werror
}

linted_scripts() {
    git ls-files '*.sh' bench/plot .ci/run | xargs -r shellcheck -x
}

linted_manuals() {
    mandoc -T lint -W warning man/*.[37] "$build"/man/*.1 "$build"/man/*.7
}

# The whole tree with the other compiler, warnings as errors, without Valgrind's headers.
builds_with_clang() (
    mkdir -p "$build/clang" && cd "$build/clang"
    "$source/configure" -q CC=clang CXX=clang++ --enable-werror --without-valgrind
    make -j"$jobs" all
)

sanitized() (
    mkdir -p "$build/sanitized" && cd "$build/sanitized"
    "$source/configure" -q --enable-sanitizers=address,undefined --enable-debug --enable-werror
    make -j"$jobs" check
)

# Builds and installs from the tarball. The test suite has run: a test of each kind is enough here.
distributes() {
    make -C "$build" -j"$jobs" distcheck TESTS='tests/arena/check_arena tests/shim/check_block
        tests/cli/cli.sh tests/preload/path.sh tests/keeps/tail_calls.sh tests/neighbours/tracers.sh'
}

# Every file of the project is in the tarball, but debian/, which its format keeps apart.
distributes_everything() {
    diff <(git ls-files -- ':!.gitignore' ':!.ci' ':!debian' | sort) \
        <(tar -tf "$build"/arenashim-*.tar.xz | sed 's,^[^/]*/,,' | sort) | grep '^<' && return 1
    return 0
}

started=$SECONDS
rm -rf "$build"
mkdir -p "$build"
printf 'building in %s\n' "$build"
(
    autoreconf -i && cd "$build" && "$source/configure" -q --enable-werror && make -j"$jobs" all
) >"$build/build.log" 2>&1 || {
    tail -n 40 "$build/build.log"
    printf '0 passed, 1 failed\n'
    exit 1
}

if git rev-parse --git-dir >/dev/null 2>&1; then
    step "clang-format" formatted
    step "shellcheck" linted_scripts
fi
step "manual pages" linted_manuals
step "clang build" builds_with_clang
step "sanitized unit tests" sanitized
# The schema of SARIF, and what reads it: the test that needs them skips itself where npm has none.
npm install --no-audit --no-fund --prefix "$build/sarif" @microsoft/jest-sarif@1.0.0-beta.0 ajv@6 \
    >"$build/sarif.log" 2>&1 || true
suite "make check" test-suite.log make -C "$build" -j"$jobs" check
suite "make check-valgrind" valgrind-suite.log make -C "$build" -j"$jobs" check-valgrind
step "make distcheck" distributes
if git rev-parse --git-dir >/dev/null 2>&1; then
    step "complete distribution" distributes_everything
fi

printf '%d tests skipped, %d seconds\n' "$skipped" $((SECONDS - started))
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
