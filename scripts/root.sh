# shellcheck shell=bash
# Roots of Debian systems, made by debootstrap from this system's mirror; to be sourced. Needs root.
#
#   make_root SUITE ARCH DIRECTORY    a minimal system in DIRECTORY, which is new
#   in_root DIRECTORY COMMAND...      runs COMMAND in it, as root; what it leaves running ends with it
#
# Nothing stays mounted: rm -rf --one-file-system DIRECTORY takes a root away.

make_root() {
    local suite=$1 arch=$2 root=$3 mirror
    if [ "$(id -u)" -ne 0 ]; then
        printf '%s: root is needed to make a root of %s\n' "$0" "$suite" >&2
        exit 1
    fi
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
    # No daemon is started by its installation.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod 755 "$root/usr/sbin/policy-rc.d"
}

# The mounts are those of a namespace that ends with the command.
in_root() {
    # shellcheck disable=SC2016 # expanded by sh
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
        DEBIAN_FRONTEND=noninteractive unshare --mount --pid --fork --kill-child sh -ec '
            mount -t proc proc "$0/proc"
            mount -t sysfs -o ro sys "$0/sys"
            mount -t tmpfs shm "$0/dev/shm"
            mount -t devpts -o newinstance,ptmxmode=666 devpts "$0/dev/pts"
            exec chroot "$0" "$@"' "$@"
}
