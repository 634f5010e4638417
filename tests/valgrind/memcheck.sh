#!/usr/bin/env bash
# valgrind-check.sh: what it reports on programs that do one thing wrong each, that it reports
# nothing on clean ones, and its exit status.
set -u
# shellcheck source=tests/tap.sh
. "${srcdir:-.}/tests/tap.sh"

[ -n "${VALGRIND-}" ] || plan_skip "valgrind is not installed"
grep -qx ac_cv_header_valgrind_memcheck_h=yes "$BUILDDIR/config.log" ||
    plan_skip 'built without the headers of valgrind'

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
checker=${srcdir:-.}/scripts/valgrind-check.sh
shim=$ARENASHIM_SHIM_PATH
command=$ARENASHIM
# The shim would name these as settings that it does not have.
unset ARENASHIM_SHIM_PATH ARENASHIM
export ARENASHIM_SHIM=$shim

build() {
    # shellcheck disable=SC2086 # CC may hold options
    $CC -g -O1 -pthread -I"${srcdir:-.}/include" "${srcdir:-.}/tests/valgrind/$1.c" -o "$work/$1"
}

# run NAME[/CASE] [VARIABLE=VALUE...]: builds and checks a program; sets status and output
run() {
    local name=${1%/*} case=()
    [[ $1 != */* ]] || case=("${1#*/}")
    shift
    if ! build "$name"; then
        not_ok "$name compiles"
        return
    fi
    status=0
    output=$(env "$@" "$checker" "$work/$name" "${case[@]}" 2>&1) || status=$?
}

run clean ARENASHIM_CAPACITY=64K
is "a clean program gives status 0" "$status" 0
is "... and nothing but its own output" "$output" $'kept\nkept'

run clean ARENASHIM_CAPACITY=64K VALGRIND_OPTS='--time-stamp=yes --xml=yes'
is "options that would change the report are overruled" "$status" 0
run clean ARENASHIM_CAPACITY=64K VALGRIND_OPTS=-q
is "a report that is left out is said to be" "$status:${output##*: }" \
    "125:valgrind did not finish, or was quiet (-q in VALGRIND_OPTS or a .valgrindrc); its status is 0"

run overrun
is "an overrun into the next block is found" "$status" 99
like "... as an invalid write" "$output" '^Invalid write of size 1'
like "... just behind the block" "$output" '0 bytes after a block of size 40'
like "... with the stack of the allocation" "$output" 'main \(overrun\.c:9\)'

run uninitialised
is "a use of what an earlier scope left behind is found" "$status" 99
like "... as uninitialised memory" "$output" 'depends on uninitialised value'

run stale
is "a use after the scope's end is found" "$status" 99
like "... as an invalid read" "$output" '^Invalid read of size 4'
like "... of a block that is gone" "$output" "0 bytes inside a block of size 4 free'd"
like "... with the stack of the scope's end" "$output" 'arena_scope_end'
like "... and of the allocation" "$output" "Block was alloc'd at"

run freed
is "a use after free in the scope is found" "$status" 99
like "... as an invalid read" "$output" "inside a block of size 4 free'd"

run leak
is "a leak outside scopes is found" "$status" 99
like "... as definitely lost" "$output" '123 bytes in 1 blocks are definitely lost'
unlike "... and scope memory is no leak" "$output" '77 bytes'

run left_open
is "a scope left open is found" "$status" 99
like "... and named" "$output" 'valgrind-check: 1 scopes were left open'

run retained/clean ARENASHIM_END=retain ARENASHIM_CAPACITY=16M
is "survivors that are freed in time give status 0" "$status" 0
is "... and no report" "$output" ''
run retained/freed ARENASHIM_END=retain
is "a use after free of a retained block is found" "$status" 99
like "... as such" "$output" "5 bytes inside a block of size 100 free'd"
run retained/large ARENASHIM_END=retain
is "... of a large one, too" "$status" 99
like "... as such" "$output" "40,000 bytes inside a block of size 50,000 free'd"
run retained/overrun ARENASHIM_END=retain
is "an overrun of a retained block is found" "$status" 99
like "... just behind the block" "$output" '0 bytes after a block of size 100'
run retained/uninitialised ARENASHIM_END=retain
is "a use of what a freed block left behind is found" "$status" 99
like "... as uninitialised memory" "$output" 'depends on uninitialised value'
run retained/leak ARENASHIM_END=retain
is "a leak of a retained block is found" "$status" 99
like "... as definitely lost" "$output" '100 bytes in 1 blocks are definitely lost'
like "... with the stack of the allocation" "$output" 'leave \(retained\.c:'

# No block of the C library's is alive in these, without which memcheck looks for no leaks.
run lost/clean ARENASHIM_SCOPES=process
is "a clean program that is one scope gives status 0" "$status" 0
is "... and no report" "$output" ''
run lost/main ARENASHIM_SCOPES=process
is "a leak in a process that is one scope is found" "$status" 99
like "... as definitely lost" "$output" '1,234 bytes in 1 blocks are definitely lost'
like "... with the stack of the allocation" "$output" 'lose \(lost\.c:'
like "... and nothing else" "$output" 'valgrind-check: memcheck reports 1 errors'
run lost/thread ARENASHIM_SCOPES=process
is "a leak of a started thread is found" "$status" 99
like "... as definitely lost" "$output" '777 bytes in 1 blocks are definitely lost'
like "... with the stack of the allocation" "$output" 'run \(lost\.c:'
like "... and nothing else" "$output" 'valgrind-check: memcheck reports 1 errors'

run children/clean
is "forked children that do nothing wrong give status 0" "$status" 0
is "... and no report" "$output" ''
run children/stale
is "a use after the scope's end in a forked child is found" "$status" 99
like "... as an invalid read" "$output" '^Invalid read of size 4'
run children/killed
is "... in one that is killed, too" "$status" 99
like "... as an invalid read" "$output" '^Invalid read of size 4'
run children/left_open
is "a scope left open in a forked child is found" "$status" 99
like "... and named" "$output" 'valgrind-check: 1 scopes were left open'
run children/misuse
is "a misuse in a forked child is found" "$status" 99
like "... and named" "$output" 'valgrind-check: 1 marks or blocks were misused'

mkdir "$work/a%b" "$work/a%p"
for directory in 'a%b' 'a%p'; do
    run clean ARENASHIM_CAPACITY=64K TMPDIR="$work/$directory"
    is "temporary files in $directory" "$status:$output" $'0:kept\nkept'
done

run status
is "the program's own status is passed on" "$status" 3

status=0
output=$("$checker" true 2>&1) || status=$?
is "a program without a routed call fails the check" "$status" 99
like "... and is told why" "$output" 'not one call was routed'

run clean ARENASHIM_DISABLE=1
is "a disabled shim fails the check" "$status" 99
run status ARENASHIM_DISABLE=1
is "... and is nothing against a program that fails" "$status" 3

status=0
output=$("$checker" /nonexistent 2>&1) || status=$?
is "a missing program is a failure of the check" "$status" 125

status=0
output=$("$checker" --what true 2>&1) || status=$?
is "an unknown option is a failure of the check" "$status" 125

output=$(env -u ARENASHIM_SHIM LD_PRELOAD="$shim" "$VALGRIND" -q "$work/clean" 2>&1)
like "plain valgrind is told which flag is missing" "$output" \
    'not in the path: valgrind replaces malloc.*--soname-synonyms=somalloc=nouserintercepts'

status=0
output=$("$command" check -- "$work/stale" 2>&1) || status=$?
is "arenashim check runs the same check" "$status" 99
like "... with the same report" "$output" "inside a block of size 4 free'd"

# check_command OPTION...: `arenashim check` with them, of a program that has no mark.
check_command() {
    status=0
    output=$(TMPDIR=$work "$command" check "$@" 2>&1) || status=$?
}

build lost
strip "$work/lost" -o "$work/stripped"
check_command --scope='main!run' -- "$work/lost" thread
is "arenashim check --scope: a leak in a named function is found" "$status" 99
like "... with the stack of the allocation" "$output" 'run \(lost\.c:'
unlike "... and the shim says nothing of shells and launchers" "$output" '^arenashim: '
check_command --scope='main!none' -- "$work/stripped" main
is "arenashim check --scope: a function that is not there" "$status" 99
is "... is one line" "$(grep -c 'matches no function' <<<"$output")" 1
check_command --scope='main!none' --scope-strict -- "$work/lost" main
is "arenashim check --scope-strict: the program is not started" "$status" 125
is "... for which there is one line" "$(grep -c 'is not started' <<<"$output")" 1
unlike "... and no other reason" "$output" 'valgrind-check'
check_command --scope='main!run' --scope-strict -- "$work/lost" thread
is "arenashim check --scope-strict: it is where all can be scopes" "$status" 99
check_command --scope=thread --end=reset -- "$work/lost" thread
is "arenashim check --end=reset: what a scope drops is no leak" "$status" 0
status=0
output=$(ARENASHIM_END=x "$command" check --scope=process -- "$work/lost" 2>&1) || status=$?
is "a variable with a bad value is one line" "$status:$(grep -c 'is not accepted' <<<"$output")" 0:1

status=0
"$checker" "$BUILDDIR/examples/recall/recall" --synthetic --queries 3 --threads 2 --seed 1 \
    >"$work/recall.out" 2>"$work/recall.err" || status=$?
is "recall is clean" "$status" 0
[ "$status" -eq 0 ] || tap_comment "$(tail -n 30 "$work/recall.err")"

done_testing
