#!/usr/bin/env bash
# What an attacker would like to find and does not: settings from the environment in programs with
# more rights than their caller, pages both writable and executable, pointers to code in writable
# memory, sizes that wrap, arenas at addresses known beforehand.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

ulimit -c 0
need security -O2 security.c
need cxx -O2 -std=c++17 security.cc

# ---- programs with more rights than their caller ------------------------------------------------

# The library that it is linked with must be within reach of the unprivileged user.
cp "$shim" "$tmp/libarenashim.so"
mkdir -m 777 "$tmp/open"
need secure -O2 secure.c "$tmp/libarenashim.so" -Wl,-rpath,"$tmp"
chmod 755 "$tmp/libarenashim.so" "$tmp/secure"

# unprivileged COMMAND...: as another user, with settings that all show when they are honoured
unprivileged() {
    rm -f "$tmp"/open/*
    capture setpriv --reuid=65534 --regid=65534 --clear-groups \
        env ARENASHIM_CAPACITY=8K ARENASHIM_LIMIT=8K ARENASHIM_OVERFLOW=error \
        ARENASHIM_ALIGN=4096 ARENASHIM_MODULES=-secure ARENASHIM_STATS=json \
        ARENASHIM_STATS_FILE="$tmp/open/stats" ARENASHIM_UNKNOWN=1 "$@"
}

# secured DESCRIPTION [VARIABLE=VALUE...]
secured() {
    local description=$1
    unprivileged "${@:2}" "$tmp/secure"
    if [[ $out = 'secure 0'* ]]; then
        skip "$description" 'the file system does not honour the mode (nosuid)'
        return
    fi
    is "$description: quiet" "$status:$err" 0:
    like "$description: the shim works" "$out" '^  routed calls +100$'
    like "$description: with the default capacity" "$out" '^  capacity +1048576 bytes$'
    like "$description: with the default policy" "$out" '^  overflows +0$'
    is "$description: no statistics file" "$(ls "$tmp/open")" ''
}

if [ "$(id -u)" -ne 0 ] || ! have setpriv ||
    ! setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$tmp/secure" 2>/dev/null; then
    skip 'programs with more rights than their caller' 'needs root, setpriv, and reach of the files'
else
    # With the caller's own rights the same settings show.
    unprivileged "$tmp/secure"
    like 'own rights: the system sees none else' "$out" '^secure 0$'
    is 'own rights: a statistics file' "$(ls "$tmp/open")" stats
    like 'own rights: settings are honoured' "$out" '"capacity_bytes": 8192'
    like 'own rights: wrong ones are named' "$err" 'ARENASHIM_UNKNOWN'

    chmod 4755 "$tmp/secure"
    secured 'set-user-ID'
    secured 'set-user-ID, disabled' ARENASHIM_DISABLE=1
    secured 'set-user-ID, wrong values' ARENASHIM_CAPACITY=none ARENASHIM_DISABLE=maybe
    secured 'set-user-ID, preloaded too' LD_PRELOAD="$tmp/libarenashim.so"
    chmod 0755 "$tmp/secure"
    chown 0:0 "$tmp/secure"
    chmod 2755 "$tmp/secure"
    secured 'set-group-ID'
    chmod 0755 "$tmp/secure"
    if have setcap && setcap cap_net_raw+ep "$tmp/secure" 2>/dev/null; then
        secured 'file capabilities'
    else
        skip 'file capabilities' 'setcap is not there or the file system has none'
    fi
fi

# ---- memory ------------------------------------------------------------------------------------

under "$tmp/security" maps
routed 'no page is writable and executable'
if have readelf; then
    like 'the library asks for no executable stack' "$(readelf -lW "$shim")" 'GNU_STACK .* RW +0x'
    like 'the library is bound at start' "$(readelf -dW "$shim")" 'NOW'
    unlike 'the library has no relocations in its code' "$(readelf -dW "$shim")" 'TEXTREL'
else
    skip 'how the library is linked' 'readelf is not installed'
fi

if [ "$(uname -m)" = aarch64 ]; then
    skip 'no pointer to code lies in writable memory' 'linkers put names, to which pointers are kept, beside code'
else
    under "$tmp/security" pointers
    routed 'no pointer to code lies in writable memory'
    need early.so -O2 -fPIC -shared -DEARLY_DLSYM early.c
    behind=$tmp/early.so under "$tmp/security" pointers
    routed 'no pointer to code lies in writable memory when dlsym allocates'
fi

# NM may hold options.
# shellcheck disable=SC2086
offset=$(${NM:-nm} "$shim" 2>/dev/null | awk '$3 == "fixed_pages" { print $1 }')
if [ -n "$offset" ]; then
    under SECURITY_OFFSET="$offset" "$tmp/security" table
    routed 'a write to the table of the next allocator faults'
else
    skip 'a write to the table of the next allocator faults' 'the library has no symbol table'
fi

# ---- addresses ---------------------------------------------------------------------------------

addresses() {
    for _ in 1 2 3 4; do
        under "$@" "$tmp/security" address
        printf '%s %s %s\n' "$status" "$(stat .routed_calls)" "$out"
    done | sort -u
}

if [ "$(cat /proc/sys/kernel/randomize_va_space 2>/dev/null)" = 2 ]; then
    found=$(addresses)
    check 'arenas lie at addresses of the kernel'\''s choice' test "$(wc -l <<<"$found")" -gt 1
    unlike 'arenas at random addresses: routed' "$found" '^([^0]|0 [^1])'
else
    skip 'arenas lie at addresses of the kernel'\''s choice' 'the kernel does not randomize'
fi
if have setarch && setarch -R true 2>/dev/null; then
    found=$(addresses setarch -R)
    is 'without randomization arenas lie where they lay' "$(wc -l <<<"$found")" 1
    like 'without randomization: routed' "$found" '^0 1 0x'
else
    skip 'without randomization arenas lie where they lay' 'setarch -R is not to be had'
fi

# ---- sizes -------------------------------------------------------------------------------------

for policy in grow fallback error; do
    for align in 16 4096; do
        for where in in_scope in_pause outside; do
            under ARENASHIM_OVERFLOW=$policy ARENASHIM_ALIGN=$align "$tmp/security" "sizes_$where"
            routed "sizes that wrap, $policy, align $align, $where: refused"
            under ARENASHIM_OVERFLOW=$policy ARENASHIM_ALIGN=$align "$tmp/cxx" "$where"
            routed "sizes that wrap, $policy, align $align, $where: refused by operator new"
            like "sizes that wrap, $policy, align $align, $where: many" "$out" '^[34][0-9]+ refused$'
        done
    done
done
for align in 16 4096; do
    under ARENASHIM_OVERFLOW=abort ARENASHIM_ALIGN=$align "$tmp/security" sizes_abort 2>/dev/null
    is "sizes that wrap, abort, align $align: refused" "$status:$out" 134:refused
    one_line "sizes that wrap, abort, align $align: aborted at the first that does not" \
        'overflow: 9223372036854775807 bytes do not fit in .* ARENASHIM_OVERFLOW=abort'
done
done_testing
