#!/usr/bin/env bash
# Builds the libraries with musl, by the musl-gcc of Debian's musl-tools, in build/musl, and runs the tests
# that are in C and ask for no command. Prints versions, what failed and what was skipped, by name and with the
# reason, and closes with a line "N passed, N failed, N skipped". Exits with 1 when something failed.
#
# usage: scripts/test-musl.sh [TEST...]          TEST: a script of tests/; default: those below
#
# ARENASHIM names the command of a build for glibc, which prints the reports that tests/preload/stats.sh asks
# for; by default one in build/.
set -euo pipefail
cd "$(dirname "$0")/.."

mkdir -p build/musl
command=${ARENASHIM:-$(find build -maxdepth 2 -name arenashim -type f -perm -1 | sed -n 1p)}
if ! command=$(realpath -e "$command" 2>/dev/null); then
    echo 'scripts/test-musl.sh: there is no command; build the tree for glibc, or name one by ARENASHIM=FILE' >&2
    exit 2
fi
tests=("$@")
[ $# -gt 0 ] || tests=(
    tests/preload/{automatic,config,debug,limits,misuse,output,realloc_free,retain,stats,trim}.sh
    tests/lifecycle/{start,threads,fork}.sh
    tests/resources/{pages,resident}.sh
    tests/keeps/tail_calls.sh
    tests/arena/check_symbols.sh
)

if ! command -v musl-gcc >/dev/null; then
    echo 'scripts/test-musl.sh: musl-gcc is not installed (Debian package musl-tools)' >&2
    exit 2
fi
# The loader says its version when it is called without a program.
/lib/ld-musl-"$(uname -m)".so.1 2>&1 | sed -n '1p; 2p' | paste -sd ' ' || true
musl-gcc --version | sed -n 1p

[ -x configure ] || autoreconf -i
(cd build/musl && ../../configure -q --enable-werror --disable-command CC=musl-gcc &&
    make -s -j"$(nproc)") >build/musl/build.log 2>&1 || {
    tail -n 40 build/musl/build.log
    echo '0 passed, 1 failed, 0 skipped'
    exit 1
}

# Result, test and reason of each line of TAP. Programs of glibc, as sh is here, cannot have a shim of musl.
judge() {
    awk -v script="$1" '
        function flush() {
            if (name == "") return
            if (lines ~ /libc\.so: invalid ELF header/) skip("starts a program of glibc")
            else if (lines ~ /libarenashim-wrap\.so cannot be loaded/ || name ~ /=cases!drawing/) skip("functions by name, without Zydis for musl")
            else if (name ~ / compiles$/) skip("what musl or its C++ does not have: " first)
            else if (name ~ /^run /) skip("the command preloads its own shim")
            else if (name ~ /program.s own, before/) skip("musl calls no function of .preinit_array")
            else if (name ~ /gone_threads/) skip("musl waits for ever for a thread that ends by a system call")
            else print "FAIL: " script ": " name
            name = ""
        }
        function skip(reason) { print "SKIP: " script ": " name ": " reason }
        /^ok .*# SKIP/ { flush(); print "SKIP: " script ": " $0; next }
        /^ok / { flush(); print "PASS" ; next }
        /^1\.\.0/ { flush(); print "SKIP: " script ": " $0; next }
        /^1\.\./ { flush(); planned = 1; next }
        /^not ok / { flush(); name = $0; sub(/^not ok [0-9]+ - /, "", name); lines = first = ""; next }
        /^#/ { lines = lines $0; if (first == "" && /(error|undefined reference|warning)/) first = $0 }
        END { flush(); if (!planned) print "FAIL: " script ": ended before its last test" }'
}

for test in "${tests[@]}"; do
    # A signal at each instruction: copying has more of them here.
    slow=1
    [ "$test" != tests/preload/retain.sh ] || slow=20
    env SLOWER=$slow srcdir="$PWD" CC=musl-gcc CXX=false NM=nm VALGRIND= COVERAGE= BUILDDIR="$PWD/build/musl" \
        ARENASHIM="$command" ARENASHIM_SHIM_PATH="$PWD/build/musl/.libs/libarenashim.so" \
        ARENA_LIB="$PWD/build/musl/libarena.a" \
        timeout 600 bash "$test" </dev/null 2>/dev/null | judge "$test" || true
done >build/musl/results
grep -v '^PASS' build/musl/results || true
counts=("$(grep -c '^PASS' build/musl/results || true)" "$(grep -c '^FAIL' build/musl/results || true)"
    "$(grep -c '^SKIP' build/musl/results || true)")
echo "${counts[0]} passed, ${counts[1]} failed, ${counts[2]} skipped"
[ "${counts[1]}" -eq 0 ]
