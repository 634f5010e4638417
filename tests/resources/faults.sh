#!/usr/bin/env bash
# Every call that the shim makes of the system fails once, and every call from there on: the
# program's output and status stay as they are, and the shim says at most what the manual says that
# it says. A library between the shim and the C library makes the calls fail (fault_lib.c).
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need faults -O2 faults.c
need cxx -O2 -std=c++11 faults.cc
need fault_lib.so -shared -fPIC -O2 fault_lib.c
log=$tmp/log
export ARENASHIM_CAPACITY=8K

capture "$tmp/faults"
ran=$status:$out
check 'the program works without the shim' grep -Eqx '7:sum [0-9]+' <<<"$ran"

# with [VARIABLE=VALUE...]: the program under the shim. Its children exit first, so that the
# statistics are its own. Runs without env and timeout: there are many runs, and the library between
# sets an alarm.
with() {
    : >"$log"
    : >"$tmp/stats"
    status=0
    (
        # shellcheck disable=SC2163
        export LD_PRELOAD="$shim $tmp/fault_lib.so" FAULT_LOG="$log" ARENASHIM_STATS=json \
            ARENASHIM_STATS_FILE="$tmp/stats" "$@"
        exec "$tmp/faults"
    ) >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
    out=$(<"$tmp/out")
    err=$(<"$tmp/err")
}

routed_calls() {
    [[ $(<"$tmp/stats") =~ \"routed_calls\":\ ([0-9]+) ]] || BASH_REMATCH=(0 0)
    echo "${BASH_REMATCH[1]}"
}

signature='"\(.scopes) \(.routed_calls) \(.threads) \(.overflows) \(.misuses)"'
with
is 'without faults: the program works, quietly' "$status:$out:$err" "$ran:"
usual=$(stat "$signature")
calls=$(routed_calls)
check "without faults: calls are routed ($usual)" test "$calls" -gt 0

# All that the shim may say here, after "arenashim: ".
no_hook='routing is off: the system refuses to call the shim at thread exit or after fork'
no_region='routing is off: the system refuses the address space for one arena of (8192|65536) bytes .*'
no_arena='a thread gets no arena: the system refuses (memory for it|to call the shim at its exit); .*'
no_statistics="the statistics cannot be written to '$tmp/(made/)?stats(\.[0-9]+)*': .*"
no_name='loaded twice: .* serves, and this copy is idle: an unknown object'
messages="arenashim: ($no_hook|$no_region|$no_arena|$no_statistics|$no_name)"
! counts_lines || messages="($messages|profiling:.*)"

# What is wrong with the last run, nothing if it is as it should be. The program and its two
# children say each thing once.
wrong() {
    local line
    declare -A said=()
    [ "$status:$out" = "$ran" ] || echo "status and output: $status:$out"
    while read -r line; do
        said[$line]=$((${said[$line]-0} + 1))
        [[ $line =~ ^$messages$ ]] && [ "${said[$line]}" -le 3 ] || echo "$line"
    done <"$tmp/err"
}

# every FUNCTION [VARIABLE=VALUE...]: one run for each call of the function, until there are no more.
# Sets `runs`, and `least` to the fewest routed calls.
every() {
    local function=$1 found problem number=0
    shift
    found=
    least=$calls
    while :; do
        number=$((number + 1))
        with FAULT_IN="$function" FAULT_AT="$number" "$@"
        [ -s "$log" ] || break
        problem=$(wrong)
        [ -z "$problem" ] || found+="call $number: $problem"$'\n'
        if [ -n "${count_routed-}" ]; then
            routed=$(routed_calls)
            [ "$routed" -ge "$least" ] || least=$routed
        fi
    done
    runs=$((number - 1))
    [ "$status:$out:$err" = "$ran:" ] || found+="without a fault: $(last_run)"
    is "$function fails${*:+, $*} ($runs calls): the program works" "$found" ''
    check "$function fails${*:+, $*}: it was called" test "$runs" -gt 0
}

# Calls of the shim that cannot fail, or whose failure means that the process cannot run at all
# (dlsym of malloc), and addresses of variables. Everything else stands in fault_lib.c. (libgcc asks AArch64 for
# its atomic instructions; a compiler that guards against overflows has forms of its own.)
never='_ITM_.* __cxa_finalize __gmon_start__ __errno_location _?_?environ sys_(errlist|nerr) __progname __getauxval
    program_invocation(_short)?_name abort basename dlv?sym fnmatch getauxval getpid gettid mem[a-z]+
    secure_getenv sched_yield str[a-z_]+ raise sigemptyset __[lt]san_[a-z_]+ __libc_stack_end _exit dlerror
    pthread_self stpcpy syscall dl_iterate_phdr pthread_setcancelstate pthread_sigmask sig(add|fill)set
    sigismember sigpending geteuid sigtimedwait tgkill ftrylockfile fflush_unlocked funlockfile stdout sbrk sysconf _r_debug
    __(mem|st)[a-z]+_chk __stack_chk_fail bcmp gnu_get_libc_version'
not_made_to_fail() {
    # shellcheck disable=SC2086
    comm -23 <(nm -D --undefined-only "$shim" | sed 's/.* //; s/@.*//' | sort -u) \
        <(nm -D --defined-only "$tmp/fault_lib.so" | sed 's/.* //; s/@.*//' | sort -u) |
        grep -Evx "$(printf '%s|' $never)"
}
all='every function that the shim calls is made to fail'
if counts_lines; then
    skip "$all" 'what counts lines calls functions of its own'
else
    is "$all" "$(not_made_to_fail)" ''
fi

# The program does not notice.
count_routed=yes
every madvise
is 'madvise fails: as many calls are routed' "$least" "$calls"
every madvise FAULT_ALWAYS=yes
is 'madvise fails from there on: as many calls are routed' "$least" "$calls"

# Before glibc 2.35 nobody is asked for object files.
find_object=_dl_find_object
if nm -D --undefined-only "$shim" | grep -q ' _r_debug'; then
    find_object=
fi

# One refusal costs one arena, for one scope, or the calls that did not fit.
for function in mmap mprotect pthread_setspecific $find_object; do
    every "$function"
    check "$function fails: most calls are routed ($least of $calls)" \
        test "$((least * 2))" -gt "$calls"
done
count_routed=
for function in mprotect pthread_setspecific $find_object mmap; do
    every "$function" FAULT_ALWAYS=yes
done

# Routing is off, and what it was refused for is said.
for function in pthread_key_create __register_atfork; do
    every "$function"
    with FAULT_IN="$function" FAULT_AT=1
    one_line "$function fails: one line" "$no_hook"
    is "$function fails: nothing is routed" "$(routed_calls)" 0
done
with FAULT_IN=mmap FAULT_AT=1 FAULT_ALWAYS=yes
one_line 'mmap always fails: one line' "$no_region"
# The first two ask where the region may be.
with FAULT_IN=mmap FAULT_AT=3 FAULT_ALWAYS=yes
one_line 'no memory is mapped: one line' "$no_arena"
with FAULT_IN=mmap FAULT_AT=2 ARENASHIM_LIMIT=1024G
one_line 'fewer addresses than the limit: one line' \
    'ARENASHIM_LIMIT: an arena may grow to [0-9]+ bytes, and not to 1099511627776: there are not as many addresses'
check 'fewer addresses than the limit: routed' test "$(routed_calls)" -gt 0

# Statistics that cannot be written.
for function in open openat write close poll statx fstat stat renameat clock_gettime __cxa_at_quick_exit; do
    every "$function"
    every "$function" FAULT_ALWAYS=yes
done
with FAULT_IN=renameat FAULT_AT=1 FAULT_ALWAYS=yes
beside=$(sed -n "s|.*to '$tmp/stats': Device or resource busy; they are in '\\(.*\\)'\$|\\1|p" <<<"$err")
is 'rename fails: they are where the line says' "$(jq -r "$signature" "$beside")" "$usual"
rm "$tmp"/.arenashim-*
rm -rf "$tmp/made"
with FAULT_IN=mkdirat FAULT_AT=1 FAULT_ALWAYS=yes ARENASHIM_STATS_FILE="$tmp/made/stats"
is 'mkdirat fails: the program works' "$status:$out:$(wrong)" "$ran:"
with FAULT_IN=write FAULT_AT=1 FAULT_ALWAYS=yes FAULT_AS=short
is 'one byte a write: the program works, quietly' "$status:$out:$err" "$ran:"
is 'one byte a write: the statistics are complete' "$(stat "$signature")" "$usual"
every write FAULT_AS=interrupted
with FAULT_IN=write FAULT_AT=1 FAULT_AS=interrupted
is 'an interrupted write is repeated' "$err:$(stat "$signature")" ":$usual"
every write FAULT_AS=nothing
every write FAULT_AS=nothing FAULT_ALWAYS=yes

# Scopes that retain. Memory that is refused costs the calls that it would have served.
with ARENASHIM_END=retain
is 'scopes that retain: the program works, quietly' "$status:$out:$err" "$ran:"
calls=$(routed_calls)
check "scopes that retain: calls are routed ($calls)" test "$calls" -gt 0
count_routed=yes
for function in mmap madvise mremap; do
    every "$function" ARENASHIM_END=retain
    check "$function fails, in scopes that retain: most calls are routed ($least of $calls)" \
        test "$((least * 2))" -gt "$calls"
done
count_routed=
for function in mmap munmap madvise mremap $find_object; do
    every "$function" ARENASHIM_END=retain FAULT_ALWAYS=yes
done

for function in dladdr dladdr1 dlinfo; do
    every "$function"
    every "$function" FAULT_ALWAYS=yes
done
every all FAULT_ALWAYS=yes

with FAULT_IN=gethostname FAULT_AT=1 FAULT_ALWAYS=yes ARENASHIM_STATS_FILE="$tmp/stats.%h"
is 'gethostname fails: the program works, quietly' "$status:$out:$err" "$ran:"
check 'gethostname fails: the name stays as it is' test -s "$tmp/stats.%"

# operator new asks the C++ runtime, by its name, to throw.
: >"$log"
# shellcheck disable=SC2034
behind=$tmp/fault_lib.so
under FAULT_LOG="$log" FAULT_IN=dlopen FAULT_AT=1 FAULT_ALWAYS=yes "$tmp/cxx"
is 'dlopen fails: operator new throws' "$status:$out:$err" '0:thrown 2:'
check 'dlopen fails: it was called' test -s "$log"
check 'dlopen fails: routed' test "$(stat .routed_calls)" -gt 0
done_testing
