#!/usr/bin/env bash
# Runs the benchmark suite and writes its record: all samples, what they come to, and on which
# machine, as JSON, with a table in Markdown beside it.
#
# usage: bench/run.sh [--quick] [--only GROUP]... [--repetitions N] [--output FILE] [--plan FILE]
#                     BUILD-DIRECTORY
#
#   --quick            fewer sizes, shorter measurements, 3 repetitions (else 10)
#   --only GROUP       only this group: hot, scope, threads, kernels, programs, memory, counts or share
#   --repetitions N    how often each measurement is made
#   --output FILE      the record; default: bench/results/DATE-TIME-PROCESS.json in the build directory
#   --plan FILE        lines of bench/plan.sh's form, in place of what it prints
#
# Contenders take turns: each repetition makes every measurement of the plan once, hot ones three
# times. Before the first, the commands are run with --verify, untimed: the contender's blocks are
# checked, and a contender with the shim must have had routed calls. What fails is named, left out, and
# listed in the record; the exit status is then 1.
set -euo pipefail
export LC_ALL=C
unset LD_PRELOAD "${!ARENASHIM_@}"

# Groups whose figures are exact have one run each. In hot ones a cycle more or less counts, which a
# process has from its start on, by chance: so many processes in each repetition.
ONCE='counts share'
OFTEN=hot
PROCESSES=3
LIMIT=300           # seconds for one run of a command

here=$(cd "$(dirname "$0")" && pwd)
command_line=$(printf '%q ' "$0" "$@")
tab=$'\t'

usage() {
    sed -n '/^# usage/,/^# Contenders/{/^# Contenders/!s/^# \{0,1\}//p}' "$0" >&2
    exit 2
}

quick='' only='' repetitions='' output='' plan='' build=''
while [ $# -gt 0 ]; do
    case $1 in
    --quick) quick=--quick ;;
    --only)
        [[ ' hot scope threads kernels programs memory counts share ' = *" ${2:?--only needs a group} "* ]] || usage
        only="$only $2" && shift
        ;;
    --repetitions) repetitions=${2:?--repetitions needs a number} && shift ;;
    --output) output=${2:?--output needs a file} && shift ;;
    --plan) plan=${2:?--plan needs a file} && shift ;;
    -*) usage ;;
    *) [ -z "$build" ] || usage && build=$1 ;;
    esac
    shift
done
: "${repetitions:=${quick:+3}}" "${repetitions:=10}"
[[ $repetitions =~ ^[1-9][0-9]*$ ]] || usage
[ -d "$build" ] || usage
build=$(cd "$build" && pwd)
: "${output:=$build/bench/results/$(date +%Y%m%d-%H%M%S)-$$.json}"
command -v jq >/dev/null || {
    echo 'run.sh: jq is missing' >&2
    exit 1
}
mkdir -p "$(dirname "$output")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
touch "$work/samples" "$work/failures" "$work/refused"

# ---- the plan ---------------------------------------------------------------------------------

# Groups of the whole plan; what is counted once comes last.
whole_plan() {
    local contender
    "$here/plan.sh" ${quick:+"$quick"} "$build"
    if ! command -v valgrind >/dev/null; then
        echo 'skipped: instruction counts and shares (valgrind is not installed)' >&2
        return
    fi
    for contender in glibc shim retained shim+stats forward; do
        printf 'counts\t%s\tclean\t%q %q %s\n' "$contender" "$here/counts.sh" "$build" "$contender"
    done
    for contender in glibc shim; do
        printf 'share\t%s\tclean\t%q %s %q %s\n' "$contender" "$here/share.sh" "$quick" "$build" \
            "$contender"
    done
}

chosen() {
    awk -F'\t' -v only="$only" 'BEGIN { n = split(only, list, " ") }
        { for (i = 1; i <= n; i++) if ($1 == list[i]) { print; next } if (!n) print }'
}

if [ -n "$plan" ]; then
    chosen <"$plan" >"$work/plan"
    touch "$work/skipped"
else
    whole_plan 2>"$work/complaints" | chosen >"$work/plan" || {
        cat "$work/complaints" >&2
        exit 1
    }
    grep '^skipped: ' "$work/complaints" >"$work/skipped" || true
    cat "$work/complaints" >&2
fi
[ -s "$work/plan" ] || {
    printf 'run.sh: the plan has no measurement%s\n' "${only:+ of$only}" >&2
    exit 1
}

if [ -z "$plan" ] && grep -q '^programs' "$work/plan"; then
    rm -rf "$build/bench/advised" # advice is of this run
    "$here/programs/inputs.sh" "$build/bench/inputs"
fi

# ---- progress ---------------------------------------------------------------------------------

started=$SECONDS
total=0 finished=0 shown=-1

clock() {
    printf '%d:%02d' $(($1 / 60)) $(($1 % 60))
}

# progress TEXT: on a terminal one line that is written over, else a line for each tenth of the run
progress() {
    local left='?'
    [ "$finished" -eq 0 ] || left=$(clock $(((SECONDS - started) * (total - finished) / finished)))
    if [ -t 1 ]; then
        printf '\r\033[K%d of %d, %s left: %s' "$finished" "$total" "$left" "$1"
    elif [ $((finished * 10 / total)) -ne "$shown" ]; then
        shown=$((finished * 10 / total))
        printf '%d of %d, %s left: %s\n' "$finished" "$total" "$left" "$1"
    fi
}

# note TEXT: a line of its own, whatever progress shows
note() {
    [ ! -t 1 ] || printf '\r\033[K'
    printf '%s\n' "$1"
}

# ---- measurements -----------------------------------------------------------------------------

# failed WHAT STATUS: says so and keeps it for the record
failed() {
    local reason
    reason="status $2$(tail -n 1 "$work/errors" | tr '\t' ' ' | sed 's/^\(..*\)/: \1/')"
    [ "$2" -ne 124 ] || reason="not ready after $LIMIT seconds"
    note "FAILED: $1: $reason"
    printf '%s\t%s\n' "$1" "$reason" >>"$work/failures"
}

# timeout gives the command a process group of its own, which no terminal interrupts. In the
# background, because a trap waits for what runs in front.
running=''
run_command() {
    local status=0
    timeout -k 5 "$LIMIT" bash -c "$1" >"$work/out" 2>"$work/errors" </dev/null &
    running=$!
    wait "$running" || status=$?
    running=''
    return "$status"
}

stop_command() {
    [ -z "$running" ] || { kill "$running" && wait "$running"; } || true
    note 'run.sh: interrupted, no record is written'
}
trap 'stop_command; exit 130' INT
trap 'stop_command; exit 143' TERM

# Routed calls of all processes that wrote statistics.
routed_calls() {
    cat "$work"/stats/* 2>/dev/null | jq -s 'map(.routed_calls) | add // 0'
}

# advised_name COMMAND: of the file with the advice that bench/programs/advised.sh has asked for
advised_name() {
    sed -n 's/.*--name \([^ ]*\) --size \([^ ]*\) .*/\1-\2/p' <<<"$1"
}

# routes GROUP CONTENDER COMMAND: whether it must; around whole programs "shim" passes everything on,
# and "advised" routes unless the advice was that nothing pays
routes() {
    case "$1 $2" in
    programs\ shim) false ;;
    programs\ advised) grep -qs . "$build/bench/advised/$(advised_name "$3")" ;;
    *) [[ $2 = shim* || $2 = process || $2 = named ]] ;;
    esac
}

# verify GROUP CONTENDER COMMAND: the exit status says whether its figures may be recorded
verify() {
    local status=0
    mkdir -p "$work/stats"
    rm -f "$work"/stats/*
    ARENASHIM_STATS=json ARENASHIM_STATS_FILE=$work/stats/%p run_command "$3 --verify" || status=$?
    if [ "$status" -eq 0 ] && routes "$1" "$2" "$3" && [ "$(routed_calls)" -eq 0 ]; then
        echo 'not one call was routed' >"$work/errors"
        status=1
    fi
    return "$status"
}

# Samples must have five fields, a number last, and each be there once.
well_formed() {
    awk -F'\t' 'NF != 5 || $5 !~ /^-?[0-9]+(\.[0-9]+)?(e[-+][0-9]+)?$/ || $3 !~ /^[0-9]+$/ {
            print "not a sample: " $0; exit 1 }
        seen[$1, $2, $3, $4]++ { print "twice: " $0; exit 1 }
        END { if (NR == 0) { print "no sample"; exit 1 } }' "$work/out" >"$work/errors"
}

# measure GROUP CONTENDER HEAP COMMAND REPETITION
measure() {
    local status=0 prefix=''
    # The name alone would turn statistics on.
    [[ $2 != *+stats ]] || prefix=$(printf 'export ARENASHIM_STATS_FILE=%q; ' "$work/timed")
    run_command "$prefix$4" || status=$?
    grep '^skipped: ' "$work/errors" >>"$work/skipped" || true
    [ "$status" -ne 0 ] || well_formed || status=1
    if [ "$status" -ne 0 ]; then
        failed "$1 $2 $3, repetition $5" "$status"
        return
    fi
    awk -v prefix="$1$tab$2$tab$3$tab$5" '{ print prefix "\t" $0 }' "$work/out" >>"$work/samples"
}

is_once() {
    [[ " $ONCE " = *" $1 "* ]]
}

is_often() {
    [[ " $OFTEN " = *" $1 "* ]]
}

# Commands that differ in numbers alone, as in how many threads there are, are verified once: the
# last. The file "verified" gets what may be measured.
verify_all() {
    local group contender heap command kind status
    awk '{ kind = $0; gsub(/[0-9]+/, "", kind); lines[NR] = $0; kinds[NR] = kind; last[kind] = NR }
        END { for (i = 1; i <= NR; i++) print (last[kinds[i]] == i) "\t" lines[i] }' \
        "$work/plan" >"$work/lines"
    total=$(grep -c '^1' "$work/lines")
    while IFS=$tab read -r _ group contender heap command <&3; do
        status=0
        progress "verify $group $contender $heap"
        is_once "$group" || verify "$group" "$contender" "$command" || status=$?
        finished=$((finished + 1))
        kind=$group$tab$contender$tab$heap$tab$command
        if [ "$status" -ne 0 ]; then
            failed "$group $contender $heap, verification" "$status"
            printf '%s\n' "${kind//[0-9]/}" >>"$work/refused"
        fi
    done 3< <(grep '^1' "$work/lines")
    awk -v list="$work/refused" 'BEGIN { while ((getline kind <list) > 0) refused[kind] = 1 }
        { kind = $0; gsub(/[0-9]+/, "", kind); if (!(kind in refused)) print }' \
        "$work/plan" >"$work/verified"
}

measure_all() {
    local group contender heap command repetition process number
    total=$(awk -F'\t' -v once=" $ONCE " -v often=" $OFTEN " -v processes="$PROCESSES" \
        -v repetitions="$repetitions" '
            index(once, " " $1 " ") { total++; next }
            { total += repetitions * (index(often, " " $1 " ") ? processes : 1) }
            END { print total }' "$work/verified")
    finished=0 shown=-1 started=$SECONDS
    for ((repetition = 1; repetition <= repetitions; repetition++)); do
        for ((process = 1; process <= PROCESSES; process++)); do
            while IFS=$tab read -r group contender heap command <&3; do
                [ "$repetition" -eq 1 ] || ! is_once "$group" || continue
                number=$repetition
                if is_often "$group"; then
                    number=$(((repetition - 1) * PROCESSES + process))
                elif [ "$process" -gt 1 ]; then
                    continue
                fi
                progress "$group $contender $heap, repetition $repetition of $repetitions"
                measure "$group" "$contender" "$heap" "$command" "$number"
                finished=$((finished + 1))
            done 3<"$work/verified"
        done
    done
}

# ---- the record -------------------------------------------------------------------------------

# make_variable NAME: from the build's Makefile
make_variable() {
    sed -n "s/^$1 = //p" "$build/Makefile" 2>/dev/null | head -n 1
}

# NAME VERSION of what is measured and of what measures
versions() {
    local package version
    printf 'kernel\t%s\n' "$(uname -srm)"
    printf 'C library\t%s\n' "$(getconf GNU_LIBC_VERSION)"
    printf 'compiler\t%s\n' "$($(make_variable CC) --version 2>/dev/null | head -n 1)"
    printf 'compiler flags\t%s\n' "$(make_variable CFLAGS)"
    for package in libc6 libjemalloc2 libmimalloc2.0 libtcmalloc-minimal4 libapr1 libtalloc2 \
        libstdc++6 valgrind linux-perf wordnet-base cmark cpp-12 html2text jq libxml2 lua5.4 perl-base \
        protobuf-compiler python3-minimal python3-numpy sassc tidy xsltproc; do
        version=$(dpkg-query -W -f '${Version}' "$package" 2>/dev/null) || continue
        [ -z "$version" ] || printf '%s\t%s\n' "$package" "$version"
    done
}

commit() {
    if git -C "$here" rev-parse HEAD 2>/dev/null; then
        git -C "$here" diff --quiet HEAD || echo '(changed since)'
    else
        sed -n 's/^VERSION = //p' "$build/Makefile" 2>/dev/null
    fi
}

write_record() {
    versions >"$work/versions"
    sort -u -o "$work/skipped" "$work/skipped"
    jq -nr -L "$here" --arg date "$date" --arg command "${command_line% }" \
        --arg commit "$commit" --arg load "$load" --arg quick "$quick" \
        --arg once "$ONCE" --arg often "$OFTEN" --argjson processes "$PROCESSES" \
        --argjson repetitions "$repetitions" --argjson seconds "$SECONDS" \
        --arg cpu "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -n 1)" \
        --argjson cores "$(nproc)" \
        --argjson memory_kb "$(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)" \
        --rawfile versions "$work/versions" --rawfile skipped "$work/skipped" \
        --rawfile failures "$work/failures" --rawfile plan "$work/verified" \
        --rawfile samples "$work/samples" -f "$here/record.jq" >"$work/record"
    mv "$work/record" "$output"
}

date=$(date -u +%Y-%m-%dT%H:%M:%SZ)
commit=$(commit | paste -sd' ')
load=$(cut -d' ' -f1-3 /proc/loadavg)
verify_all
[ -s "$work/verified" ] || {
    note 'run.sh: nothing is left to measure'
    exit 1
}
measure_all
write_record
jq -r -L "$here" --slurpfile limits "$here/limits.json" -f "$here/table.jq" "$output" \
    >"${output%.json}.md"

failures=$(wc -l <"$work/failures")
note "$finished measurements in $(clock $SECONDS), $failures failed"
printf '%s\n' "$output" "${output%.json}.md"
[ "$failures" -eq 0 ]
