#!/usr/bin/env bash
# Ranks of parallel jobs, as launchers' variables give them: in names of statistics files, in the
# statistics, and in the list of those that write any. No launcher is needed.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need simple -O2 simple.c
cd "$tmp" || exit 99

# names_of [VARIABLE=VALUE...]: sets `names` to those of the files that one process writes
names_of() {
    rm -rf made
    mkdir made
    capture env LD_PRELOAD="$shim" ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/made/%r" "$@" \
        "$tmp/simple"
    names=$(ls made)
}

# rank_is DESCRIPTION WANTED [VARIABLE=VALUE...]
rank_is() {
    names_of "${@:3}"
    is "$1" "$names:$(jq -r '"\(.rank // "-"):\(.routed_calls > 0)"' "made/$names"):$err" "$2:$2:true:"
}

rank_is 'no launcher' -
for variable in OMPI_COMM_WORLD_RANK PMIX_RANK PMI_RANK FLUX_TASK_RANK SLURM_PROCID ARENASHIM_RANK; do
    rank_is "$variable" 12 "$variable=12"
done
# A batch script of Slurm, or a broker, has variables that what it launches inherits.
rank_is 'mpirun in a Slurm job' 3 SLURM_PROCID=0 OMPI_COMM_WORLD_RANK=3
rank_is 'MPICH in a Slurm job' 3 SLURM_PROCID=0 PMI_RANK=3
rank_is 'Flux in a Slurm job' 3 SLURM_PROCID=0 FLUX_TASK_RANK=3
rank_is 'what the user sets comes first' 7 ARENASHIM_RANK=7 OMPI_COMM_WORLD_RANK=3 PMI_RANK=2
rank_is "a launcher's variable that holds no number" 5 PMIX_RANK=x PMI_RANK= SLURM_PROCID=5

names_of ARENASHIM_RANK=-1
one_line 'what the user sets must be a number' \
    "ARENASHIM_RANK='-1' is not accepted and is ignored; it takes a number from 0 to 2147483647\$"

capture env LD_PRELOAD="$shim" ARENASHIM_STATS=text PMIX_RANK=4 "$tmp/simple"
like 'the text names the rank' "$err" '^arenashim [^ ]+: pid [0-9]+, rank 4$'

# ---- ARENASHIM_RANKS ---------------------------------------------------------------------------

ran=7:$("$tmp/simple")
written=''
for rank in 0 1 7 8 15 16; do
    names_of ARENASHIM_RANKS=0,8-15 PMI_RANK=$rank
    written+=" $names"
    is "rank $rank: the program works" "$status:$out:$err" "$ran:"
done
is 'the ranks of the list write' "$written" ' 0   8 15 '
names_of ARENASHIM_RANKS=0
is 'a process without a rank writes nothing' "$names:$status:$out" ":$ran"
one_line 'a process without a rank: one line' \
    'no statistics are written: ARENASHIM_RANKS is set and this process has no rank; '
capture env LD_PRELOAD="$shim" ARENASHIM_RANKS=0 "$tmp/simple"
is 'where none were asked for nothing is said' "$status:$out:$err" "$ran:"
names_of ARENASHIM_RANKS=all PMI_RANK=1
is 'a list that is none is ignored' "$names" 1
capture "$arenashim" run --stats-file "$tmp/made/%r" --ranks=2 -- env PMI_RANK=2 "$tmp/simple"
is 'arenashim run --ranks' "$status:$out:$err:$(grep -c 'rank 2$' made/2)" "$ran::1"

# ---- judged and reported on --------------------------------------------------------------------

for rank in 0 1; do
    capture env PMI_RANK=$rank "$arenashim" run --ranks=0 --report="page.%r" --report-format=tap \
        --report-file='%r.tap' -- "$tmp/simple"
    is "a run that is judged, rank $rank" "$status:$out" "$ran"
done
is '... of the ranks of the list alone' "$(echo page.* ./*.tap)" 'page.0 ./0.tap'
capture env PMI_RANK=3 "$arenashim" run --budget=b%r.json --update -- "$tmp/simple"
like 'a budget of a rank' "$err" "^arenashim: the budget 'b3.json' is left as it is: the run failed$"
capture "$arenashim" run --ranks=0 --report="page.%r" -- "$tmp/simple"
is 'a process without a rank is not judged' "$status:$out" "$ran"
one_line '... for which there is one line' 'nothing is judged or reported: --ranks .* this process has no rank'
done_testing
