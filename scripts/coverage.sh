#!/usr/bin/env bash
# Which lines and branches of src/ the test suite reaches, by gcov: builds with --enable-coverage in
# a directory of its own, runs make check and make check-valgrind there, prints a table of lines and
# one of branches, and fails below LINES_WANTED percent of lines.
#
# usage: scripts/coverage.sh
#
# Leaves the lines that were not reached in build/coverage/unreached.txt.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

need_packages "${build_packages[@]}" gcovr jq clang binutils strace
LINES_WANTED=${LINES_WANTED:-95}

source=$PWD
build=$PWD/build/coverage
jobs=$(nproc)
rm -rf "$build"
mkdir -p "$build"
[ -x configure ] || autoreconf -i
cd "$build"

# With little optimisation a line is a line. Not -Og, which makes no tail calls: calls would seem to
# come from the shim.
flags='-O1 -g'
"$source/configure" -q --enable-coverage --enable-werror CFLAGS="$flags" CXXFLAGS="$flags"
make -j"$jobs" all >make.log
for suite in check check-valgrind; do
    printf 'make %s\n' "$suite"
    make -j"$jobs" "$suite" >"$suite.log" 2>&1 || {
        grep -E '^(FAIL|ERROR)' "$suite.log" || tail -n 20 "$suite.log"
        printf 'make %s fails; the figures below are not of a good run\n' "$suite"
        failed=yes
    }
done

# Counts that threads and forked children write at once can come out negative.
gcovr -r "$source" --filter "$source/src/" --object-directory "$build" --gcov-ignore-parse-errors \
    --json coverage.json "$build"
gcovr -r "$source" -a coverage.json --txt lines.txt
gcovr -r "$source" -a coverage.json --txt branches.txt --branches
cat lines.txt branches.txt
jq -r '.files[] | .file as $file | .lines[] |
    select(.count == 0 and ."gcovr/noncode" == false) | "\($file):\(.line_number)"' \
    coverage.json >unreached.txt
printf '%d lines were not reached: %s\n' "$(wc -l <unreached.txt)" "$build/unreached.txt"
gcovr -r "$source" -a coverage.json --txt summary.txt --fail-under-line "$LINES_WANTED"
[ "${failed:-no}" = no ]
