# shellcheck shell=bash
# Roots of Debian systems, made by debootstrap from this system's mirror; to be sourced. Needs root.
#
#   make_root SUITE ARCH DIRECTORY    a minimal system in DIRECTORY, which is new
#   in_root DIRECTORY COMMAND...      runs COMMAND in it, as root; what it leaves running ends with it
#   is_emulated ARCH                  whether programs of ARCH run by an emulator here
#
# There gcc and g++ are this system's cross compilers, which lie in /opt/host (cross_cc): an emulated one
# takes ten times as long. EMULATOR=FILE names another emulator than Debian's; before QEMU 8.1 it goes on with
# old code when code changes, which functions that are wrapped after they have run show.
#
# Nothing stays mounted: rm -rf --one-file-system DIRECTORY takes a root away.

is_emulated() {
    [ "$1" = arm64 ] && [ "$(dpkg --print-architecture)" = amd64 ]
}

# shellcheck disable=SC2034 # used by scripts that source this
cross_cc=/opt/host/bin/aarch64-linux-gnu-gcc
# shellcheck disable=SC2034
cross_cxx=/opt/host/bin/aarch64-linux-gnu-g++

# The kernel starts the emulator, which it opens once, here.
start_emulator() {
    local formats=/proc/sys/fs/binfmt_misc
    need_packages qemu-user-static gcc-aarch64-linux-gnu g++-aarch64-linux-gnu
    [ -e $formats/register ] || mount -t binfmt_misc binfmt_misc $formats
    [ -e $formats/qemu-aarch64 ] ||
        sed "s,:/[^:]*:,:$(realpath "${EMULATOR:-/usr/bin/qemu-aarch64-static}"):," \
            /usr/lib/binfmt.d/qemu-aarch64.conf >$formats/register
}

# Where this system's programs look for theirs in another root; and what hides an emulator's thread.
link_host() {
    mkdir -p "$1/opt/host"
    ln -sfn opt/host/lib64 "$1/lib64"
    ln -sfn /opt/host/lib/x86_64-linux-gnu "$1/usr/lib/x86_64-linux-gnu"
    ln -sfn /opt/host/aarch64-linux-gnu "$1/usr/aarch64-linux-gnu"
    # The compilers are programs of this system, which read this file, too.
    local machine
    for machine in aarch64 x86_64; do
        mkdir -p "$1/opt/lib/$machine-linux-gnu"
        $machine-linux-gnu-gcc -O2 -shared -fPIC -o "$1/opt/lib/$machine-linux-gnu/emulated.so" scripts/emulated.c
    done
    # shellcheck disable=SC2016 # expanded by the dynamic linker
    echo '/opt/$LIB/emulated.so' >"$1/etc/ld.so.preload"
}

make_root() {
    local suite=$1 arch=$2 root=$3 mirror
    if [ "$(id -u)" -ne 0 ]; then
        printf '%s: root is needed to make a root of %s\n' "$0" "$suite" >&2
        exit 1
    fi
    ! is_emulated "$arch" || start_emulator
    # shellcheck disable=SC2016 # expanded by apt-get
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' |
        head -n 1)
    if ! debootstrap --variant=minbase --arch="$arch" "$suite" "$root" "${mirror:?no mirror of Debian}" \
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
}

# The mounts are those of a namespace that ends with the command.
in_root() {
    # shellcheck disable=SC2016 # expanded by sh
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive unshare --mount --pid --fork --kill-child sh -ec '
            mount --bind "$0" "$0" # unshare --mount-proc wants a mount point at /
            mount -t proc proc "$0/proc"
            mount -t sysfs -o ro sys "$0/sys"
            mount -t tmpfs shm "$0/dev/shm"
            mount -t devpts -o newinstance,ptmxmode=666 devpts "$0/dev/pts"
            [ ! -d "$0/opt/host" ] || mount --bind /usr "$0/opt/host"
            exec chroot "$0" "$@"' "$@"
}
