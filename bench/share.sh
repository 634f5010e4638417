#!/usr/bin/env bash
# The share of allocation in what each kernel does at its largest size, and in recall: of the
# instructions that callgrind counts in the kernel, and of perf's samples.
#
# usage: bench/share.sh [--quick] BUILD-DIRECTORY CONTENDER      glibc or shim
#
# Prints samples (bench/sample.h):
#
#   share           percent of the kernel's instructions that malloc, calloc, realloc, free, begin
#                   and end of scopes take, with all that these call
#   share_malloc ...  the same of each; share_scopes is that of begin and end
#   calls           of these functions, per query
#   instructions    of the kernel, per query
#   share_samples   percent of the samples of user time that fall into the C library or the shim,
#                   of which kernels use nothing but allocation
#
# --quick leaves out WordNet and the samples.
set -euo pipefail
export LC_ALL=C
unset LD_PRELOAD "${!ARENASHIM_@}"

# Kernel, size, function, queries for callgrind and for perf: some 50 million instructions, and 1 s.
CASES='cosine 1536x1000 cosine_similarity 20 7500
select 10000 select_best 200 48000
decay 10000 decay_strengths 60 15000
spread 10000 spread_activation 8 800
spread wordnet spread_activation 50 2000
spread_dense 10000 spread_activation_dense 8 800
spread_dense wordnet spread_activation_dense 50 2000
recall wordnet engine_recall 50 2600'
CAPACITY=4M # of which the largest of these queries draws 3,141,456 bytes

quick=
if [ "${1-}" = --quick ]; then
    quick=yes
    shift
fi
if [ $# -ne 2 ] || [ ! -d "$1" ]; then
    sed -n '/^# usage/s/^# //p' "$0" >&2
    exit 2
fi
kernels=$(cd "$1" && pwd)/bench/kernels
case $2 in
glibc) preload='' ;;
shim) preload=$(cd "$1" && pwd)/.libs/libarenashim.so ;;
*)
    echo "share.sh: '$2' is neither glibc nor shim" >&2
    exit 2
    ;;
esac
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# fail MESSAGE: after what the last tool wrote
fail() {
    cat "$work/log" >&2
    printf 'share.sh: %s\n' "$1" >&2
    exit 1
}

# Functions are bound at start, so that binding is not counted.
contender=(env LD_BIND_NOW=1 LD_PRELOAD="$preload" ARENASHIM_CAPACITY="$CAPACITY")

# Zeroing and copying in loops: of one instruction that repeats itself ("rep stosb") callgrind counts
# every byte.
no_strings=glibc.cpu.x86_rep_stosb_threshold=1000000000:glibc.cpu.x86_rep_movsb_threshold=1000000000

# Kernel's instructions, then calls and cost of each function of allocation, with what it calls, where
# the caller is not the allocator itself. callgrind writes a name once, with a number, and only the
# number from then on; the cost of a call is the second number of the line that follows it.
read_callgrind() {
    awk '
        BEGIN { split("malloc calloc realloc free scopes", list) }
        function name(text,    id) {
            id = substr(text, index(text, "="), index(text, ")") - index(text, "=") + 1)
            if (text ~ /\) /) names[id] = substr(text, index(text, ") ") + 2)
            return names[id]
        }
        /^ob=/ { object = name("o" $0) }
        /^cob=/ { name("o" $0) }
        /^fn=/ { name("f" $0) }
        /^cfn=/ { callee = name("f" $0) }
        /^calls=/ {
            calls = substr($1, 7)
            getline
            if (object !~ /\/(libc\.so|libarenashim)/ &&
                callee ~ /^(malloc|calloc|realloc|free|arena_scope_begin|arena_scope_end)$/) {
                sub(/arena_scope_.*/, "scopes", callee)
                called[callee] += calls
                cost[callee] += $2
            }
        }
        /^totals:/ { print "kernel", 1, $2 }
        END {
            for (i = 1; i in list; i++) print list[i], called[list[i]] + 0, cost[list[i]] + 0
        }' "$1"
}

# count KERNEL SIZE FUNCTION QUERIES: prints samples
count() {
    GLIBC_TUNABLES=$no_strings "${contender[@]}" valgrind --tool=callgrind --instr-atstart=no \
        --callgrind-out-file="$work/callgrind" --toggle-collect="$3" \
        "$kernels" --count "$1" "$2" "$4" >"$work/log" 2>&1 || fail "callgrind failed on $1 $2"
    read_callgrind "$work/callgrind" >"$work/costs"
    awk -v kernel="$1" -v size="$2" -v queries="$4" '
        function sample(metric, value) { printf "%s\t%s\t1\t%s\t%.6g\n", kernel, size, metric, value }
        $1 == "kernel" { total = $3; next }
        { names[++n] = $1; calls += $2; spent += $3; cost[n] = $3 }
        END {
            if (total == 0) exit 1
            sample("share", 100 * spent / total)
            for (i = 1; i <= n; i++) sample("share_" names[i], 100 * cost[i] / total)
            sample("calls", calls / queries)
            sample("instructions", total / queries)
        }' "$work/costs" || fail "callgrind counted nothing in $3: has bench/kernels its requests?"
}

# profile KERNEL SIZE QUERIES: prints a sample
profile() {
    perf record -q -e cpu-clock:u -F 4000 -k CLOCK_MONOTONIC -o "$work/perf" -- \
        "${contender[@]}" "$kernels" --count "$1" "$2" "$3" >"$work/window" 2>"$work/log" ||
        fail "perf failed on $1 $2"
    perf script -i "$work/perf" -F time,ip,sym,dso 2>/dev/null |
        awk -v kernel="$1" -v size="$2" -v window="$(cat "$work/window")" '
            BEGIN { split(window, limits, " ") }
            { time = $1 + 0 }
            time >= limits[1] && time <= limits[2] {
                all++
                if (/\/(libc\.so|libarenashim)/) allocation++
            }
            END {
                if (!all) exit 1
                printf "%s\t%s\t1\tshare_samples\t%.4g\n", kernel, size, 100 * allocation / all
            }'
}

if [ ! -d /usr/share/wordnet ]; then
    echo 'skipped: shares on WordNet (wordnet-base is not installed)' >&2
fi
if [ -n "$quick" ] || [ ! -d /usr/share/wordnet ]; then
    CASES=$(grep -v wordnet <<<"$CASES")
fi
samples=yes
if [ -n "$quick" ]; then
    samples=
elif ! perf record -q -e cpu-clock:u -o "$work/perf" true >"$work/log" 2>&1; then
    echo "skipped: shares of samples (perf does not run: $(head -n 1 "$work/log"))" >&2
    samples=
fi
while read -r kernel size function counted sampled; do
    count "$kernel" "$size" "$function" "$counted"
    [ -z "$samples" ] || profile "$kernel" "$size" "$sampled"
done <<<"$CASES"
