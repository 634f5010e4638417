#!/usr/bin/env bash
# Builds this tree as distributions and users do, warnings as errors, and runs make check on each build.
# Prints for each what failed and what was skipped, and closes with a line "N builds passed, N failed".
#
# usage: scripts/test-builds.sh [NAME...] [VARIABLE=VALUE...]     (default: all; make check takes VARIABLEs)
#        scripts/test-builds.sh without-valgrind spaces TESTS='tests/shim/check_block tests/shim/check_stats'
#
#   without-valgrind    without Valgrind's headers
#   without-libfuzzer   where clang is not installed
#   optimized           -O3 -march=native -flto, which configure leaves out
#   distribution        as Fedora and Ubuntu build, with -flto and their flags against attacks
#   hardened            -O2 -fno-plt -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fcf-protection
#   clang, clang-debug  by clang, and with --enable-debug
#   gcc-N               by that GCC: from 11 to the newest that is packaged
#   user                as an ordinary user, from a source tree that nobody may write to
#   umask               with the umask 077
#   turkish             in the locale tr_TR.UTF-8
#   destdir             installed below DESTDIR, run there and removed
#   spaces              refused by one line: a build directory and a prefix with spaces
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

mapfile -t compilers < <(apt-cache pkgnames gcc- | grep -E '^gcc-(1[1-9]|[2-9][0-9])$' | sort -V)
all=(without-valgrind without-libfuzzer optimized distribution hardened clang clang-debug "${compilers[@]}" user umask
    turkish destdir spaces)
names=()
variables=()
for argument; do
    case " ${all[*]} " in
    *" $argument "*) names+=("$argument") ;;
    *)
        if [[ $argument != *=* ]]; then
            printf 'test-builds.sh: %s is no build; there are: %s\n' "$argument" "${all[*]}" >&2
            exit 2
        fi
        variables+=("$argument")
        ;;
    esac
done
[ ${#names[@]} -gt 0 ] || names=("${all[@]}")

need_packages "${build_packages[@]}"
[ -x configure ] || autoreconf -i
source=$PWD
builds=$PWD/build/builds
passed=0
failed=0
mkdir -p "$builds"

# What runs configure and make.
runner=()

fails() {
    printf '%s\n' "$1"
    tail -n "${2-20}" "$log"
    failed=$((failed + 1))
}

# builds CONFIGURE-ARGUMENT...: in $directory; false when that fails
builds() {
    # shellcheck disable=SC2016 # expanded by sh
    "${runner[@]}" sh -ec 'cd "$1" && configure=$2/configure && shift 2
        "$configure" -q --enable-werror "$@" && make -j"$(nproc)" all' sh \
        "$directory" "$source" "$@" >"$log" 2>&1 || {
        fails 'does not build'
        return 1
    }
}

# try CONFIGURE-ARGUMENT...: builds, and runs the tests
try() {
    local status=0 results
    builds "$@" || return 0
    "${runner[@]}" make -C "$directory" -j"$(nproc)" check "${variables[@]}" >"$log" 2>&1 || status=$?
    results=$(sed -n 's/^# \(PASS\|FAIL\|ERROR\|SKIP\): *\([0-9]*\)$/\2 \1/p' "$log" | paste -sd,)
    if [ "$status" -ne 0 ]; then
        grep -E '^(FAIL|ERROR|XPASS): ' "$log" || true
        fails "$results" 5
    else
        printf '%s\n' "$results"
        passed=$((passed + 1))
    fi
    grep -E '^SKIP: ' "$log" | sed 's/^/    /' || true
}

try_destdir() {
    local root=$directory/root
    builds --prefix=/usr || return 0
    if (
        make -C "$directory" install DESTDIR="$root" &&
            "$root/usr/bin/arenashim" run --scope=process --stats -- true 2>&1 | grep 'routed calls' &&
            "$root/usr/bin/arenashim" check --scope=process -- sh -c : &&
            make -C "$directory" uninstall DESTDIR="$root" && [ -z "$(find "$root" -type f -print | tee /dev/stderr)" ]
    ) >"$log" 2>&1; then
        echo 'installed, run and removed'
        passed=$((passed + 1))
    else
        fails 'is not installed, run and removed'
    fi
}

# In a tree of its own, which another user may read.
try_user() {
    local tree source directory
    tree=$(mktemp -d)
    source=$tree/source
    directory=$tree/build
    mkdir "$source" "$directory"
    tar -c --exclude=./build --exclude=./.git . | tar -x -C "$source"
    chmod -R a-w,a+rX "$source"
    chmod 755 "$tree"
    if [ "$(id -u)" -eq 0 ]; then
        chown nobody "$directory"
        runner=(runuser -u nobody -- env HOME="$directory")
    fi
    try
    chmod -R u+w "$source"
    rm -rf "$tree"
}

# Each must be one line that says why.
try_spaces() {
    local refusal='^configure: error: .*no space.*LD_PRELOAD'
    mkdir -p "$directory/a b"
    if (
        cd "$directory/a b"
        ! "$source/configure" -q >"$log" 2>&1 && grep -q "$refusal" "$log" &&
            cd .. && ! "$source/configure" -q --prefix='/opt/a b' >"$log" 2>&1 && grep -q "$refusal" "$log"
    ); then
        echo 'refused by one line'
        passed=$((passed + 1))
    else
        fails 'not refused by one line'
    fi
}

for name in "${names[@]}"; do
    directory=$builds/$name
    log=$builds/$name.log
    rm -rf "$directory"
    mkdir "$directory"
    printf '%s: ' "$name"
    case $name in
    without-valgrind) try --without-valgrind ;;
    without-libfuzzer)
        mkdir "$directory/bin"
        for path in /usr/sbin /usr/bin /usr/local/bin; do
            [ ! -d "$path" ] || find "$path" -maxdepth 1 ! -type d ! -name 'clang*' -exec ln -sf -t "$directory/bin" {} +
        done
        runner=(env PATH="$directory/bin")
        try
        ;;
    optimized)
        flags='-O3 -march=native -flto'
        try CFLAGS="$flags" CXXFLAGS="$flags"
        ;;
    distribution)
        flags='-O2 -g -flto=auto -ffat-lto-objects -fexceptions -fstack-clash-protection -fcf-protection
            -fstack-protector-strong -D_FORTIFY_SOURCE=2 -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer'
        flags=${flags//$'\n'/}
        try CFLAGS="$flags" CXXFLAGS="$flags" LDFLAGS='-flto=auto -Wl,-z,relro -Wl,-z,now -Wl,-Bsymbolic-functions'
        ;;
    hardened)
        flags='-O2 -fno-plt -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fcf-protection'
        try CFLAGS="$flags" CXXFLAGS="$flags"
        ;;
    clang | clang-debug) # Valgrind 3.19 does not read the debug information that clang 14 writes by itself
        flags='-O2 -g -gdwarf-4'
        options=(CC=clang CXX=clang++ CFLAGS="$flags" CXXFLAGS="$flags")
        [ "$name" = clang ] || options+=(--enable-debug)
        need_packages clang && try "${options[@]}"
        ;;
    gcc-*) need_packages "$name" "g++-${name#*-}" && try CC="$name" CXX="g++-${name#*-}" ;;
    user) try_user ;;
    umask)
        # shellcheck disable=SC2016 # expanded by sh
        runner=(sh -c 'umask 077 && exec "$@"' sh)
        try
        ;;
    turkish)
        need_packages locales
        localedef -i tr_TR -f UTF-8 "$directory/tr_TR.UTF-8"
        runner=(env -u LC_ALL LOCPATH="$directory" LANG=tr_TR.UTF-8)
        try
        ;;
    destdir) try_destdir ;;
    spaces) try_spaces ;;
    esac
    runner=()
done
printf '%d builds passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
