#!/usr/bin/env bash
# strace, perf and a tracer that steps through every instruction see a normal program; scopes in a
# steady loop make no system call.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need steady -g -O1 steady.c

if have strace && strace -o /dev/null true 2>/dev/null; then
    # trace THREADS OPTION...: sets between to what the main thread calls in its steady loop
    trace() {
        local threads=$1
        shift
        rm -f "$tmp/stats"
        capture strace -f -qq -o "$tmp/trace" -E LD_PRELOAD="$shim" -E ARENASHIM_STATS=json \
            -E ARENASHIM_STATS_FILE="$tmp/stats" "$@" "$tmp/steady" "$threads"
        between=$(awk '/getppid/ { inside = !inside; marks++; next } inside
            END { print marks + 0 " marks" }' "$tmp/trace")
    }
    for threads in 0 4; do
        trace "$threads"
        routed "strace, $threads threads"
        stat_is "strace, $threads threads: exact statistics" .scopes $(((threads + 1) * 3000))
        is "strace, $threads threads: no system call in a steady loop" "$between" '2 marks'
        # Once for each arena: the record and the capacity, two calls each (memory, and no huge
        # pages), and giving its pages back. A thread may have that of one that has gone.
        calls=$(grep -cE 'mmap\([^,]+, [0-9]+, PROT_NONE, .*MAP_NORESERVE' "$tmp/trace") || :
        is "strace, $threads threads: no reservation" "$calls" 0
        arenas=$(stat .threads)
        calls=$(grep -cE ' (mmap|madvise)\(0x[0-9a-f]+, (196608|1048576), ' "$tmp/trace")
        check "strace, $threads threads: few calls for an arena, $calls" \
            test "$calls" -ge 2 -a "$calls" -le $((5 * arenas + 1))
    done
    trace 0 -E ARENASHIM_CAPACITY=4K
    like 'strace, an arena too small: it grows and is trimmed each time' "$between" 'madvise'
else
    skip 'strace' 'strace is not installed or cannot trace here'
fi

perf=$(find /usr/bin -maxdepth 1 -name 'perf' | head -n 1)
if [ -n "$perf" ] && "$perf" record -q -o "$tmp/perf.data" true >/dev/null 2>&1; then
    rm -f "$tmp/stats"
    capture "$perf" record -q -g -o "$tmp/perf.data" env LD_PRELOAD="$shim" ARENASHIM_STATS=json \
        ARENASHIM_STATS_FILE="$tmp/stats" "$tmp/steady" 2
    is 'perf record: works' "$status:$out" 0:works
    check 'perf record: routed' test "$(stat .routed_calls)" -gt 1000
else
    skip 'perf record' 'perf is not installed or not permitted here'
fi

# Every instruction of the program is a stop, as for a tool that records and replays.
if have gdb; then
    rm -f "$tmp/stats"
    capture env -u DEBUGINFOD_URLS gdb -nx -q -batch -iex 'set startup-with-shell off' \
        -iex "set environment LD_PRELOAD $shim" -iex 'set environment ARENASHIM_STATS json' \
        -iex "set environment ARENASHIM_STATS_FILE $tmp/stats" \
        -ex 'break getppid' -ex run -ex finish -ex 'stepi 2000' -ex 'stepi 2000' -ex 'delete' \
        -ex continue "$tmp/steady"
    if [[ $out = *'Breakpoint 1, '* ]]; then
        like 'single steps: the program works' "$out" '^works'
        stat_is 'single steps: exact statistics' '"\(.scopes) \(.misuses)"' '3000 0'
    else
        skip 'single steps' 'gdb cannot run a program here'
    fi
else
    skip 'single steps' 'gdb is not installed'
fi
done_testing
