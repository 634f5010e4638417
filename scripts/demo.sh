#!/usr/bin/env bash
# Installs what is missing, builds, runs the recall example without and with the shim, and prints
# one table. With --bench it installs the other allocators, too, and runs and draws the benchmark
# suite (some 20 minutes). With --mpi it installs Open MPI, too, and spreads the queries over four ranks.
#
# usage: scripts/demo.sh [QUERIES [THREADS]]      (default: 2000 queries, 1 thread)
#        scripts/demo.sh --bench [OPTION...]      (of bench/run.sh, for instance --quick)
#        scripts/demo.sh --mpi [QUERIES]
#
# Both contenders run RUNS times, in turn; times are medians.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=scripts/packages.sh
. scripts/packages.sh

RUNS=5
source=$PWD

# build_in DIRECTORY: configures anew, for what has been installed since
build_in() {
    build=$1
    mkdir -p "$build"
    printf 'building in %s\n' "$build"
    (
        { [ -x configure ] || autoreconf -i; } && cd "$build" && "$source/configure" -q &&
            make -j"$(nproc)" all
    ) >"$build/build.log" 2>&1 || {
        tail -n 40 "$build/build.log"
        exit 1
    }
}

if [ "${1-}" = --bench ]; then
    need_packages "${build_packages[@]}" "${bench_packages[@]}"
    build_in "$source/build/bench"
    record=$build/bench/results/demo.json
    rm -f "$record"
    status=0
    make --no-print-directory -C "$build" bench BENCH_FLAGS="--output $record ${*:2}" || status=$?
    [ ! -f "$record" ] || bench/plot "$record" "$build/bench/results/pictures"
    exit "$status"
fi

# checksum LABEL COMMAND...: runs the command, and prints the checksum that recall prints
checksum() {
    local out
    out=$("${@:2}")
    printf '  %-32s %s\n' "$1" "${out#checksum }"
    sums+=("$out")
}

if [ "${1-}" = --mpi ]; then
    need_packages "${build_packages[@]}" wordnet-base openmpi-bin libopenmpi-dev
    build_in "$source/build/mpi"
    work=(--queries "${2:-2000}" --seed 1)
    ranks=(mpirun --oversubscribe -np 4)
    [ "$(id -u)" -ne 0 ] || ranks+=(--allow-run-as-root)
    recall_mpi=("$build/examples/recall-mpi/recall-mpi" "${work[@]}")
    rm -rf "$build/ranks"
    sums=()
    printf 'checksum of %s queries\n' "${2:-2000}"
    checksum 'one process' "$build/examples/recall/recall" "${work[@]}"
    checksum '4 ranks' "${ranks[@]}" "${recall_mpi[@]}"
    checksum '4 ranks, with the shim' "${ranks[@]}" "$build/arenashim" run --stats=json \
        --stats-file "$build/ranks/%r.json" -- "${recall_mpi[@]}"
    printf '\n'
    "$build/arenashim" report "$build"/ranks/*.json
    if [ "${sums[0]}" != "${sums[1]}" ] || [ "${sums[0]}" != "${sums[2]}" ]; then
        echo 'demo.sh: the results differ' >&2
        exit 1
    fi
    exit
fi

queries=${1:-2000}
threads=${2:-1}
need_packages "${build_packages[@]}" wordnet-base jq time
build_in "$source/build/demo"

recall=("$build/examples/recall/recall" --queries "$queries" --threads "$threads" --seed 1 --timing)
command -v /usr/bin/time >/dev/null || {
    echo "demo.sh: /usr/bin/time is missing" >&2
    exit 1
}

# contender NAME COMMAND...: one run; appends to NAME's files
contender() {
    local name=$1
    shift
    /usr/bin/time -f 'page_faults %R\nmax_rss_kb %M' -o "$build/$name.time" "$@" "${recall[@]}" \
        >"$build/$name.out" 2>"$build/$name.timing"
    cat "$build/$name.time" "$build/$name.timing" >>"$build/$name.all"
}

median() {
    sed -n "s/^$2 //p" "$build/$1.all" | sort -n | sed -n "$(((RUNS + 1) / 2))p"
}

shim_run() {
    contender "$1" "$build/arenashim" run "${@:2}" --stats=json --stats-file "$build/$1.json" --
}

rm -f "$build"/*.all
contender plain
shim_run default
capacity=$(jq .recommended_capacity_bytes "$build/default.json")
rm -f "$build"/*.all
for ((run = 1; run <= RUNS; run++)); do
    printf 'run %d of %d\n' "$run" "$RUNS"
    contender plain
    shim_run default
    shim_run fitted --capacity "$capacity"
done

same() {
    cmp -s "$build/plain.out" "$build/$1.out" && echo yes || echo NO
}

statistic() {
    jq "$2" "$build/$1.json"
}

row() {
    printf '%-34s %14s %14s %14s\n' "$@"
}

printf 'recall, %s queries, %s thread(s), %s (median of %d runs)\n\n' "$queries" "$threads" \
    "$(tail -n 1 "$build/plain.out")" "$RUNS"
row '' 'without shim' 'shim' 'shim, fitted'
row 'capacity, bytes' '-' "$(statistic default .capacity_bytes)" "$capacity"
row 'results identical' '-' "$(same default)" "$(same fitted)"
row 'time per query, ns' "$(median plain ns_per_query)" "$(median default ns_per_query)" \
    "$(median fitted ns_per_query)"
row 'routed calls' '-' "$(statistic default .routed_calls)" "$(statistic fitted .routed_calls)"
row 'routed bytes' '-' "$(statistic default .routed_bytes)" "$(statistic fitted .routed_bytes)"
row 'overflows' '-' "$(statistic default .overflows)" "$(statistic fitted .overflows)"
row 'peak arena, bytes' '-' "$(statistic default .high_water_bytes)" \
    "$(statistic fitted .high_water_bytes)"
row 'page faults' "$(median plain page_faults)" "$(median default page_faults)" \
    "$(median fitted page_faults)"
row 'maximum resident set, KiB' "$(median plain max_rss_kb)" "$(median default max_rss_kb)" \
    "$(median fitted max_rss_kb)"
printf '\n"fitted" runs with the capacity that the statistics of the run before recommend.\n'

if [ "$(same default)" != yes ] || [ "$(same fitted)" != yes ] ||
    [ "$(statistic default .routed_calls)" -eq 0 ]; then
    echo 'demo.sh: the results differ, or nothing was routed' >&2
    exit 1
fi
