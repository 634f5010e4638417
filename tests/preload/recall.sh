#!/usr/bin/env bash
# recall prints the same, to the last bit of its checksum, without and with the shim, with 1, 2 and
# 32 threads, with room for everything and with overflows.
set -u
# shellcheck source=tests/tap.sh
. "${srcdir:-.}/tests/tap.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
recall=$BUILDDIR/examples/recall/recall
shim=$ARENASHIM_SHIM_PATH
unset ARENASHIM_SHIM_PATH ARENASHIM

graphs=(--synthetic)
if [ -r /usr/share/wordnet/data.noun ]; then
    graphs+=(--wordnet=/usr/share/wordnet)
else
    skip 'WordNet' 'wordnet-base is not installed'
fi

for graph in "${graphs[@]}"; do
    wanted=$("$recall" "$graph" --queries 100 --seed 7)
    like "$graph: prints a checksum" "$wanted" '^checksum [0-9a-f]{16}$'
    for threads in 1 2 32; do
        arguments=("$graph" --queries 100 --seed 7 --threads "$threads")
        is "$graph, $threads threads, without the shim" "$("$recall" "${arguments[@]}")" "$wanted"
        for capacity in 64K 8M; do
            name="$graph, $threads threads, capacity $capacity"
            got=$(LD_PRELOAD=$shim ARENASHIM_CAPACITY=$capacity ARENASHIM_STATS=text \
                ARENASHIM_STATS_FILE=$work/stats "$recall" "${arguments[@]}" 2>&1)
            is "$name" "$got" "$wanted"
            like "$name: routed" "$(cat "$work/stats")" 'routed calls +[1-9]'
        done
    done
done
done_testing
