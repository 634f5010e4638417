#!/usr/bin/env bash
# What measures the kernels and memory: results that differ are noticed, samples are complete, and
# figures that are known come out.

# shellcheck source=tests/preload/common.sh
. "${srcdir:-.}/tests/preload/common.sh"
limit=120
bench=$source_dir/bench
builddir=$(realpath "${BUILDDIR:-.}")
kernels=$builddir/bench/kernels
# An emulator has memory of its own.
# shellcheck disable=SC2034 # read by holds
small=${EMULATED:+16384} small=${small:-8192}

# figure CASE SIZE METRIC: from the samples in $out
figure() {
    awk -F'\t' -v wanted="$1 $2 $3" '$1 " " $2 " " $4 == wanted { print $5 }' <<<"$out"
}

# holds DESCRIPTION CONDITION: of arithmetic
holds() {
    if (($2)); then
        ok "$1"
    else
        not_ok "$1" "$2
$(last_run)"
    fi
}

# ---- kernels ----------------------------------------------------------------------------------

under "$kernels" --verify
routed 'the kernels have the same results in an arena'

need wrong_exp.so -shared -fPIC -fno-builtin wrong_exp.c
capture env LD_PRELOAD="$tmp/wrong_exp.so" "$kernels" --verify
is 'other results are an error' "$status" 1
like 'and named' "$err" '^kernels: decay 100: the results differ'

# ---- whole programs -----------------------------------------------------------------------------

process=$builddir/bench/process
recall=$builddir/examples/recall/recall
export ARENASHIM_STATS=json ARENASHIM_STATS_FILE=$tmp/stats
capture "$process" --preload "$shim" -- "$recall" --synthetic --queries=100 --verify
is 'the process of recall prints the same in an arena' "$status $err" '0 '
check 'which it was in' jq -e '.routed_calls > 0' "$tmp/stats"
unset ARENASHIM_STATS ARENASHIM_STATS_FILE
# shellcheck disable=SC2016
printf '#!/bin/sh\necho "[$LD_PRELOAD]"\n' >"$tmp/differs"
chmod +x "$tmp/differs"
capture "$process" --preload "$tmp/wrong_exp.so" -- "$tmp/differs" --verify
is 'and that is compared' "$status $err" \
    "1 process: $tmp/differs prints something else than without a preload"
capture "$process" --preload libnobody.so.9 -- "$recall" --queries=1 --verify
is 'a preload that is not there is an error' "$status" 1
like 'and named' "$err" "^process: libnobody\.so\.9 is not in a process of $recall\$"
capture "$process" --name work --size small --threads 2 -- "$recall" --queries=100
is 'the process of recall is timed' \
    "$(awk -F'\t' '$5 > 0 { print $1, $2, $3, $4 }' <<<"$out" | paste -sd,)" \
    'work small 2 ns,work small 2 cpu_ns,work small 2 faults,work small 2 peak_kb'
capture "$process" /bin/false
is 'a program that fails is an error' "$status $out $err" '1  process: /bin/false: status 1'

# The parent of the measured program holds much more than the program.
# shellcheck disable=SC2016
capture bash -c 'filler=$(printf "%0100000000d" 0); "$@"; : "${#filler}"' bash "$process" /bin/true
holds 'memory of other processes does not count' "$(figure process - peak_kb) < small"

server=("$builddir/bench/server" 2 200 2000)
capture "$process" --threads 2 -- "${server[@]}" 6
holds 'the server is measured' "$(printf '%.0f' "$(figure process - cpu_ns)") > 0"
capture "${server[@]}" 6
sum=$out
under ARENASHIM_SCOPES=process ARENASHIM_END=retain "${server[@]}" 6
routed 'and runs in arenas'
is 'with the same checksum' "$out" "$sum"
is 'in as many threads as there are generations' "$(stat .threads)" 13
capture "$process" "$builddir/nobody"
is 'a program that is not there is an error' "$status" 1

capture "$kernels" --expect libnobody.so --verify
is 'a library that is not there is an error' "$status" 1

under "$kernels" --quick
routed 'the kernels run in an arena'
is 'each case has its five samples' \
    "$(awk -F'\t' '$5 >= 0 { print $4 }' <<<"$out" | sort | uniq -c | awk '{ print $2, $1 }' | paste -sd' ')" \
    'faults 21 ns 21 p50_ns 21 p99_ns 21 peak_kb 21'
is 'half of the queries take no longer than 99 percent' \
    "$(awk -F'\t' '$4 == "p50_ns" { half = $5 } $4 == "p99_ns" && $5 < half' <<<"$out")" ''

# ---- memory -----------------------------------------------------------------------------------

under "$builddir/bench/growth-shim" --verify
routed 'the blocks of the memory benchmark are good'
capture "$builddir/bench/growth-shim"
is 'without the shim it is refused' "$status" 1

under ARENASHIM_CAPACITY=1M "$builddir/bench/growth-shim" --quick # in children, whose statistics nobody reads
is 'memory is measured' "$status $err" '0 '
peak=$(figure scope_size 16777216 peak_kb) retained=$(figure scope_size 16777216 retained_kb)
holds 'a large scope is resident' "${peak:-0} > 16384"
holds 'and is given back' "${retained:-99999} < small"
under ARENASHIM_CAPACITY=32M "$builddir/bench/growth-shim" --quick
retained=$(figure scope_size 16777216 retained_kb)
holds 'within the capacity it is kept' "${retained:-0} > 16384"
holds 'until malloc_trim' "$(figure scope_size 16777216 trimmed_kb) < small"

# The litter stays, and a scope of 64 KiB comes to lie in its holes.
capture "$builddir/bench/growth-malloc" --quick
clean=$(figure scope_size 65536 retained_kb) clean_faults=$(figure scope_size 65536 faults)
capture "$builddir/bench/growth-malloc" --quick --littered
holds 'a littered heap holds litter' "$(figure scope_size 65536 retained_kb) > ${clean:-0} + 8192"
holds 'and holes' "$(figure scope_size 65536 faults) < ${clean_faults:-0}"

# ---- scopes that last, or leave blocks behind -------------------------------------------------

lasting=$builddir/bench/lasting
for case in survivors xmalloc; do
    under ARENASHIM_END=retain "$lasting" --quick "$case"
    routed "$case are measured"
    is 'each is served from an arena' "$(figure "$case" 1000000 routed)" 100
    stat_is 'and stays behind' '.sites[0].survivors' 1000000
done
capture "$lasting" --quick survivors
is 'without the shim nothing is' "$status $(figure survivors 1000000 routed)" '0 '
under "$lasting" steps --verify
routed 'a scope that lasts has good blocks'
is 'and is one' "$(stat .scopes)" 1
stat_is 'with 400,000 calls' .routed_calls 400000
under "$lasting" fork --verify
routed 'threads are gone before a fork'
stat_is 'which have had an arena each' .threads 100
need overlap.so -shared -fPIC -fno-builtin "$source_dir/tests/bench/overlap.c"
capture env LD_PRELOAD="$tmp/overlap.so" "$lasting" survivors --verify
is 'blocks that overlap are found' "$status" 1
like 'and named' "$err" '^lasting: block [0-9]+ has changed$'
capture "$lasting" nothing
is 'a case that there is not is an error' "$status" 2

# ---- shares -----------------------------------------------------------------------------------

if ! tells_valgrind; then
    skip 'shares of allocation' 'valgrind does not run here, or this is built without it'
    done_testing
fi
capture "$bench/share.sh" --quick "$builddir" glibc
is 'a similarity is a calloc and a free' "$(figure cosine 1536x1000 calls)" 2
is 'a decay allocates nothing' "$(figure decay 10000 share)" 0
plain=$(figure spread 10000 share)
is 'dense spreading is five allocations and their frees' "$(figure spread_dense 10000 calls)" 10
capture "$bench/share.sh" --quick "$builddir" shim
is 'and a scope with the shim' "$(figure cosine 1536x1000 calls)" 4
is 'the parts of a share are the whole' "$(awk -F'\t' '
    $4 == "share" { whole = $5; sum = 0 }
    $4 ~ /^share_/ { sum += $5 }
    $4 == "calls" && (sum - whole > 0.001 || whole - sum > 0.001)' <<<"$out")" ''
check 'spreading spends less of its instructions in allocation' \
    awk -v plain="$plain" -v shim="$(figure spread 10000 share)" 'BEGIN { exit !(shim < plain / 2) }'
check 'dense spreading less than 1 percent' \
    awk -v dense="$(figure spread_dense 10000 share)" 'BEGIN { exit !(dense > 0 && dense < 1) }'

done_testing
