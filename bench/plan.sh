#!/usr/bin/env bash
# Prints what a run measures, one line each, separated by tabs: GROUP CONTENDER HEAP COMMAND. What is
# not installed, or was not when the build was configured, is left out and named on stderr.
#
# usage: bench/plan.sh [--quick] BUILD-DIRECTORY
#
# The commands are for a shell whose environment has no ARENASHIM_ variables.
set -euo pipefail

quick=''
if [ "${1-}" = --quick ]; then
    quick=--quick
    shift
fi
if [ $# -ne 1 ] || ! [ -x "$1/bench/hot_paths" ]; then
    printf 'usage: bench/plan.sh [--quick] BUILD-DIRECTORY (with bench/hot_paths)\n' >&2
    exit 2
fi
build=$(cd "$1" && pwd)

# line GROUP CONTENDER HEAP COMMAND
line() {
    local words
    read -ra words <<<"$4"
    printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$3" "${words[*]}"
}

skip() {
    printf 'skipped: %s (%s)\n' "$1" "$2" >&2
}

# ---- contenders --------------------------------------------------------------------------------

shim=$build/.libs/libarenashim.so

# What is preloaded for each contender that is.
declare -A preload=(
    [glibc]=''
    [jemalloc]=libjemalloc.so.2
    [mimalloc]=libmimalloc.so.2
    [tcmalloc]=libtcmalloc_minimal.so.4
    [forward]=$build/bench/.libs/libforward.so
    [shim]=$shim
    [shim+stats]=$shim
)

# Whether the dynamic linker finds it; it says so when it does not.
can_preload() {
    [ -z "$(LD_PRELOAD=$1 env true 2>&1)" ]
}

peers=(glibc)
for name in jemalloc mimalloc tcmalloc; do
    if can_preload "${preload[$name]}"; then
        peers+=("$name")
    else
        skip "$name" "${preload[$name]} is not installed"
    fi
done

# The environment of a contender's process. Who runs it says where the statistics go.
environment() {
    printf 'LD_PRELOAD=%s' "${preload[$1]}"
    [ "$1" != shim+stats ] ||
        printf ' ARENASHIM_STATS=json'
}

# The option by which a program makes sure that the contender is in its process.
expect() {
    [ -z "${preload[$1]}" ] || printf -- '--expect %s' "$(basename "${preload[$1]}")"
}

# The option by which a program litters its heap first: litter HEAP
litter() {
    [ "$1" = clean ] || echo --littered
}

# The scoped forms of allocators: contender, program, library.
scoped_forms() {
    cat <<FORMS
jemalloc-arena work-jemalloc libjemalloc
jemalloc-mallocx work-jemalloc-mallocx libjemalloc
mimalloc-heap work-mimalloc libmimalloc
apr work-apr libapr
talloc work-talloc libtalloc
obstack work-obstack libc.so
pmr work-pmr libstdc++
arena work-arena libc.so
bump work-bump libc.so
FORMS
}

# ---- hot paths ---------------------------------------------------------------------------------

plan_hot() {
    local name heap
    for heap in clean littered; do
        for name in "${peers[@]}" forward shim shim+stats; do
            line hot "$name" "$heap" "$(environment "$name") ARENASHIM_CAPACITY=32M \
$build/bench/hot_paths $(expect "$name") $(litter "$heap") $quick"
        done
    done
}

# ---- scope-shaped work, by one thread and by many -----------------------------------------------

# Blocks from malloc: plan_work GROUP HEAP OPTION CONTENDER...
plan_work() {
    local group=$1 heap=$2 option=$3 name program
    shift 3
    option+=" $(litter "$heap")"
    for name in "$@"; do
        case $name in
        shim-free) program=work-shim-free ;;
        shim*) program=work-shim ;;
        *) program=work-malloc ;;
        esac
        line "$group" "$name" "$heap" "$(environment "${name%-free}") $build/bench/$program \
$(expect "${name%-free}") $option $quick"
    done
}

# Blocks from a peer's scoped form: plan_scoped_forms GROUP HEAP OPTION
plan_scoped_forms() {
    local group=$1 heap=$2 option=$3 name program library
    option+=" $(litter "$heap")"
    while read -r name program library; do
        [ ! -x "$build/bench/$program" ] ||
            line "$group" "$name" "$heap" "LD_PRELOAD= $build/bench/$program \
--expect $library $option $quick"
    done < <(scoped_forms)
}

skip_scoped_forms() {
    local name program library
    while read -r name program library; do
        [ -x "$build/bench/$program" ] ||
            skip "$name" "$library was not there when this was configured"
    done < <(scoped_forms)
}

plan_scope() {
    local heap
    for heap in clean littered; do
        plan_work scope "$heap" '' "${peers[@]}" shim shim-free shim+stats
        plan_scoped_forms scope "$heap" ''
    done
}

plan_threads() {
    local count counts=(1 2 4 8 16 32)
    [ -z "$quick" ] || counts=(1 2 8 32)
    for count in "${counts[@]}"; do
        plan_work threads clean "--threads $count" "${peers[@]}" shim
        [ -z "$quick" ] || continue
        plan_scoped_forms threads clean "--threads $count"
        [[ $count = 4 || $count = 16 ]] ||
            plan_work threads littered "--threads $count" "${peers[@]}" shim
    done
}

# ---- the example kernels -----------------------------------------------------------------------

# The capacity is the smallest power of two in which no query overflows: the largest draws 3,141,456
# bytes.
plan_kernels() {
    local heap=$1 name option
    for option in '' --recall; do
        for name in "${peers[@]}" shim; do
            line kernels "$name" "$heap" "$(environment "$name") ARENASHIM_CAPACITY=4M \
$build/bench/kernels $(expect "$name") $option $(litter "$heap") $quick"
        done
    done
}

plan_process() {
    local name
    for name in "${peers[@]}" shim; do
        line kernels "$name" clean "$(environment "$name") ARENASHIM_CAPACITY=4M \
$build/bench/process $build/examples/recall/recall $(expect "$name") $quick"
    done
}

# ---- memory ------------------------------------------------------------------------------------

# The largest scope fits in the fitted capacity. Scopes that retain are for programs that free.
plan_memory() {
    local heap=$1 options name program library shim_environment
    options=$quick
    [ "$heap" = clean ] || options='--littered --quick' # every second size is enough beside the others
    for name in "${peers[@]}"; do
        line memory "$name" "$heap" "$(environment "$name") $build/bench/growth-malloc \
$(expect "$name") $options"
    done
    shim_environment=$(environment shim)
    line memory shim "$heap" "$shim_environment $build/bench/growth-shim $(expect shim) $options"
    line memory shim-fitted "$heap" "$shim_environment ARENASHIM_CAPACITY=80M \
$build/bench/growth-shim $(expect shim) $options"
    line memory shim-retain "$heap" "$shim_environment ARENASHIM_END=retain \
$build/bench/growth-shim-free $(expect shim) $options"
    while read -r name program library; do
        program=$build/bench/${program/work-/growth-}
        [ ! -x "$program" ] ||
            line memory "$name" "$heap" "LD_PRELOAD= $program --expect $library $options"
    done < <(scoped_forms)
}

skip_scoped_forms
plan_hot
plan_scope
plan_threads
[ -e /usr/share/wordnet/data.noun ] ||
    skip 'spreading over WordNet, and recall on it' 'wordnet-base is not installed'
plan_kernels clean
plan_process
plan_memory clean
if [ -z "$quick" ]; then
    plan_kernels littered
    plan_memory littered
fi
