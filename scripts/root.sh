# shellcheck shell=bash
# Roots of Debian systems, made by debootstrap from this system's mirror; to be sourced.
#
#   need_root                         stops the script with a clear message unless it runs as root
#   have_root SUITE ARCH DIRECTORY    a minimal system in DIRECTORY, unless one is there already
#   in_root DIRECTORY COMMAND...      runs COMMAND in it, as root; what it leaves running ends with it
#   tree_files                        the names of the tree's files, in a clone or an unpacked release, each
#                                     with a NUL behind it
#   is_emulated ARCH                  whether programs of ARCH run by an emulator here
#
# There gcc and g++ are this system's cross compilers, which lie in /opt/host (cross_cc): an emulated one
# takes ten times as long. EMULATOR=FILE names another emulator than the one that start_emulator gets.
#
# Nothing stays mounted: rm -rf --one-file-system DIRECTORY takes a root away.

tree_files() {
    if [ -e .git ]; then
        git ls-files -z
    else
        find . -path ./build -prune -o -type f -print0
    fi
}

is_emulated() {
    [ "$1" = arm64 ] && [ "$(dpkg --print-architecture)" = amd64 ]
}

# shellcheck disable=SC2034 # used by scripts that source this
cross_cc=/opt/cross/gcc
# shellcheck disable=SC2034
cross_cxx=/opt/cross/g++
# A folder of tools that are this system's, too, for what is not under test.
# shellcheck disable=SC2034
host_tools=/opt/tools host_bash=/opt/host/bin/bash

# get_emulator DIRECTORY: puts QEMU 10 of Debian trixie there, which is a static program, and says where it is;
# this system's packages and lists of packages stay as they are. Before 8.1 QEMU goes on with old code when code
# changes, which functions that are wrapped after they have run show.
get_emulator() {
    local apt=(apt-get -qq -o Dir::Etc::SourceList="$1/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::State::Lists="$1/lists" -o Dir::Cache="$1/cache" -o APT::Sandbox::User=root)
    mkdir -p "$1/lists/partial" "$1/cache/archives/partial"
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s trixie main\n' "$(mirror)" \
        >"$1/sources.list"
    (
        cd "$1"
        "${apt[@]}" update && "${apt[@]}" download qemu-user && dpkg -x qemu-user_*.deb .
    ) >&2 || {
        printf '%s: no emulator: qemu-user of trixie could not be had; EMULATOR=FILE names another\n' "$0" >&2
        return 1
    }
    printf '%s\n' "$1/usr/bin/qemu-aarch64"
}

# The kernel starts the emulator, which it opens once, here (F), until the system ends.
start_emulator() {
    local formats=/proc/sys/fs/binfmt_misc name=arenashim-aarch64 emulator directory
    local magic='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
    local mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
    need_packages gcc-aarch64-linux-gnu g++-aarch64-linux-gnu debian-archive-keyring
    [ -e $formats/register ] || mount -t binfmt_misc binfmt_misc $formats
    if [ -e $formats/$name ]; then
        [ -n "${EMULATOR-}" ] || return 0
        echo -1 >$formats/$name
    fi
    directory=$(mktemp -d)
    emulator=${EMULATOR:-$(get_emulator "$directory")}
    printf ':%s:M::%s:%s:%s:OPF' $name "$magic" "$mask" "$(realpath "$emulator")" >$formats/register
    rm -rf "$directory"
}

# Where this system's programs look for theirs in another root; and what hides an emulator's thread.
link_host() {
    local tool machine cross=aarch64-linux-gnu
    mkdir -p "$1/opt/host"
    ln -sfn opt/host/lib64 "$1/lib64"
    ln -sfn /opt/host/lib/x86_64-linux-gnu "$1/usr/lib/x86_64-linux-gnu"
    ln -sfn /opt/host/aarch64-linux-gnu "$1/usr/aarch64-linux-gnu"
    mkdir -p "$1/$host_tools"
    for tool in awk:mawk cat chmod cmp cp cut diff expr grep head jq ls make md5sum mkdir mktemp mv rm sed sort \
        tail timeout touch tr uniq wc nm:$cross-nm objdump:$cross-objdump readelf:$cross-readelf; do
        ln -sfn "/opt/host/bin/${tool#*:}" "$1/$host_tools/${tool%:*}"
    done
    mkdir -p "$1/opt/cross"
    for tool in gcc g++; do
        printf '#!/opt/host/bin/sh\nexec /opt/host/bin/%s-%s --sysroot=/ "$@"\n' $cross $tool >"$1/opt/cross/$tool"
        chmod 755 "$1/opt/cross/$tool"
    done
    # The compilers are programs of this system, which read this file, too.
    for machine in aarch64 x86_64; do
        mkdir -p "$1/opt/lib/$machine-linux-gnu"
        $machine-linux-gnu-gcc -O2 -shared -fPIC -o "$1/opt/lib/$machine-linux-gnu/emulated.so.1" scripts/emulated.c
    done
    # shellcheck disable=SC2016 # expanded by the dynamic linker
    echo '/opt/$LIB/emulated.so.1' >"$1/etc/ld.so.preload"
}

# This system's mirror of Debian.
mirror() {
    # shellcheck disable=SC2016 # expanded by apt-get
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1 | grep . || {
        printf '%s: no mirror of Debian\n' "$0" >&2
        return 1
    }
}

need_root() {
    [ "$(id -u)" -eq 0 ] && return
    printf '%s: only root can make the root of another system and work there\n' "$0" >&2
    exit 1
}

# Made beside it first, so that what an interruption leaves is not taken for a root.
have_root() {
    local suite=$1 arch=$2 root=$3.part mirror
    need_root
    ! is_emulated "$arch" || start_emulator
    [ ! -d "$3/etc" ] || return 0
    need_packages debootstrap
    printf 'making a root of Debian %s for %s in %s\n' "$suite" "$arch" "$3"
    rm -rf --one-file-system "$root"
    mirror=$(mirror)
    if ! debootstrap --variant=minbase --arch="$arch" "$suite" "$root" "$mirror" \
        >"$root.log" 2>&1; then
        tail -n 5 "$root.log" >&2
        printf '%s: debootstrap could not make a root of %s for %s\n' "$0" "$suite" "$arch" >&2
        exit 1
    fi
    rm "$root.log"
    ! is_emulated "$arch" || link_host "$root"
    # No daemon is started by its installation.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
    mv -T "$root" "$3"
}

# The mounts are those of a namespace that ends with the command. An interruption ends it at once, as its first
# process alone takes all others along; so it runs in the background, where signals would be ignored.
in_root() {
    local status=0
    # shellcheck disable=SC2016 # expanded by sh
    env -i --default-signal PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive unshare --mount --pid --fork --kill-child sh -ec '
            mount --bind "$0" "$0" # unshare --mount-proc wants a mount point at /
            mount -t proc proc "$0/proc"
            mount -t sysfs -o ro sys "$0/sys"
            mount -t tmpfs shm "$0/dev/shm"
            mount -t devpts -o newinstance,ptmxmode=666 devpts "$0/dev/pts"
            [ ! -d "$0/opt/host" ] || mount --bind /usr "$0/opt/host"
            exec chroot "$0" "$@"' "$@" <&0 &
    # shellcheck disable=SC2064 # this process
    trap "kill -KILL $!; wait $! 2>/dev/null || exit 130" INT TERM
    wait $! || status=$?
    trap - INT TERM
    return $status
}
