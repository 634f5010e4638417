#!/usr/bin/env bash
# Builds this tree and runs make check in a Debian of another release or architecture, made for that by
# debootstrap and removed afterwards. Prints versions, what failed and what was skipped, and closes with a
# line "N passed, N failed, N skipped". Root is needed.
#
# usage: scripts/test-in.sh SUITE [ARCH [VARIABLE=VALUE...]]     (default: this machine's architecture)
#        scripts/test-in.sh trixie
#        scripts/test-in.sh bullseye amd64 TESTS=tests/preload/routing.sh CONFIGURE=--enable-debug
#        scripts/test-in.sh bookworm arm64 TESTS='tests/wrap/check_patch tests/shim/check_named'
#
# Variables go to make check, but CONFIGURE, whose words go to configure. With ROOT=DIRECTORY in the
# environment the root lies there, is used again when it is there already, and stays. Another architecture
# runs by an emulator (scripts/root.sh), without what an emulator does not run or takes too long for.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh
# shellcheck source=scripts/root.sh
. scripts/root.sh

if [[ ! ${1-} =~ ^[a-z]+$ || ! ${2-any} =~ ^[a-z0-9]+$ ]]; then
    echo 'usage: scripts/test-in.sh SUITE [ARCH [VARIABLE=VALUE...]], for instance: scripts/test-in.sh trixie' >&2
    exit 2
fi
need_root
suite=$1
arch=${2:-$(dpkg --print-architecture)}
shift $(($# < 2 ? $# : 2))
configure=()
variables=()
for variable; do
    case $variable in
    CONFIGURE=*) read -ra configure <<<"${variable#*=}" ;;
    *=*) variables+=("$variable") ;;
    *)
        printf 'scripts/test-in.sh: %s: variables of make are accepted, as TESTS=tests/cli/cli.sh\n' "$variable" >&2
        exit 2
        ;;
    esac
done

# shellcheck disable=SC2016 # expanded inside
packages='"${build_packages[@]}" "${bench_packages[@]}" "${test_packages[@]}"'
bash=bash make=make prepare=
if is_emulated "$arch"; then
    # shellcheck disable=SC2016
    packages='$(printf "%s\\n" "${build_packages[@]}" | grep -vx valgrind) binutils cmake git jq libcap2-bin \
        libgoogle-perftools-dev libjemalloc-dev libmimalloc-dev openssl procps "libpython3*.1?" python3 python3-numpy \
        redis-server redis-tools sqlite3 wordnet-base xz-utils'
    configure+=("CC=$cross_cc" "CXX=$cross_cxx")
    # Nothing else may lie near below the first thread's stack, as with a kernel.
    variables+=(EMULATED=10 QEMU_STACK_SIZE=134217728)
    # What is not under test is not emulated.
    bash=$host_bash make=$host_tools/make
    # shellcheck disable=SC2016
    prepare="export PATH=$host_tools:"'$PATH CONFIG_SHELL=$BASH && '
    variables+=("HOST_TOOLS=$host_tools" "SH_LOG_COMPILER=$host_bash")
fi

if [ -z "${ROOT-}" ]; then
    directory=$(mktemp -d)/$suite-$arch
    trap 'rm -rf --one-file-system "${directory%/*}"' EXIT
else
    directory=$ROOT
fi
log=$directory/source.log
have_root "$suite" "$arch" "$directory"

rm -rf "$directory/source"
mkdir "$directory/source"
tree_files | tar --null -T - -c | tar -x -C "$directory/source"

# inside SCRIPT [WORD...]: bash there, in the tree
inside() {
    # shellcheck disable=SC2016 # expanded there
    in_root "$directory" "$bash" -c 'cd /source && script=$1 && shift && eval "$script"' scripts/test-in.sh "$@"
}

inside ". scripts/packages.sh && need_packages $packages"
# shellcheck disable=SC2016
inside 'dpkg-query -W -f "\${db:Status-Abbrev} \${Package} \${Version}\n" libc6 gcc g++ clang binutils \
    valgrind libdw-dev libzydis-dev check 2>/dev/null | sed -n "s/^ii *//p"'

# What an emulator takes minutes for, and is the same everywhere.
if is_emulated "$arch"; then
    need_packages autoconf automake libtool pkg-config
    (cd "$directory/source" && autoreconf -i) >"$log" 2>&1
fi
# shellcheck disable=SC2016
inside "$prepare"'{ [ -x configure ] || autoreconf -i; } && mkdir build && cd build &&
    "$BASH" ../configure -q --enable-werror "$@" && make -j"$(nproc)"' \
    "${configure[@]}" >"$log" 2>&1 || {
    tail -n 40 "$log"
    echo '0 passed, 1 failed, 0 skipped'
    exit 1
}
sed -n '/^configure: WARNING/p' "$log"
# shellcheck disable=SC2016
inside "$make"' -C build -j"$(nproc)" check "$@"' "${variables[@]}" >"$log" 2>&1 && status=0 || status=$?

# What is built there serves here as well, where the C library is newer.
older=$(inside 'getconf GNU_LIBC_VERSION')
newer=$(getconf GNU_LIBC_VERSION)
if ! is_emulated "$arch" && [ "$older" != "$newer" ] && printf '%s\n' "$older" "$newer" | sort -VC; then
    need_packages g++ jq
    for test in tests/preload/entry_points.sh tests/preload/routing.sh; do
        ARENASHIM_SHIM_PATH=$directory/source/build/.libs/libarenashim.so BUILDDIR=$directory/source/build bash "$test" 2>>"$log" |
            sed -nE "s|^ok ([0-9]+ - .* # SKIP)|SKIP: $newer, $test \1|p; t
                s|^ok |PASS: $newer, $test |p; s|^not ok |FAIL: $newer, $test |p" >>"$log" || status=1
    done
fi

# What Automake prints of each test: its result, its script, and its number and name there.
grep -E '^(FAIL|ERROR|XPASS|SKIP): ' "$log" | sort || true
# Parts of unit tests that are left out (tests/left_out.h).
(cd "$directory/source/build" && grep -r --include='*.log' '^# SKIP: ' tests) | sed 's/\(.*\)\.log:# SKIP: /SKIP: \1 - /' |
    sort -u | tee "$directory/left_out.log" || true
count() {
    cat "$log" "$directory/left_out.log" | grep -cE "^($1): " || true
}
passed=$(count 'PASS|XFAIL')
failed=$(count 'FAIL|ERROR|XPASS')
if [ "$failed" -eq 0 ] && { [ "$passed" -eq 0 ] || [ "$status" -ne 0 ]; }; then # no test has run, or not all
    tail -n 40 "$log"
    failed=1
fi
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$(count SKIP)"
[ "$failed" -eq 0 ]
