#!/usr/bin/env bash
# What arenas keep resident: after the outermost scope at most their capacity, after their thread's
# exit nothing, and in sparse scopes little, also where the kernel hands out huge pages. The same
# under a limit of memory that would not do otherwise.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need resident -O2 resident.c
need huge_lib.so -shared -fPIC -O2 huge_lib.c

[ -z "${EMULATED-}" ] || plan_skip 'an emulator says other things of memory than the kernel'
if [ ! -r /proc/self/smaps ]; then
    plan_skip 'there is no /proc/self/smaps'
fi
export limit=120 # seconds: a gigabyte of page faults on a machine that has others to serve

under ARENASHIM_CAPACITY=1M SET=1 "$tmp/resident" one_thread
routed 'scopes of 100 MiB: at most the capacity that is set is kept'
stat_is 'scopes of 100 MiB: in the arena' .fallbacks 0
under "$tmp/resident" eight_threads
routed 'scopes of 100 MiB in 8 threads: at most their capacities are kept, and nothing at the end'
under "$tmp/resident" again_and_again
routed 'scopes of 100 MiB, again and again: kept while they come'
under "$tmp/resident" exits_in_scope
routed 'exits in scopes of 20 MiB: nothing is kept'

under "$tmp/resident" flags
if ! grep -q '^VmFlags:' /proc/self/smaps; then
    skip 'no part of the region takes huge pages' 'the kernel shows no VmFlags'
else
    routed 'no part of the region takes huge pages'
fi
# shellcheck disable=SC2034
behind=$tmp/huge_lib.so
under ARENASHIM_CAPACITY=8M "$tmp/resident" sparse_scopes
# shellcheck disable=SC2034
behind=
if [ "$out" = 'no huge pages' ]; then
    skip '200 sparse scopes among huge pages: they stay small' 'the kernel gives no huge pages here'
else
    routed '200 sparse scopes among huge pages: they stay small'
    is '200 sparse scopes among huge pages: there are huge pages' "$out" 'huge pages'
fi

# ---- a limit on memory -----------------------------------------------------------------------------

group=
leave() {
    [ -z "$group" ] || rmdir "$group" 2>/dev/null
    rm -rf "$tmp"
}
trap leave EXIT

# make_group BYTES: a control group of this one with so much memory, as version 1 or 2 has it. Sets
# `group`. False where that cannot be.
make_group() {
    local own parent file
    if own=$(sed -n 's/^[0-9]*:memory:\(.*\)/\1/p' /proc/self/cgroup) && [ -n "$own" ]; then
        parent=/sys/fs/cgroup/memory$own
        file=memory.limit_in_bytes
    else
        parent=/sys/fs/cgroup$(sed -n 's/^0::\(.*\)/\1/p' /proc/self/cgroup)
        file=memory.max
    fi
    mkdir "$parent/arenashim.$$" 2>/dev/null || return
    group=$parent/arenashim.$$
    { echo "$1" >"$group/$file"; } 2>/dev/null
}

# shellcheck disable=SC2016
in_group='echo $$ >"$0/cgroup.procs" && exec env LD_PRELOAD="$1" "${@:2}"'

if ! make_group 80000000 ||
    ! capture bash -c "$in_group" "$group" '' true || [ "$status" -ne 0 ]; then
    skip 'scopes under a limit of memory' 'no control group for memory can be made here'
else
    rm -f "$tmp/stats"
    capture bash -c "$in_group" "$group" "$shim" ARENASHIM_STATS=json \
        ARENASHIM_STATS_FILE="$tmp/stats" "$tmp/resident" limited
    is 'scopes under a limit of memory: the program works' "$status:$out:$err" '0:within the limit:'
    routed 'scopes under a limit of memory: routed'
    capture bash -c "$in_group" "$group" "$shim" ARENASHIM_CAPACITY=64M "$tmp/resident" limited
    is 'scopes under a limit of memory: there is one' "$status" 137
fi
done_testing
