#!/usr/bin/env bash
# Programs in little address space, from their start or because they limit themselves. What arenas
# have counts, and nothing else: where that cannot be had the program works without, after one clear
# line.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need simple -O2 simple.c
ran="7:sum 45"

# limited OPTION KILOBYTES COMMAND...: the command under `ulimit OPTION KILOBYTES`
limited() {
    local option=$1 kilobytes=$2
    shift 2
    # The shell that sets the limit is not under the shim.
    # shellcheck disable=SC2016
    "$@" bash -c 'ulimit "$1" "$2" && shift 2 && exec "$@"' bash "$option" "$kilobytes" \
        env LD_PRELOAD="$preload" ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/stats" \
        "${program[@]}"
}

# try OPTION KILOBYTES ERE: what runs without the shim runs with it; either quiet and routed, or not
# routed after one line that matches.
try() {
    local option=$1 kilobytes=$2 ere=$3 name="ulimit $1 $2, ${program[*]#"$tmp"/}"
    preload='' capture limited "$option" "$kilobytes"
    if [ "$status:$out" != "$ran" ]; then
        skip "$name" 'the program itself needs more'
        return
    fi
    rm -f "$tmp/stats"
    preload=$shim capture limited "$option" "$kilobytes"
    is "$name: the program works" "$status:$out" "$ran"
    local calls
    calls=$(stat '.routed_calls')
    if [ -z "$err" ]; then
        check "$name: quiet, so routed ($calls calls)" test "$calls" -gt 0
    else
        one_line "$name: one line" "$ere"
        [ "${#program[@]}" -gt 1 ] || is "$name: a line, so not routed" "$calls" 0
    fi
}

# From where the loader just manages to hundreds of gigabytes.
no_arena='a thread gets no arena: '
program=("$tmp/simple")
for kilobytes in 4000 6000 8000 10000 12000 14000 16000 20000 24000 32000 48000 64000 100000 \
    200000 500000 1000000 4000000 16000000 64000000 256000000 2000000000 unlimited; do
    try -v "$kilobytes" "$no_arena"
done
try -v 500000 none
check 'half a gigabyte is enough to route' test "$(stat .routed_calls)" -gt 0
for kilobytes in 800 1000 2000 4000 8000 16000 64000 unlimited; do
    if [ "$kilobytes" = 800 ] && counts_lines; then
        skip 'ulimit -d 800' 'counting lines needs memory at exit'
        continue
    fi
    try -d "$kilobytes" "$no_arena"
done

# Threads with an arena each; where there are too few, some do without.
program=("$tmp/simple" 40)
for kilobytes in 500000 1000000 4000000; do
    try -v "$kilobytes" "$no_arena"
    check "ulimit -v $kilobytes: many threads: routed" test "$(stat .routed_calls)" -gt 0
done
for kilobytes in 350000 400000 1000000; do
    try -d "$kilobytes" "$no_arena"
done

# The program's own share.
program=("$tmp/simple" 0 700)
try -v 1000000 none
check 'the program can draw most of its address space' test -z "$err"
need large -O2 -DSTATIC_MEGABYTES=1000 simple.c
program=("$tmp/large" 0)
try -v 1100000 none
check 'a program that fills its address space is routed' test -z "$err"

# A large capacity in little space: refused as a whole, and said with its size.
program=("$tmp/simple")
export ARENASHIM_CAPACITY=1G
try -v 500000 "$no_arena"
if [ -z "${EMULATED-}" ]; then
    one_line 'a capacity that cannot be had: one line' "$no_arena"
else
    skip 'a capacity that cannot be had' 'QEMU knows no limit of addresses'
fi
unset ARENASHIM_CAPACITY

# Without address space randomization, and with an unlimited stack, the maps are laid out otherwise.
for personality in -R '-R -L'; do
    # shellcheck disable=SC2086
    if ! have setarch || ! capture setarch $personality true || [ "$status" -ne 0 ]; then
        skip "setarch $personality" 'setarch is not installed or not permitted'
        continue
    fi
    rm -f "$tmp/stats"
    # shellcheck disable=SC2086
    preload=$shim capture limited -s unlimited setarch $personality
    is "setarch $personality, ulimit -s unlimited: the program works, quietly" \
        "$status:$out:$err" "$ran:"
    check "setarch $personality, ulimit -s unlimited: routed" test "$(stat .routed_calls)" -gt 0
done

# A program that limits itself later, in each kind of scopes, has all that the limit leaves.
need limited -O2 limited.c
for end in reset retain; do
    for megabytes in 64 1000; do
        under ARENASHIM_END=$end "$tmp/limited" "$megabytes"
        routed "a program that limits itself to $megabytes MB, $end"
        capture env LD_PRELOAD="$shim" ARENASHIM_SCOPES=process ARENASHIM_END=$end "$tmp/limited" "$megabytes"
        is "a program that limits itself to $megabytes MB, as one scope, $end" "$status:$out:$err" '0::'
    done
done
# shellcheck disable=SC2016
capture env LD_PRELOAD="$shim" bash -c 'ulimit -v 100000; numbers=$(seq 20000); echo ${#numbers}'
is 'a shell that limits itself' "$status:$out:$err" 0:108893:
if have prlimit; then
    # shellcheck disable=SC2016
    capture env LD_PRELOAD="$shim" ARENASHIM_SCOPES=process bash -c 'prlimit --pid $$ --as=100000000
        numbers=$(seq 20000); echo ${#numbers}'
    is 'a shell that is limited by another process' "$status:$out:$err" 0:108893:
else
    skip 'a shell that is limited by another process' 'prlimit is not installed'
fi

# An emulator that keeps tables of its own for all that is mapped: a reservation would take it gigabytes.
if [ "$(uname -m)" != x86_64 ] || ! have qemu-x86_64; then
    skip 'in an emulator' 'qemu-x86_64 is not installed'
elif capture qemu-x86_64 -E LD_PRELOAD="$shim" /bin/true && [ "$status" -eq 132 ]; then
    skip 'in an emulator' 'it does not know the instructions of this build'
else
    rm -f "$tmp/stats"
    # shellcheck disable=SC2016
    capture bash -c 'ulimit -d 400000 && exec "$@"' bash qemu-x86_64 -E LD_PRELOAD="$shim" \
        -E ARENASHIM_STATS=json -E ARENASHIM_STATS_FILE="$tmp/stats" "$tmp/simple"
    is 'in an emulator: the program works, quietly' "$status:$out:$err" "$ran:"
    check 'in an emulator: routed' test "$(stat .routed_calls)" -gt 0
fi

# Addresses cost no memory: what is resident differs by little.
resident() {
    # shellcheck disable=SC2016
    capture env LD_PRELOAD="$1" bash -c 'while read -r name size rest; do
        [ "$name" != VmRSS: ] || echo "$size"; done </proc/self/status'
    echo "$out"
}
without=$(resident '')
with=$(resident "$shim")
check "bash is hardly larger with the shim ($with KiB) than without ($without KiB)" \
    test "$((with - without))" -lt 1000
done_testing
