#!/usr/bin/env bash
# How `arenashim advise` runs a program: what each run is given, how it is ended, what is compared and
# measured, and what is said of programs and options that are of no use.
#
# Text in single quotes is for the shells that the command starts.
# shellcheck disable=SC2016,SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

# A run that says who it is: plain, watched, or with which scopes.
note='echo "${ARENASHIM_SCOPES-${ARENASHIM_WATCH+watched}}" >>"$seen"'
export seen=$tmp/seen

# advise OPTION... -- PROGRAM...: sets status, out, err; $seen is empty before.
advise() {
    : >"$seen"
    capture "$arenashim" advise --quiet "$@"
    unless_unwrapped
}

# Whether a process is there, and not only waits for init to notice its end.
is_alive() {
    [ -e "/proc/$1" ] && ! grep -q '^State:.*Z' "/proc/$1/status"
}

runs() {
    grep -c "^$1\$" "$seen"
}

# refuses DESCRIPTION STATUS ERE ARGUMENT...: one line, that status, and the program does not run.
refuses() {
    local description=$1 wanted=$2 ere=$3
    shift 3
    advise "$@"
    is "$description: status" "$status:$(wc -l <"$seen")" "$wanted:0"
    one_line "$description" "$ere"
}

# ---- what a run is given ----------------------------------------------------------------------

printf 'kept\n' >"$tmp/input"
feed() {
    timeout 30 "$arenashim" advise --quiet --runs 2 -- \
        sh -c 'read -r line; echo "$line" >>"$seen"' <"$tmp/input"
}
: >"$seen"
capture feed
is 'each run reads the same standard input' "$status:$(sort -u "$seen")" 0:kept
piped() {
    # shellcheck disable=SC2002
    cat "$tmp/input" | timeout 30 "$arenashim" advise --quiet --runs 1 -- sh -c 'cat >>"$seen"'
}
: >"$seen"
capture piped
is '... from a pipe, too' "$status:$(sort -u "$seen")" 0:kept

ARENASHIM_CAPACITY=4M LD_PRELOAD=libm.so.6 ARENASHIM_STATS=text advise --runs 1 -- \
    sh -c 'echo "$LD_PRELOAD,${ARENASHIM_WATCH:+watch}$ARENASHIM_CAPACITY$ARENASHIM_STATS" >>"$seen"'
is 'the plain run has the LD_PRELOAD that is there, and no setting' \
    "$status:$(grep -cx "libm.so.6," "$seen")" 0:3
like 'a watched one has the shim in front of it' "$(<"$seen")" "$shim:libm.so.6,watch\$"

advise --runs 1 -- sh -c 'grep -E "^(SigBlk|SigIgn|SigCgt)" /proc/self/status | xargs >>"$seen"
    ls /proc/self/fd | xargs >>"$seen"'
is 'all runs have the same signals and descriptors' "$status:$(sort -u "$seen" | wc -l)" 0:2

advise --runs 3 -- sh -c "$note"
is 'two plain runs, three that are watched or less, and as many rounds as were wished' \
    "$status:$(runs ''):$(runs process)" 0:5:3
advise --no-measure -- sh -c "$note"
is '--no-measure: no more runs than it takes to know' "$status:$(runs ''):$(runs process)" 0:2:0

known=$(/sbin/ldconfig -p | sed -nE 's/^\t(lib(tcmalloc_minimal|jemalloc|mimalloc)\.so\.[2-4]) .*(x86-64|AArch64).*/\1/p' | sort)
advise --runs 1 --peers -- sh -c 'echo "$LD_PRELOAD" >>"$seen"'
is '--peers: allocators that are installed are measured' \
    "$status:$(grep -E '^lib[a-z]*malloc' "$seen" | sort)" "0:$known"

# ---- how it ends ------------------------------------------------------------------------------

advise --runs 1 -- sh -c 'trap "echo caught >>\"\$seen\"" USR1; kill -USR1 $$
    (sleep 0.05; echo woken >>"$seen"; kill -CONT $$) & kill -STOP $$; echo on >>"$seen"; exit 3'
is 'signals and stops take their course' "$status:$(sed 'N;N;s/\n/,/g' "$seen" | sort -u)" \
    0:caught,woken,on
one_line 'a failing program is advised on, and it is said' \
    "'sh' exits with status 3 when it is run plain; what follows is of runs like that"
advise -- sh -c 'echo first >&2; echo last >&2; kill -SEGV $$'
is 'one that crashes is not' "$status" 125
last=last
[ -z "${EMULATED-}" ] || last='qemu: .*' # which writes after the program
one_line '... and what it wrote last is said' "'sh' is ended by signal 11 .*: $last when it is run plain"
advise -- sh -c 'echo . >>"$seen"; exit $(($(wc -l <"$seen") % 2))'
like 'nor one that ends in another way each time' "$err" "'sh' ends in another way when it is run again"
advise --runs 1 -- sh -c 'echo noise >&2'
is 'what it writes to standard error is not shown' "$status:$err" 0:

brief=0.2
[ -z "${EMULATED-}" ] || brief=2
advise --runs 1 --duration $brief -- sh -c "$note; exec sleep 60"
is '--duration ends what does not end' "$status:$(runs '')" 0:3
advise --runs 1 --duration $brief --json "$tmp/json" -- bash -c 'while :; do x=($x {1..99}); x=; done'
is '... and then CPU time is not compared, memory is' \
    "$status:$(jq -c '[.verdict, .contenders[1].measured_ratio, .contenders[1].peak_bytes > 0]' "$tmp/json")" \
    '0:["uncertain",null,true]'
like '... which is said' "$out" '^No verdict: runs that are ended after a time .*no gain can be measured'
advise --runs 1 --duration 1 --signal SIGINT -- \
    bash -c 'trap "echo INT >>$seen; exit 0" INT; while :; do sleep 0.02; done'
is '--signal says how' "$status:$(sort -u "$seen"):$err" 0:INT:

advise --runs 1 -- sh -c 'sleep 60 & echo $! >>"$seen"'
alive=0
while read -r pid; do
    ! is_alive "$pid" || alive=1
done <"$seen"
is 'processes that it leaves behind are ended' "$status:$alive" 0:0

# ---- ends of the command ----------------------------------------------------------------------

mkdir "$tmp/scratch"
for signal in INT TERM HUP; do
    : >"$seen"
    # Shells have background commands ignore SIGINT.
    TMPDIR=$tmp/scratch env --default-signal="$signal" "$arenashim" advise --quiet -- \
        sh -c '[ -z "$ARENASHIM_WATCH" ] || { echo "$$ $ARENASHIM_WATCH" >>"$seen"; sleep 60; }' \
        </dev/null >"$tmp/out" 2>&1 &
    command=$!
    for ((i = 0; i < 200; i++)); do
        [ ! -s "$seen" ] || break
        sleep 0.05
    done
    read -r pid record <"$seen"
    there=no
    [ ! -f "$record" ] || there=yes
    kill -"$signal" "$command"
    wait "$command" 2>/dev/null
    ended=$?
    sleep 0.1
    alive=no
    ! is_alive "$pid" || alive=yes
    is "SIG$signal ends the command, the run, and leaves no file" \
        "$there:$(kill -l "$ended"):$alive:$(ls "$tmp/scratch"):$(ls "$record" 2>/dev/null)" \
        "yes:$signal:no::"
done

# ---- what is compared and measured ------------------------------------------------------------

advise --runs 1 -- sh -c 'echo $$'
is 'output that differs: an answer' "$status" 0
one_line '... and a line' "'sh' prints something else in each run: only exit statuses are compared"
advise --no-measure -- sh -c 'test -z "$ARENASHIM_WATCH"'
is 'a program that ends in another way when it is watched' "$status" 125
one_line '... and a line' "'sh' exits with status 1 when it is watched, and not when it is run plain"
rm -f "$tmp/new"
: >"$tmp/old"
advise --json "$tmp/new" --write "$tmp/old" -- sh -c 'kill -SEGV $$'
is 'no answer, no file' "$status:$(ls "$tmp/new" "$tmp/old" 2>/dev/null)" "125:$tmp/old"
advise --no-measure -- sh -c 'echo "${ARENASHIM_WATCH:+watched}"'
is 'one that prints something else then' "$status" 0
like '... and a line' "$err" "^arenashim: 'sh' prints something else when it is watched"
advise --json "$tmp/json" -- sh -c 'echo "$ARENASHIM_SCOPES"'
is 'a plan that changes the output is thrown out' \
    "$status:$(jq -r '.contenders[] | select(.name == "process") | .rounds_that_differed' "$tmp/json")" 0:5
like '... and not recommended' "$out" 'nothing that leaves its output and exit status alone'

if need runs runs.c && advise --runs 1 --json "$tmp/json" -- "$tmp/runs"; then
    memory=$(jq -r '.contenders[0] | (.peak_bytes / 1048576 | floor), ((.end_bytes // 0) / 1048576 | floor)' \
        "$tmp/json" | xargs)
    read -r peak at_end <<<"$memory"
    check 'the memory at the peak' test "$peak" -ge 80 -a "$peak" -lt 100
    if [ "$at_end" -eq 0 ]; then
        skip 'the memory at the end' 'the system refuses ptrace'
    else
        check 'the memory at the end' test "$at_end" -ge 16 -a "$at_end" -lt 40
    fi
fi

if [ -n "${EMULATED-}" ]; then
    skip 'what keeps a program that litters small' "the memory is the emulator's, too"
elif need litter -O2 litter.c && advise --runs 5 --json "$tmp/json" -- "$tmp/litter"; then
    is 'what keeps a program that litters small is seen' \
        "$(jq -c '[.contenders[0:2][].peak_bytes] | .[0] > 2 * .[1]' "$tmp/json"):$(jq -r .leanest.name "$tmp/json")" \
        true:process
    like '... and said' "$out" '^process holds .*M at the (end|peak), plain '
fi

# ---- of no use --------------------------------------------------------------------------------

printf 'int main(void) { return 0; }\n' >"$tmp/none.c"
need none "$tmp/none.c"
if counts_lines; then
    skip 'a program that allocates nothing' 'the library that counts lines allocates'
else
    advise -- "$tmp/none"
    is 'a program that allocates nothing: an answer' "$status:$err" 0:
    like '... and why' "$out" 'it makes no allocation that the shim sees'
fi
if build static -static "$tmp/none.c"; then
    refuses 'a static program' 125 "is statically linked, .*; it cannot be advised on" -- "$tmp/static"
else
    skip 'a static program' 'the C library is not there as an archive'
fi
advise --child true --runs 1 -- sh -c 'cat "$seen"; cat "$seen"; true'
is '--child that nobody has' "$status" 125
one_line '... is said' "--child='true': no process with an executable of that name could be watched"
advise --child cat --runs 1 --json "$tmp/json" -- sh -c "cat /dev/null; cat /dev/null"
is '--child: children are watched' "$status:$(jq .sampled.processes "$tmp/json")" 0:2
is '... and that they are several makes no threads' \
    "$(jq -c '[.plain.threads, ([.contenders[].name] | index("thread"))]' "$tmp/json")" '[2,null]'

ln -s "$(type -P cat)" "$tmp/feline"
advise --child feline --runs 1 --json "$tmp/json" -- sh -c "$tmp/feline /dev/null; true"
is '... by the name of a link, too' "$status:$(jq .sampled.processes "$tmp/json")" 0:1

for output in '>&-' '>/dev/full'; do
    capture sh -c '"$0" advise --quiet --no-measure -- true '"$output" "$arenashim"
    is "standard output that cannot be written, $output: status" "$status" 125
    one_line '... and a line' 'cannot write to standard output'
done
capture sh -c '"$0" advise --quiet --no-measure -- sh -c "cat; echo x" <&- 2>&-' "$arenashim"
is 'a standard input that is closed is an empty one' "$status" 0

# In a folder that is closed there may be one.
PATH=/usr/bin:/bin refuses 'no such program' 127 "cannot run 'no-such-program'" -- no-such-program
refuses 'no program' 125 'no program to advise on was given'
touch "$tmp/file"
refuses 'no executable' 126 "cannot run '.*/file': Permission denied" -- "$tmp/file"
for option in --write --json --folded; do
    refuses "$option that cannot be written" 125 "$option='/no/where' is not accepted" \
        "$option" /no/where -- sh -c "$note"
done
refuses 'two options that write to one file' 125 '--json=.*is not accepted; it takes a file that nothing else' \
    --write "$tmp/both" --json "$tmp/both" -- sh -c "$note"
refuses '... and what standard output is' 125 '--folded=.*is not accepted; it takes a file that nothing else' \
    --folded /dev/stdout -- sh -c "$note"
TMPDIR=/no/where refuses 'no place for scratch' 125 "cannot make a file in '/no/where' (.TMPDIR.)" \
    -- sh -c "$note"

while read -r option value accepted; do
    refuses "$option=$value" 125 "$option='$value' is not accepted; it takes $accepted" \
        "$option=$value" -- sh -c "$note"
done <<'END'
--duration 0 seconds
--duration 1s seconds
--duration nan seconds
--duration 86401 seconds
--signal FUN the name of a signal
--runs 0 a number from 1 to 99
--runs 100 a number from 1 to 99
--runs -1 a number from 1 to 99
--child a/b the base name of an executable
--shim /etc/passwd a readable shared library
END
refuses 'an option without its value' 125 '--json needs a value; it takes a file' --json
refuses 'an unknown option' 125 "option '--fast' is unknown" --fast -- sh -c "$note"
done_testing
