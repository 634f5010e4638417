#!/usr/bin/env bash
# Wrapped calls as a whole: programs and libraries under `arenashim run --scope`, whose functions
# are scopes by their names. What is asserted of each run: routed calls, the exact number of scopes
# at the site, scopes left open, no misuse.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

[ -r "${shim%/*}/libarenashim-wrap.so" ] || plan_skip 'the part that wraps functions is not built'
export limit=120

# named SPECS PROGRAM ARGUMENT...: SPECS are separated by blanks.
named() {
    local specs
    read -ra specs <<<"$1"
    shift
    rm -f "$tmp/stats"
    capture "$arenashim" run --stats=json --stats-file="$tmp/stats" "${specs[@]/#/--scope=}" \
        -- "$@"
}

# scopes DESCRIPTION ERE COUNT: as many at the sites whose label matches.
scopes() {
    stat_is "$1: scopes" "[.sites[] | select(.label | test(\"$2\")) | .scopes] | add" "$3"
}

# ends DESCRIPTION LEFT_OPEN
ends() {
    stat_is "$1: left open, misuses" '"\(.left_open) \(.misuses)"' "$2 0"
}

# padded NAME FLAG... SOURCE: build, with as many bytes in front that all functions are wrapped at their
# entries: what looks like a branch to one, as part of an address perhaps, forbids it.
padded() {
    local padding
    for padding in 16 32 64 128; do
        build "$1" "-DPADDING=$padding" "${@:2}" || return
        capture "$arenashim" scopes --scope='main!w_*' -- "$tmp/$1"
        [[ $err$out = *'a branch goes to its first bytes'* || $out = *'GOT of'* ]] || break
    done
}

# ---- arguments and results ---------------------------------------------------------------------

echo 'int main(void) { return 0; }' >"$tmp/empty.c"
classes() {
    local name=$1 kind
    shift
    if ! padded classes "$@" classes.c; then
        if build empty "$@" "$tmp/empty.c"; then
            not_ok "$name compiles"
        else
            skip "$name" 'the compiler does not take it'
        fi
        return
    fi
    for kind in retain reset; do
        export CLASSES_RESET=
        [ $kind = reset ] || unset CLASSES_RESET
        named "$kind:main!w_*" "$tmp/classes"
        routed "$name, $kind"
        scopes "$name, $kind" '^classes!w_' "$out"
        ends "$name, $kind" 0
    done
    unset CLASSES_RESET
}

protection=-fcf-protection=full
[ "$(uname -m)" != aarch64 ] || protection=-mbranch-protection=standard
for level in -O0 -O2 -O3; do
    classes "$cc $level" $level
done
classes "control-flow protection" -O2 "$protection"
classes "patchable entries, before the function, too" -O2 -fpatchable-function-entry=7,3
classes "nops for fentry" -O2 -fno-pie -no-pie -pg -mfentry -mnop-mcount
classes "no PIE, frame pointers, stack protector" \
    -O2 -fno-pie -no-pie -fno-omit-frame-pointer -fstack-protector-all
gcc=$cc cc=clang
if have clang; then
    classes clang -O2 "$protection"
    classes "clang, patchable entries" -O2 -fpatchable-function-entry=8
else
    skip clang 'it is not installed'
fi
cc=$gcc

registers=$here/$(uname -m)
need kept -O2 -I"$registers" kept.c "$registers/registers.S"
for kind in retain reset; do
    named "$kind:main!registers_target $kind:main!w_around" "$tmp/kept"
    routed "registers, $kind"
    scopes "registers, $kind" '^kept!registers_target$' 400
    ends "registers, $kind" 0
done

# ---- ways to call ------------------------------------------------------------------------------

need liblinked.so -shared -fPIC -O2 -DLIBRARY linked.c
# Libraries stand behind what needs them, where build takes no options.
link=(-L"$tmp" -llinked "-Wl,-rpath,$tmp")
# shellcheck disable=SC2086
link_with() {
    local name=$1
    shift
    $cc -O2 -D_GNU_SOURCE -I"$source_dir/include" -I"$source_dir/tests/preload" -o "$tmp/$name" \
        "$@" "$source_dir/tests/wrap/linked.c" "${link[@]}"
}
check 'the plugin links' link_with linked_plugin.so -shared -fPIC -DPLUGIN
for way in '-Wl,-z,lazy' '-Wl,-z,now' '-fno-plt' '-fno-pie -no-pie'; do
    read -ra options <<<"$way"
    check "$way: links" link_with linked "${options[@]}"
    for kind in retain reset; do
        named "$kind:liblinked.so!l_draws" "$tmp/linked" "$tmp/linked_plugin.so"
        routed "$way, $kind"
        scopes "$way, $kind" '^liblinked.so!l_draws$' 10
        ends "$way, $kind" 0
    done
done

# ---- situations --------------------------------------------------------------------------------

check 'calls.c compiles' padded calls -O2 -g -rdynamic calls.c
need plugin.so -shared -fPIC -O2 -DNAME=p_ named_lib.c
export PLUGIN=$tmp/plugin.so

# in_both CASE SCOPES LEFT_OPEN: the case of calls.c, with scopes that retain and that reset. SCOPES
# '' says that the program has printed how many calls there were in its handler, and that there were
# `extra` others. `more` holds further specs.
run_calls() {
    named "$1:main!w_* ${more-}" "$tmp/calls" "$2"
}
in_both() {
    local kind
    for kind in retain reset; do
        unset WRAPPED_RESET
        [ $kind = retain ] || export WRAPPED_RESET=1
        run_calls $kind "$1"
        routed "$1, $kind"
        scopes "$1, $kind" '^calls!w_' "${2:-$((out + extra))}"
        ends "$1, $kind" "$3"
    done
    unset WRAPPED_RESET
}

in_both recursion 2058 0
in_both deep_recursion 512 0
in_both keep_errno 8 0
in_both thread_exit 550 0
in_both cancel 250 0
in_both call_exit 3 2
is 'call_exit: handlers run' "$out" handler
run_calls retain call_quick_exit
is 'call_quick_exit: handlers run, and nothing is said' "$status:$out:$err" 0:handler:
in_both jump_out 2000 1000
in_both jump_out_of_many 525 475
in_both jump_to_a_call 350 300
in_both jump_out_of_marks 100 150
in_both signal_stacks 802 0
in_both jump_off_signal_stacks 802 400
ARENASHIM_MODULES='+libx*,+foo*' in_both signal_room 1 0
in_both level_room 103 0
ARENASHIM_STACK=0 in_both level_room 103 0
# in_each CASE SCOPES LEFT_OPEN RESET_SCOPES RESET_LEFT_OPEN OTHER_STACKS: where calls run on other stacks,
# where those that drop are no scopes, which is counted. LEFT_OPEN '': how many is chance.
in_each() {
    unset WRAPPED_RESET
    run_calls retain "$1"
    routed "$1, retain"
    scopes "$1, retain" '^calls!w_' "$2"
    [ -z "$3" ] || ends "$1, retain" "$3"
    stat_is "$1, retain: misuses" .misuses 0
    export WRAPPED_RESET=1
    run_calls reset "$1"
    routed "$1, reset"
    scopes "$1, reset" '^calls!w_' "$4"
    ends "$1, reset" "$5"
    stat_is "$1, reset: calls on other stacks" .other_stacks "$6"
    unset WRAPPED_RESET
}
# The entry of a context does not return, and its scope is closed as one that was left.
in_each one_context 41 20 1 0 40
in_each contexts_take_turns 600 '' 420 0 180
if [ -z "${EMULATED-}" ]; then
    in_each other_stacks 164 0 44 0 120
else
    skip other_stacks 'QEMU knows no SS_AUTODISARM'
fi
rm -f "$tmp"/stats.*
in_both forks 20 0
is 'forks: each child has one scope of its own' \
    "$(cat "$tmp"/stats.* | jq -s -c '[length, (map(.scopes) | add), (map(.misuses) | add)]')" \
    '[20,20,0]'
export ARENASHIM_FOLLOW=0
if [ -z "${EMULATED-}" ]; then
    in_both vforks 20 10
else
    in_both vforks 10 0 # QEMU gives the child memory of its own
fi
unset ARENASHIM_FOLLOW
more='plugin.so!p_sum plugin.so!p_inside plugin.so!p_looped'
in_both loads 5 0
scopes 'loads: the library' '^plugin.so!p_(looped|inside|sum)$' 15
more=
in_both many_threads 640000 0
stat_is 'many_threads: each function is a site' \
    '[.sites[] | select(.label | startswith("calls!w_many_")) | .scopes] | unique | tostring' '[12800]'
extra=1200012
in_both timer_signals '' 0
extra=52
if [ "$(uname -m)" = x86_64 ]; then
    in_both every_instruction '' 0
else
    skip 'every_instruction' 'the processor cannot'
fi

model() {
    named 'retain:main!w_model_retain reset:main!w_model_reset' "$tmp/calls" at_random
    routed "at random, seed $SEED ${ARENASHIM_CAPACITY-}"
    stat_is "at random, seed $SEED: scopes of both kinds" \
        '[.sites[] | select(.label | startswith("calls!")) | .scopes] | sort | reverse |
         map(tostring) | join(" ")' "$out"
    ends "at random, seed $SEED" 0
}
for SEED in ${SEEDS:-1 2 3 4 5 6}; do
    export SEED
    model
    ARENASHIM_CAPACITY=64M model
done

# ---- C++ ---------------------------------------------------------------------------------------

if build cxx -O2 calls.cc; then
    in_cxx() {
        local kind
        for kind in retain reset; do
            named "$kind:main!calls::[!G]*" "$tmp/cxx" "$1"
            routed "$1, $kind"
            scopes "$1, $kind" '^cxx!calls::' "$2"
            ends "$1, $kind" "$3"
        done
    }
    in_cxx throws 1460 0
    stat_is 'throws: the sites have the names of C++' '[.sites[].label] | sort | join(", ")' \
        'cxx!calls::catcher(int), cxx!calls::rethrower(int), cxx!calls::thrower<int>(int)'
    in_cxx throws_through_methods 60 0
    in_cxx keeps_an_exception 9 0
    in_cxx terminates 3 3
    # The unwinder's own functions, where it is in the program; scopes stay open then.
    if build cxx_static -O2 -static-libgcc calls.cc &&
        nm "$tmp/cxx_static" | grep -q ' _Unwind_RaiseException_Phase2$'; then
        named 'main!_Unwind_* main!uw_*' "$tmp/cxx_static" throws
        scopes 'a wrapped unwinder' '^cxx_static!_Unwind_RaiseException_Phase2$' 1430
    else
        skip 'a wrapped unwinder' 'the compiler links none into the program'
    fi
else
    not_ok 'C++ compiles' "$err"
fi

# Pages into which an indirect call goes to a landing pad alone, and return addresses that are signed.
if [ "$(uname -m)" = aarch64 ]; then
    cat >"$tmp/guarded.c" <<'EOF'
#include <stdlib.h>
#ifdef LIBRARY
void *kept;
int g_leaf(int a) { return a + 1; }
int g_draws(int a) { kept = malloc(50); free(kept); return a; }
#else
int g_leaf(int), g_draws(int);
int main(void)
{
    int (*volatile leaf)(int) = g_leaf, (*volatile draws)(int) = g_draws, sum = 0;
    for (int i = 0; i < 10; i++)
        sum += leaf(i) + draws(i);
    return sum != 100;
}
#endif
EOF
    need libguarded.so -O2 -mbranch-protection=standard -fPIC -shared -nostartfiles -DLIBRARY "$tmp/guarded.c" \
        -Wl,-z,force-bti
    check 'guarded pages: compiles' "${cc%% *}" -o "$tmp/guarded" "$tmp/guarded.c" "$tmp/libguarded.so"
    under ARENASHIM_SCOPES='libguarded.so!g_*' "$tmp/guarded"
    routed 'guarded pages'
    scopes 'guarded pages' '^libguarded.so!g_' 20
fi

# Copied instructions have tables for unwinders.
if [ ${#clang_flags[@]} -gt 0 ]; then
    skip 'handlers that throw' 'clang knows no exceptions but from calls'
elif build faults -O2 -fnon-call-exceptions faults.cc; then
    for kind in retain reset; do
        named "$kind:main!w_*" "$tmp/faults" faults
        routed "handlers that throw, $kind"
        scopes "handlers that throw, $kind" '^faults!w_' 100
        ends "handlers that throw, $kind" 0
        if [ "$(uname -m)" != x86_64 ]; then
            skip "callers are told from every instruction, $kind" 'a program steps by itself on x86-64 alone'
            continue
        fi
        named "$kind:main!w_*" "$tmp/faults" every_instruction
        routed "callers are told from every instruction, $kind"
        scopes "callers are told from every instruction, $kind" '^faults!w_' 3
    done
else
    not_ok 'functions that throw from faults compile' "$err"
fi

# ---- tools -------------------------------------------------------------------------------------

run_calls retain traces
routed 'backtrace()'
is 'backtrace() names the callers' \
    "$(sed -n 's/.*(\([a-z_]*\)+.*/\1/p' "$tmp/out" | grep -E '^(w_|not_wrapped|main)' | xargs)" \
    'w_trace w_inner not_wrapped main'

unset DEBUGINFOD_URLS
if have gdb; then
    capture gdb -nx -q -batch -iex 'set startup-with-shell off' \
        -ex "set environment LD_PRELOAD $shim" -ex 'set environment ARENASHIM_SCOPES calls!w_*' \
        -ex 'break stop_here' -ex run -ex bt --args "$tmp/calls" traces
    is 'gdb names the callers' \
        "$(sed -n 's/^#[0-9]* *\(0x[0-9a-f]* in \)\{0,1\}\([a-z_]*\) (.*/\2/p' "$tmp/out" | xargs)" \
        'stop_here w_trace wrap_thunk w_inner wrap_thunk not_wrapped traces run_case main'
else
    skip 'gdb names the callers' 'gdb is not installed'
fi

for kind in retain reset; do
    need tail -O2 tail.c
    under ARENASHIM_SCOPES="$kind:tail!w_*" "$tmp/tail"
    if objdump -d "$tmp/tail" 2>/dev/null | grep -A6 '<w_tail>:' | grep -E '\<(jmp|b)\>.*malloc@plt' >/dev/null; then
        is "$kind: a function that ends in a jump to malloc: works" "$status:$out:$err" 0:works:
        stat_is "$kind: a function that ends in a jump to malloc is the caller" \
            '"\(.routed_calls) \(.passed_in_scope.total)"' '100 0'
    else
        skip "$kind: a function that ends in a jump to malloc" 'the compiler makes none'
    fi
done

# memcheck KIND PROGRAM CASE: nothing is reported, and nothing is leaked.
memcheck() {
    rm -f "$tmp/stats"
    capture env LD_PRELOAD="$shim" ARENASHIM_SCOPES="$1" ARENASHIM_STATS=json \
        ARENASHIM_STATS_FILE="$tmp/stats" valgrind -q --error-exitcode=9 --leak-check=full \
        --soname-synonyms=somalloc=nouserintercepts "$tmp/$2" "$3"
    routed "memcheck, $1, $3"
}
if valgrind_runs; then
    # Not signal_stacks: when stacks lie near each other, memcheck takes a change from one to the other
    # for growth, and the memory between for given up.
    for name in recursion keep_errno thread_exit; do
        memcheck 'retain:calls!w_*' calls $name
        WRAPPED_RESET=1 memcheck 'reset:calls!w_*' calls $name
    done
    memcheck 'retain:cxx!calls::[!G]*' cxx throws
else
    skip memcheck 'valgrind does not run here'
fi
done_testing
