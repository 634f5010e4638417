#!/usr/bin/env bash
# gdb on a program with the shim: breakpoints, steps and backtraces in malloc, calls of malloc from
# gdb, and the commands of the shim's gdb script on a live process and on a core file.
#
# shellcheck disable=SC2154,SC2016
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

have gdb || plan_skip 'gdb is not installed'
unset DEBUGINFOD_URLS
need inspected -g -O1 inspected.c
mkdir "$tmp/lib"
cp "$shim" "$tmp/lib/libarenashim.so"
script=$source_dir/scripts/libarenashim.so-gdb.py
cp "$script" "$tmp/lib/"
readelf -S "$shim" 2>/dev/null | grep -q debug_info || plan_skip 'the shim has no debug information'

# gdb_batch COMMAND... [-- OPTION...]: runs the commands in the program or what the options name;
# sets out without addresses and numbers of threads.
gdb_batch() {
    local commands=()
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        commands+=(-ex "$1")
        shift
    done
    shift || set -- "$tmp/inspected"
    capture gdb -nx -q -batch -iex 'set auto-load safe-path /' -iex 'set width 0' \
        -iex 'set startup-with-shell off' \
        -iex "set environment LD_PRELOAD $tmp/lib/libarenashim.so" \
        -iex "set environment ARENASHIM_STATS_FILE $tmp/stats" \
        -iex 'set environment ARENASHIM_STATS json' "${commands[@]}" "$@"
    out=$(sed -E "s|$here/||g; s/0x[0-9a-f]+/ADDRESS/g; s/LWP [0-9]+/LWP N/g; s/  +/ /g" \
        <<<"$out")
}

line() {
    sed -n "/$1/=" "$here/inspected.c"
}

# answers DESCRIPTION COMMAND WANTED: in the scopes of the program the command prints that
answers() {
    gdb_batch "$stop" run "$again" 'echo \n----\n' "$2"
    is "$1" "${out##*----$'\n'}" "$3"
}

gdb_batch run
[[ $out = *works* ]] || plan_skip 'gdb cannot run a program here'
check 'under gdb: routed' test "$(stat .routed_calls)" -gt 5

stop='break stop_here' again='continue'
outer="'outer' (inspected.c:$(line '"outer"'))"
inner="'inner' (inspected.c:$(line '"inner"'))"
worker="'worker' (inspected.c:$(line '"worker"'))"
used_outer=$((8 + 104 + 2008 + 208 + 8))

# ---- as with any program -----------------------------------------------------------------------

gdb_batch "$stop" run "$again" 'break interpose.c:malloc' "$again" bt finish
like 'a breakpoint in malloc' "$out" '^#0 malloc \(size=.*24\) at '
like 'a backtrace through malloc' "$out" '^#1 .* main \(argc=1, .*\) at inspected\.c:'
if counts_lines; then
    skip 'malloc is left with its value' 'lines are counted: malloc is optimised less'
else
    like 'malloc is left with its value' "$out" '^Value returned is .* \(void \*\) ADDRESS'
fi

gdb_batch "$stop" run "$again" 'break interpose.c:malloc' "$again" stepi next next delete "$again"
like 'steps in malloc: the program goes on' "$out" '^works'

gdb_batch "$stop" run "$again" 'print (long)malloc(10) != 0' 'call (void)free((void *)malloc(10))' \
    "$again"
if [[ $err = *"Couldn't write extended state"* ]]; then
    skip 'malloc called from gdb, in a scope' 'gdb cannot call functions here'
else
    like 'malloc called from gdb, in a scope' "$out" '^\$1 = 1'
fi
like 'malloc called from gdb: the program goes on' "$out" '^works'

# ---- the script --------------------------------------------------------------------------------

answers 'arenas' 'arenashim arenas' \
    "slot thread capacity cursor used retained committed peak
 0 1 (LWP N) 1048576 ADDRESS 3392 0 1048576 7344
 1 2 (LWP N) 1048576 ADDRESS 1008 0 1048576 1008"
answers 'scopes' 'arenashim scopes' \
    "thread 1 (LWP N), slot 0:
 scope 1, $outer: ADDRESS, 2336 bytes
 scope 2, $inner: ADDRESS, 1056 bytes
thread 2 (LWP N), slot 1:
 scope 1, $worker: ADDRESS, 1008 bytes"
gdb_batch "$stop" run 'arenashim scopes'
like 'a paused scope' "$out" "scope 2, 'inner' .*: ADDRESS, 1056 bytes, paused\$"

first='ADDRESS is in slot 0, thread 1 (LWP N)'
answers 'owner: a freed block' 'arenashim owner first' \
    "$first
block ADDRESS, 104 bytes, freed: at offset 0
scope 1, $outer"
answers 'owner: a pointer into a block' 'arenashim owner (char *)second + 199' \
    "$first
block ADDRESS, 200 bytes, in use: at offset 199
scope 1, $outer"
answers 'owner: a block of the inner scope' 'arenashim owner third' \
    "$first
block ADDRESS, 56 bytes, in use: at offset 0
scope 2, $inner"
answers 'owner: a block behind a gap' 'arenashim owner aligned' \
    "$first
block ADDRESS, 312 bytes, in use: at offset 0
scope 2, $inner"
answers 'owner: the header of a block' 'arenashim owner (char *)last - 1' \
    "$first
block ADDRESS, 8 bytes, in use: in its header
scope 2, $inner"
answers "owner: after its scope's end" 'arenashim owner (char *)stale + 4000' \
    "$first
not drawn in an open scope: after its scope's end or free, or never drawn"
answers 'owner: past what is writable' 'arenashim owner (char *)first + (2 << 20)' \
    "$first
address space that the arena has not grown to"
answers 'owner: before the first block' 'arenashim owner (char *)first - 4096' \
    "$first
the guard before the arena"
answers 'owner: a record' 'arenashim owner (char *)first - 8192' \
    "ADDRESS is in slot 1023: the shim's own record"
answers 'owner: of another thread' 'arenashim owner worker_block' \
    "ADDRESS is in slot 1, thread 2 (LWP N)
block ADDRESS, 1000 bytes, in use: at offset 0
scope 1, $worker"
nowhere="ADDRESS is in no arena: the next allocator's, or nobody's"
answers 'owner: a block outside' 'arenashim owner outside' "$nowhere"
answers 'owner: a function' 'arenashim owner main' "$nowhere"

gdb_batch "$stop" run 'thread 1' 'arenashim arenas' 'thread' 'frame function main' \
    'arenashim owner first' 'info frame'
like 'the selected thread stays' "$out" 'Current thread is 1 '
like 'the selected frame stays' "$out" 'in main \(inspected\.c:'

gdb_batch 'break puts' run 'arenashim scopes' 'arenashim arenas'
like 'no scope' "$out" '^no scope is open'
like 'an arena without a thread' "$out" '^ 1 none 1048576 ADDRESS 0 0 1048576 1008'

gdb_batch "source $script" 'help arenashim' 'help arenashim owner' -- "$tmp/inspected"
like 'help' "$out" '^arenashim scopes -- List the open scopes of each thread'
like 'help of a command' "$out" '^Tell what an address belongs to: arenashim owner ADDRESS'

sed 's/^LAYOUT = .*/LAYOUT = 999/' "$script" >"$tmp/other.py"
gdb_batch "$stop" run "source $tmp/other.py" 'arenashim scopes'
like 'the script of another version' "$err" \
    'the records of .* are of layout [0-9]+, and this script reads layout 999: source the one of that'

# ---- a core file -------------------------------------------------------------------------------

# where gdb writes one: what the kernel leaves depends on the system
cd "$tmp" || exit 99
ulimit -c unlimited
capture env LD_PRELOAD="$tmp/lib/libarenashim.so" "$tmp/inspected" abort
core=$(find "$tmp" -maxdepth 1 -name 'core*' | head -n 1)
if [ -n "$core" ]; then
    check 'a core file is not burdened with the region' \
        test "$(du -k "$core" | cut -f1)" -lt 20000
    gdb_batch 'arenashim scopes' 'arenashim owner second' -- "$tmp/inspected" "$core"
    like 'core file: scopes' "$out" \
        "^ scope 1, 'outer' .*: ADDRESS, $used_outer bytes"
    like 'core file: scopes of another thread' "$out" '^thread 2 \(LWP N\), slot 1:'
    like 'core file: owner' "$out" '^block ADDRESS, 200 bytes, in use: at offset 0'
else
    skip 'a core file' 'the system leaves none here'
fi

# ---- scopes that retain ------------------------------------------------------------------------

gdb_batch 'set environment ARENASHIM_END retain' 'set environment LARGE yes' "$stop" run "$again" 'arenashim scopes' \
    'arenashim arenas' 'arenashim owner first' 'arenashim owner (char *)second + 199' \
    'arenashim owner stale' 'arenashim owner (char *)last + 100' 'arenashim owner (char *)third - 1' \
    'arenashim owner large' 'arenashim owner (char *)large + 100000' 'arenashim owner (char *)gone + 100000' \
    'arenashim owner worker_block'
# has DESCRIPTION LINES: they are among those of the output
has() {
    if [[ $'\n'$out$'\n' = *$'\n'"$2"$'\n'* ]]; then
        ok "$1"
    else
        not_ok "$1" "no such lines: $2
$out"
    fi
}
like 'retain: scopes' "$out" "^ scope 2, 'inner' .*: retains\$"
like 'retain: arenas' "$out" '^ 0 1 \(LWP N\) 1048576 ADDRESS 0 [1-9][0-9]+ 1048576 [1-9][0-9]+$'
has 'retain: a freed block' "$first
retained block ADDRESS, 104 bytes, freed: at offset 0"
has 'retain: a pointer into a block' "retained block ADDRESS, 200 bytes, in use: at offset 199
scope 1, $outer"
has 'retain: a block that outlives its scope' 'retained block ADDRESS, 5112 bytes, in use: at offset 0
of a scope that has ended'
has 'retain: no block' "$first
no block: memory that is drawn from next"
has 'retain: the header of a block' "retained block ADDRESS, 56 bytes, in use: in its header
scope 2, $inner"
has 'retain: a large block' "retained block ADDRESS, 151536 bytes, in use: at offset 0
scope 1, $outer"
has 'retain: a pointer into a large block' "retained block ADDRESS, 151536 bytes, in use: at offset 100000
scope 1, $outer"
has 'retain: free pages' "$first
retained memory: 25 pages that are free"
has 'retain: of another thread' "retained block ADDRESS, 1000 bytes, in use: at offset 0
scope 1, $worker"

# ---- what it cannot do -------------------------------------------------------------------------

gdb_batch "source $script" 'arenashim arenas'
is 'without the library: one line' "$err" 'libarenashim.so is not loaded in this program'
gdb_batch "$stop" run 'arenashim owner'
is 'no address: one line' "$err" 'arenashim owner takes an address'
gdb_batch "$stop" run 'arenashim scopes all'
is 'an argument too many: one line' "$err" 'arenashim scopes takes no argument'
gdb_batch 'set environment ARENASHIM_DISABLE 1' "$stop" run 'arenashim arenas'
is 'an idle shim: one line' "$err" 'the shim is idle: it has no arenas'
if strip -g "$tmp/lib/libarenashim.so" 2>/dev/null; then
    gdb_batch "$stop" run 'arenashim arenas'
    is 'without debug information: one line' "$err" \
        "$tmp/lib/libarenashim.so has no debug information: build it with -g"
else
    skip 'without debug information' 'strip is not installed'
fi
done_testing
