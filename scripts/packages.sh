# shellcheck shell=bash
# Installing what a script needs; to be sourced.
#
#   need_packages PACKAGE...    installs the Debian packages that are missing, after saying which;
#                               stops the script with a clear message when it cannot
#
# A name may have a * in it. What this release of Debian does not have is said and left out.

is_installed() {
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

# packaged PATTERN: the packages of this release that it fits
packaged() {
    local name
    apt-cache pkgnames "${1%%\**}" | while read -r name; do
        # shellcheck disable=SC2053 # a pattern
        [[ $name != $1 ]] || printf '%s\n' "$name"
    done
}

need_packages() {
    local package missing=() found=() as_root=()
    if ! command -v dpkg-query >/dev/null; then
        printf '%s: this is not a Debian system; install by hand what these packages hold: %s\n' \
            "$0" "$*" >&2
        return 0
    fi
    for package in "$@"; do
        is_installed "$package" || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            printf '%s: root is needed for: apt-get install %s\n' "$0" "${missing[*]}" >&2
            exit 1
        fi
        as_root=(sudo)
    fi
    export DEBIAN_FRONTEND=noninteractive
    local log
    log=$(mktemp)
    "${as_root[@]}" apt-get -qq update >"$log" 2>&1 || true # what cannot be installed is said below
    for package in "${missing[@]}"; do
        mapfile -t -O ${#found[@]} found < <(packaged "$package" | grep . ||
            printf '%s: not packaged here, left out: %s\n' "$0" "$package" >&2)
    done
    [ ${#found[@]} -gt 0 ] || return 0
    printf '%s: installing %s\n' "$0" "${found[*]}"
    if ! "${as_root[@]}" apt-get -qq install -y --no-install-recommends "${found[@]}" >>"$log" 2>&1; then
        tail -n 5 "$log" >&2
        printf '%s: apt-get could not install: %s\n' "$0" "${found[*]}" >&2
        exit 1
    fi
    rm -f "$log"
}

# What the build needs on a bare Debian system.
# shellcheck disable=SC2034 # used by the scripts that source this
build_packages=(autoconf automake libtool pkg-config make gcc g++ libc6-dev check valgrind
    libdw-dev libexpat1-dev libjansson-dev libiberty-dev libncurses-dev libzydis-dev systemtap-sdt-dev)

# What the benchmark suite compares with, the programs that it runs, and what makes its record and its
# pictures.
# shellcheck disable=SC2034
bench_packages=(libjemalloc-dev libmimalloc-dev libgoogle-perftools-dev libapr1-dev libtalloc-dev
    linux-perf wordnet-base jq gnuplot-nox binutils cmark html2text libxml2-utils lua5.4 perl-base
    protobuf-compiler python3 python3-numpy sassc tidy xsltproc)

# What only tests need.
# shellcheck disable=SC2034
test_packages=(clang clang-format libclang-rt-dev lld mold musl-tools shellcheck mandoc strace gdb
    heaptrack sqlite3 git xz-utils redis-server redis-tools 'libpython3.*-testsuite' golang-go ocaml-nox
    qemu-user openmpi-bin libopenmpi-dev libucx-dev python3-junitparser chromium cmake
    cargo gfortran rustc llvm openssl libcap2-bin)
