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
    [shim-default]=$shim
    [process]=$shim
    [named]=$shim
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

# Calls of functions that are scopes.
plan_wrapped() {
    local specs='retain:libempty.so!bench_empty_retain;reset:libempty.so!bench_empty_reset'
    if [ -f "$build/.libs/libarenashim-wrap.so" ]; then
        line hot named clean "$(environment named) ARENASHIM_SCOPES='$specs;retain:main!retain_pair' \
$build/bench/wrapped $(expect named)"
    else
        skip 'functions as scopes' 'this was configured without wrapping'
    fi
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
# bytes. That of shim-default is the default.
plan_kernels() {
    local heap=$1 name option
    [ "$heap" != clean ] ||
        line kernels shim-default clean "$(environment shim-default) $build/bench/kernels \
$(expect shim-default) --recall $quick"
    for option in '' --recall; do
        for name in "${peers[@]}" shim; do
            line kernels "$name" "$heap" "$(environment "$name") ARENASHIM_CAPACITY=4M \
$build/bench/kernels $(expect "$name") $option $(litter "$heap") $quick"
        done
    done
}

# The preload is for a program that another process starts.
preloaded() {
    [ -z "${preload[$1]}" ] || printf -- '--preload %s' "${preload[$1]}"
}

plan_process() {
    local name capacity size=wordnet
    [ -e /usr/share/wordnet/data.noun ] || size=synthetic
    for name in "${peers[@]}" shim; do
        line kernels "$name" clean "ARENASHIM_CAPACITY=4M $build/bench/process \
--name recall_process --size $size $(preloaded "$name") -- $build/examples/recall/recall --queries=1000"
    done
    # As scripts/demo.sh runs it.
    for name in shim shim-default; do
        capacity=''
        [ "$name" = shim-default ] || capacity=ARENASHIM_CAPACITY=4M
        line kernels "$name" clean "$capacity $build/bench/process --name recall_demo \
--size $size $(preloaded "$name") -- $build/examples/recall/recall --queries=2000 --seed=1"
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

# Scopes that leave blocks behind retain.
plan_lasting() {
    local name case retain
    for case in survivors xmalloc steps fork; do
        name=shim retain=''
        case $case in
        survivors | xmalloc) name=shim-retain retain=ARENASHIM_END=retain ;;
        esac
        line memory glibc clean "$(environment glibc) $build/bench/lasting $quick $case"
        line memory "$name" clean "$(environment shim) $retain $build/bench/lasting $(expect shim) \
$quick $case"
    done
}

# ---- whole programs ----------------------------------------------------------------------------

programs=$(cd "$(dirname "$0")" && pwd)/programs
inputs=$build/bench/inputs

# program_line CONTENDER ENVIRONMENT NAME SIZE THREADS COMMAND
program_line() {
    line programs "$1" clean "$2 $build/bench/process --name $3 --size $4 --threads $5 \
$(preloaded "$1") -- $6"
}

# program [--size SIZE] [--threads N] [--need FILE] NAME COMMAND: with each contender. Of the shim
# these are one that passes all calls on, and the whole process as one scope. Without the needed file,
# which is the command's unless it is named, the program is left out.
program() {
    local size=- threads=1 need='' contender contenders=("${peers[@]}")
    while [[ $1 = --* ]]; do
        case $1 in
        --size) size=$2 ;;
        --threads) threads=$2 ;;
        --need) need=$2 ;;
        esac
        shift 2
    done
    : "${need:=${2%% *}}"
    if ! [ -e "$need" ]; then
        skip "program $1" "$need is not there"
        return
    fi
    [ -n "$quick" ] || contenders+=(shim)
    for contender in "${contenders[@]}"; do
        program_line "$contender" '' "$1" "$size" "$threads" "$2"
    done
    program_line process 'ARENASHIM_SCOPES=process' "$1" "$size" "$threads" "$2"
    line programs advised clean "$programs/advised.sh $build --name $1 --size $size \
--threads $threads -- $2"
}

# Of xmllint the function that handles a file is a scope, too.
plan_named() {
    local function
    if function=$("$programs/named.sh" "$build" /usr/bin/xmllint 2>/dev/null); then
        program_line named "ARENASHIM_SCOPES=retain:$function" xmllint \
            - 1 "$1"
    else
        skip 'a function of xmllint as a scope' 'it is not found: see bench/programs/named.sh'
    fi
}

# Arrays of so many bytes, and so many times.
plan_numpy() {
    local size times
    while read -r size times; do
        program --need /usr/lib/python3/dist-packages/numpy --size "$size" numpy \
            "/usr/bin/python3 $programs/arrays.py $size $times"
    done
}

plan_programs() {
    local xmllint compiler
    xmllint="/usr/bin/xmllint --noout $inputs/xml/*.xml"
    program xmllint "$xmllint"
    ! [ -e /usr/bin/xmllint ] || plan_named "$xmllint"
    program perl "/usr/bin/perl $programs/words.pl $inputs/pages.md"
    program --threads 4 server "$build/bench/server"
    if [ -n "$quick" ]; then
        plan_numpy <<<'1048576 64'
        return
    fi
    printf '%s\n' '65536 8000' '1048576 256' '8388608 32' '33554432 5' | plan_numpy
    compiler=$(gcc -print-prog-name=cc1 2>/dev/null) || true
    program cc1 "${compiler:-cc1} -quiet -fpreprocessed -O1 $inputs/kernels.i -o -"
    program cmark "/usr/bin/cmark $inputs/pages.md"
    program html2text "/usr/bin/html2text $inputs/tables.html"
    program jq "/usr/bin/jq -c '{id,name,tags:(.tags|sort)}' $inputs/records.json"
    program lua "/usr/bin/lua5.4 $programs/tables.lua"
    program protoc "/usr/bin/protoc --descriptor_set_out=/dev/stdout -I$inputs $inputs/interface.proto"
    program python "/usr/bin/python3 $programs/records.py $inputs/records.json"
    program sassc "/usr/bin/sassc $inputs/style.scss"
    program tidy "/usr/bin/tidy -quiet -indent $inputs/tables.html"
    program xsltproc "/usr/bin/xsltproc $programs/orders.xsl $inputs/xml/[01]*.xml"
}

skip_scoped_forms
plan_hot
plan_wrapped
plan_scope
plan_threads
[ -e /usr/share/wordnet/data.noun ] ||
    skip 'spreading over WordNet, and recall on it' 'wordnet-base is not installed'
plan_kernels clean
plan_process
plan_programs
plan_memory clean
plan_lasting
if [ -z "$quick" ]; then
    plan_kernels littered
    plan_memory littered
fi
