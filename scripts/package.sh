#!/usr/bin/env bash
# Builds the Debian packages in a clean root of Debian, and installs and tries them there: built twice
# by an ordinary user without network, in different directories, with the same result; lintian has
# neither errors nor warnings; what is installed is hardened; debian/tests pass; nothing is left when it
# is removed. Then the RPM packages, by Debian's rpmbuild, likewise. The packages are left in
# build/packages, with what each step printed.
#
# usage: scripts/package.sh [SUITE [ARCH]]      (default: this system's)
#        scripts/package.sh bookworm arm64
#
# Another architecture runs by an emulator (scripts/root.sh), but for the compilers. Needs root. With
# ROOT=DIRECTORY in the environment the root lies there, is used again when it is there already, and stays.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh
# shellcheck source=scripts/root.sh
. scripts/root.sh

if [[ ! ${1-any} =~ ^[a-z]+$ || ! ${2-any} =~ ^[a-z0-9]+$ || $# -gt 2 ]]; then
    echo 'usage: scripts/package.sh [SUITE [ARCH]], for instance: scripts/package.sh bookworm arm64' >&2
    exit 2
fi
[ -d debian ] || {
    echo 'scripts/package.sh: there is no debian/ here: a release is without, a clone of the repository has it' >&2
    exit 1
}
suite=${1-$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)}
arch=${2-$(dpkg --print-architecture)}
results=$PWD/build/packages
if [ -z "${ROOT-}" ]; then
    work=$(mktemp -d)
    trap 'rm -rf --one-file-system "$work"' EXIT
    root=$work/root
else
    root=$ROOT
fi
home=$root/home/builder
emulated=()
! is_emulated "$arch" || emulated=("CC=$cross_cc" "CXX=$cross_cxx" EMULATED=10 QEMU_STACK_SIZE=134217728)

# step NAME COMMAND...: stops the script when it fails; what it prints is in $results/NAME.log
step() {
    local log=$results/${1// /-}.log
    printf '%s: ' "$1"
    shift
    # In the background, since set -e does not count in a condition.
    "$@" >"$log" 2>&1 &
    if wait $!; then
        echo passed
    else
        echo FAILED
        tail -n 40 "$log"
        exit 1
    fi
}

inside() {
    in_root "$root" "$@"
}

# as_user COMMAND...: in the home of an ordinary user, without network
as_user() {
    # shellcheck disable=SC2016 # expanded there
    inside unshare --net runuser -u builder -- env HOME=/home/builder "${emulated[@]}" sh -ec 'cd && exec "$@"' sh "$@"
}

prepares() {
    have_root "$suite" "$arch" "$root"
    inside apt-get -qq update
    inside apt-get -qq install -y --no-install-recommends autoconf automake autopkgtest build-essential \
        debhelper devscripts libtool lintian rpm rpmlint
    inside id builder || inside useradd --create-home builder
    rm -rf "${home:?}"/*
    mkdir "$home/source"
    tree_files | tar --null -T - -c | tar -x -C "$home/source"
    inside apt-get -qq build-dep -y --no-install-recommends /home/builder/source
    inside chown -R builder: /home/builder
}

makes_tarball() {
    as_user sh -ec 'cd source && autoreconf -i && ./configure -q && make dist'
}

# builds DIRECTORY [OPTIONS]: the packages, in it, with DEB_BUILD_OPTIONS
builds() {
    # shellcheck disable=SC2016
    as_user sh -ec '
        mkdir -p "$1"
        version=$(dpkg-parsechangelog -l source/debian/changelog -S Version)
        cp source/arenashim-*.tar.xz "$1/arenashim_${version%-*}.orig.tar.xz"
        cd "$1"
        tar -xf arenashim_*.orig.tar.xz
        cp -r ~/source/debian arenashim-*/
        cd arenashim-*/
        DEB_BUILD_OPTIONS="$2" dpkg-buildpackage -us -uc' sh "$1" "${2-}"
}

# Both builds made the same packages.
equal() {
    local package
    for package in "$home"/one/*.deb; do
        cmp "$package" "$home/another/place/${package##*/}"
    done
}

lints() {
    as_user sh -ec 'lintian --info --fail-on error,warning one/*.changes'
}

installs() {
    inside sh -ec 'apt-get -qq install -y --no-install-recommends /home/builder/one/*.deb'
}

# Debian 12 asks for no control flow protection.
hardened() {
    inside sh -ec 'hardening-check --nocfprotection /usr/bin/arenashim /usr/lib/*/arenashim/*.so'
}

tries() {
    # shellcheck disable=SC2016
    inside sh -ec 'autopkgtest "$@" -B /home/builder/one/arenashim-*/ -- null' sh "${emulated[@]/#/--env=}"
}

# where packages install files
nothing_is_left() {
    [ -z "$(find "$root"/{etc,usr,var} -name '*arenashim*' ! -path '*/apt/*' | tee /dev/stderr)" ]
}

removes() {
    inside apt-get -qq purge -y arenashim libarenashim libarenashim-dev
    nothing_is_left
}

builds_rpm() {
    # shellcheck disable=SC2016
    as_user sh -ec '
        mkdir -p rpm/SOURCES
        cp source/arenashim-*.tar.xz rpm/SOURCES
        rpmbuild -ba --nodeps --define "_topdir $HOME/rpm" source/packaging/arenashim.spec'
}

lints_rpm() {
    as_user sh -ec 'rpmlint -c source/packaging/rpmlint.toml source/packaging/arenashim.spec rpm/RPMS/*/*.rpm'
}

# Debian's rpm knows nothing of what dpkg has installed.
installs_rpm() {
    inside sh -ec 'rpm --force-debian --nodeps -i /home/builder/rpm/RPMS/*/*.rpm'
}

tries_rpm() {
    inside env PKG_CONFIG_PATH=/usr/lib64/pkgconfig "${emulated[@]}" /home/builder/source/debian/tests/ways.sh
}

removes_rpm() {
    inside rpm --force-debian -e arenashim arenashim-libs arenashim-devel
    nothing_is_left
}

rm -rf "$results"
mkdir -p "$results"
step 'a root with the build dependencies' prepares
step 'source' makes_tarball
step 'build' builds one
step 'build in another directory' builds another/place nocheck
step 'equal packages' equal
step 'lintian' lints
step 'installation' installs
step 'hardening' hardened
step 'autopkgtest' tries
step 'removal' removes
step 'build of rpm packages' builds_rpm
step 'rpmlint' lints_rpm
step 'installation of rpm packages' installs_rpm
step 'trying the rpm packages' tries_rpm
step 'removal of rpm packages' removes_rpm
cp "$home"/one/*.{deb,dsc,tar.*} "$home"/rpm/RPMS/*/*.rpm "$home"/rpm/SRPMS/*.rpm "$results"
