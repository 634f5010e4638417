#!/usr/bin/env bash
# What the shim writes leaves the host as it is: its output, its data in whatever descriptor, its exit
# status, its signals, its terminal; and it waits for nobody. Statistics that cannot be written, or
# never will be, have a line that says so.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need cases -O2 output.c
cd "$tmp" || exit 99

# run [VARIABLE=VALUE...] CASE: with text statistics, and DATA as the case's data file
run() {
    capture env LD_PRELOAD="$shim" ARENASHIM_STATS=text DATA="$tmp/data" "${@:1:$#-1}" \
        "$tmp/cases" "${!#}"
}

# ---- the host's output -------------------------------------------------------------------------

run result
is 'the program works' "$status:$out" 3:result
like 'and is routed' "$err" '^  routed calls +[1-9]'

for name in /dev/stdout /dev/fd/1 /proc/self/fd/1 "$tmp/out"; do
    run ARENASHIM_STATS_FILE="$name" result
    is "statistics in $name behind the output" "$status:$(head -n 1 out):$err" 3:result:
    like "statistics in $name: complete" "$out" '^  misuses '
done
run ARENASHIM_STATS_FILE=/dev/stderr result
is 'in /dev/stderr' "$status:$out:$(grep -c '^  misuses ' err)" 3:result:1

# The output goes on behind them: the descriptor is one, and so is its position.
# shellcheck disable=SC2016
capture bash -c 'LD_PRELOAD="$0" ARENASHIM_STATS_FILE=/dev/stdout "$1" result; echo more' "$shim" "$tmp/cases"
is 'what follows does not overwrite them' "$(head -n 1 out):$(tail -n 1 out)" result:more

# A socket cannot be opened by name.
if have python3; then
    cat >talk.py <<'END'
import os, socket, subprocess, sys
ours, theirs = socket.socketpair()
process = subprocess.Popen(sys.argv[1:], stdout=theirs)
theirs.close()
status = process.wait()
sys.stdout.write(ours.makefile().read())
sys.exit(status)
END
    capture python3 talk.py env LD_PRELOAD="$shim" ARENASHIM_STATS_FILE=/dev/stdout "$tmp/cases" result
    is 'stdout is a socket' "$status:$(head -n 1 out):$(grep -c '^  misuses ' out):$err" 3:result:1:
else
    skip 'stdout is a socket' 'python3 is not installed'
fi

# ---- the host's data ---------------------------------------------------------------------------

for case in closed_and_opened duplicated; do
    run "$case"
    is "stderr becomes a data file, $case: status" "$status" 3
    is "stderr becomes a data file, $case: its data are its own" "$(<data)" data
    is "stderr becomes a data file, $case: nothing is said elsewhere" "$err" ''
done
onto_data() {
    env LD_PRELOAD="$shim" ARENASHIM_STATS=text DATA="$tmp/data" "$tmp/cases" made_anew 2>"$tmp/data"
}
capture onto_data
is 'stderr becomes a file made anew: its data are its own' "$status:$(<data)" 3:data

: >data
run ARENASHIM_STATS_FILE="$tmp/data" opened
is 'statistics for a file that the program has open: its data are its own' "$status:$(<data)" 3:data
one_line 'statistics for a file that the program has open: one line' \
    "the statistics cannot be written to '$tmp/data': the program has this file open\$"
third() {
    env LD_PRELOAD="$shim" ARENASHIM_STATS_FILE=/dev/fd/3 DATA="$tmp/data" "$tmp/cases" "$1" 3>"$tmp/third"
}
capture third result
is 'statistics for descriptor 3' "$status:$(grep -c '^  misuses ' third):$err" 3:1:
capture third third_exchanged
is 'descriptor 3 becomes a data file: its data are its own' "$status:$(<data):$(<third)" 3:data:
one_line 'descriptor 3 becomes a data file: one line' \
    "the statistics cannot be written to '/dev/fd/3': it is closed, or another file by now\$"

# The file gets the number of one that was closed, and holds nothing that stdio has kept for that.
no_output() {
    env LD_PRELOAD="$shim" ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/alone" "$tmp/cases" result <&- >&-
}
capture no_output
is 'stdin and stdout closed: the statistics are whole' "$(jq -r '.routed_calls > 0' alone)" true
# Names that processes share get no ending, which would make files beside them.
children() {
    # shellcheck disable=SC2016
    env LD_PRELOAD="$shim" ARENASHIM_STATS_FILE="$1" bash -c '"$0" result; "$0" result' "$tmp/cases"
}
capture children /dev/stdout
is 'children write to their stdout' "$status:$(grep -c '^  routed calls  *[1-9]' out):$err" 3:2:
mkdir devices
if mknod devices/null c 1 3 2>/dev/null && : 2>/dev/null >devices/null; then
    capture children "$tmp/devices/null"
    is 'children write to a device, and make no files beside it' "$status:$err:$(ls devices)" 3::null
else
    skip 'children write to a device' 'no device can be made here'
fi

# ---- a file of its own -------------------------------------------------------------------------

# written NAME: the last run has written NAME, and has left nothing beside it
written() {
    grep -c '^  misuses ' "$1"
    find . -name '.arenashim*'
}

umask 027
run ARENASHIM_STATS_FILE=many/folders/%r.txt result
is 'missing folders are made' "$status:$err:$(written many/folders/-.txt)" 3::1
is 'with the permissions that are usual' "$(command stat -c %a many many/folders/-.txt | xargs)" '750 640'
for wanted in 600 644; do
    chmod "$wanted" many/folders/-.txt
    run ARENASHIM_STATS_FILE=many/folders/-.txt result
    is "a file of mode $wanted is replaced" \
        "$status:$err:$(written many/folders/-.txt):$(command stat -c %a many/folders/-.txt)" \
        "3::1:$([ "$wanted" = 600 ] && echo 600 || echo 640)"
done
umask 022
echo old >named
inode=$(command stat -c %i named)
exec 9<named
run ARENASHIM_STATS_FILE="$tmp/named" result 9<&-
is 'who reads the file goes on reading what it was' "$(cat <&9):$(written named)" old:1
exec 9<&-
check 'as it is another file' test "$inode" != "$(command stat -c %i named)"
# Four processes write one name, again and again.
writers() {
    for _ in {1..25}; do
        env LD_PRELOAD="$shim" ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/shared/at/last" \
            "$tmp/cases" result
    done
}
for _ in 1 2 3 4; do
    writers >/dev/null &
done
read=0 half=0
while [ -n "$(jobs -r)" ]; do
    [ -e shared/at/last ] || continue
    read=$((read + 1))
    jq -e '.sites | length > 0' shared/at/last >/dev/null 2>&1 || half=$((half + 1))
done
wait
check "whoever reads meanwhile ($read times)" test "$read" -gt 1
is 'finds a whole file' "$half:$(ls -A shared/at)" 0:last
ln named further
run ARENASHIM_STATS_FILE="$tmp/named" result
is 'a file of two names: the other keeps what it was' "$status:$err:$(written named):$(head -n 1 further)" \
    "3::1:arenashim $("$arenashim" --version | sed 's/.* //'): pid $(sed -n 's/.*pid //p' further | head -n 1)"
check '... and is another file then' test ! named -ef further

# Whoever can write to the folder can put a link there.
echo theirs >victim
for link in victim nowhere; do
    ln -sf $link link
    run ARENASHIM_STATS_FILE="$tmp/link" result
    is "a link to $link is replaced" "$status:$err:$(written link):$(test -L link && echo link)" 3::1:
    is '... and what it leads to is as it was' "$(<victim):$(ls nowhere 2>/dev/null)" theirs:
    rm link
done
# /dev/stdout is such a link for everybody, however it is spelt.
ln -s /proc/self/fd/1 link
run ARENASHIM_STATS_FILE="$tmp/link" result
like 'a link to a descriptor stays, which is said' "$status:$err:$(readlink link)" \
    "^3:arenashim: the statistics cannot be written to '$tmp/link': it is a link to a descriptor.*:/proc/self/fd/1$"
rm link
mkdir theirs
ln -s "$tmp/theirs" link
run ARENASHIM_STATS_FILE="$tmp/link/new/stats" result
is 'a folder that is there may be a link' "$status:$err:$(written theirs/new/stats)" 3::1
ln -s "$tmp/none" dangling
run ARENASHIM_STATS_FILE="$tmp/dangling/stats" result
is 'no folder is made by a link: status' "$status:$out:$(ls none 2>/dev/null)" 3:result:
one_line 'no folder is made by a link: one line' "cannot be written to '$tmp/dangling/stats': "
ln victim hard
run ARENASHIM_STATS_FILE="$tmp/hard" result
is 'a hard link is replaced' "$status:$err:$(written hard):$(<victim)" 3::1:theirs

# A folder in which no file can be made holds one that can be written.
mkdir closed
echo old >closed/stats
if [ "$(id -u)" -ne 0 ]; then
    chmod 555 closed
    run ARENASHIM_STATS_FILE="$tmp/closed/stats" result
    is 'a folder that is closed' "$status:$err:$(written closed/stats)" 3::1
elif have setpriv && cp "$shim" "$tmp/shim.so" && chmod 755 "$tmp/shim.so"; then
    chown 65534 closed/stats
    chmod go+x "$tmp/cases" # whatever the umask is
    capture setpriv --reuid=65534 --regid=65534 --clear-groups env LD_PRELOAD="$tmp/shim.so" \
        ARENASHIM_STATS_FILE="$tmp/closed/stats" "$tmp/cases" result
    is 'a folder that is closed' "$status:$err:$(written closed/stats)" 3::1
else
    skip 'a folder that is closed' 'setpriv is not installed'
fi
# Somebody mounts a file into a container.
if unshare -m true 2>/dev/null; then
    echo old >mounted
    # shellcheck disable=SC2016
    capture unshare -m bash -c 'mount --bind "$2/data" "$2/mounted" && LD_PRELOAD=$0 \
        ARENASHIM_STATS_FILE="$2/mounted" "$1" result' "$shim" "$tmp/cases" "$tmp"
    is 'a file that cannot be replaced: status' "$status:$out" 3:result
    one_line 'a file that cannot be replaced: one line' \
        "cannot be written to '$tmp/mounted': (Device or r|R)esource busy; they are in '$tmp/.arenashim-.*'\$"
    is 'a file that cannot be replaced: nothing is lost' "$(grep -c '^  misuses ' .arenashim-*)" 1
    rm .arenashim-*
else
    skip 'a file that cannot be replaced' 'nothing can be mounted here'
fi
# A full file system.
mkdir full
if mount -t tmpfs -o size=4k none full 2>/dev/null; then
    echo old >full/stats
    run ARENASHIM_STATS_FILE="$tmp/full/stats" result
    umounted=$(<full/stats):$(ls -A full)
    umount full
    is 'a full file system: status' "$status:$out" 3:result
    one_line 'a full file system: one line' \
        "cannot be written to '$tmp/full/stats': No space left on device\$"
    is 'a full file system: the old file is as it was' "$umounted" old:stats
else
    skip 'a full file system' 'nothing can be mounted here'
fi

# ---- the host's end ----------------------------------------------------------------------------

# without_reader CASE: the status of the program whose stderr is a pipe that nobody reads
without_reader() {
    {
        sleep 0.2
        env LD_PRELOAD="$shim" ARENASHIM_STATS=text "$tmp/cases" "$1" 2>&1 >"$tmp/out"
        echo $? >"$tmp/status"
    } | true
}
for case in result handled waiting; do
    without_reader "$case"
    is "stderr is a pipe without a reader, $case" "$(<status):$(<out)" 3:result
done
run ARENASHIM_STATS_FILE="$tmp/limited" limited
is 'the limit of a file is met: status' "$status:$out" 3:result
is 'the limit of a file is met: no part of one is left' "$(find . -name limited -o -name '.arenashim*')" ''
one_line 'the limit of a file is met: one line' \
    "the statistics cannot be written to '$tmp/limited': File too large\$"
run cancelled
is 'a thread is not cancelled in the middle of a message' "$status:$out" '3:not cancelled'
like 'a thread is not cancelled in the middle of a message: it is there' "$err" '^arenashim: arena_scope_end'

mkfifo pipe
run ARENASHIM_STATS_FILE="$tmp/pipe" result
is 'a pipe that nobody opens is not waited for' "$status:$out" 3:result
one_line 'a pipe that nobody opens: one line' "cannot be written to '$tmp/pipe': No such device or address\$"
# Open from the start, and until what was written has been read.
exec {held}<>pipe
cat pipe {held}<&- >"$tmp/read" &
reader=$!
run ARENASHIM_STATS_FILE="$tmp/pipe" result
for _ in {1..100}; do
    ! grep -q '^  misuses ' "$tmp/read" || break
    sleep 0.1
done
exec {held}<&-
wait "$reader"
is 'a pipe that is read' "$status:$(grep -c '^  misuses ' read)" 3:1
# stderr is a pipe that is full, with a reader that does not read.
exec {full}<>pipe
seconds=$SECONDS
onto_full() {
    env LD_PRELOAD="$shim" ARENASHIM_STATS=text "$tmp/cases" full 2>"$tmp/pipe"
}
capture onto_full
is 'a reader that does not read' "$status:$out" 3:result
check 'a reader that does not read is not waited for long' test $((SECONDS - seconds)) -lt 20
exec {full}<&-

# ---- what is printed ---------------------------------------------------------------------------

run labels
is 'no control character of a label is printed' "$(tr -d '\n[:print:]\303\244' <err | wc -c)" 0
is 'no label makes a row' "$(grep -c '^  misuses ' err)" 1
like 'labels can be read' "$err" '  bad\\x0a  misuses    99\\x1b\[31m\\xc2\\x9b\\x7f\\xff.. f\\x0dile:1$'
run ARENASHIM_DEBUG=log labels
is 'no control character in a message' "$(tr -d '\n[:print:]\303\244' <err | wc -c)" 0
run ARENASHIM_ALIGN=$'3\033[31m' result
is 'no control character of a setting is printed' "$(tr -d '\n[:print:]' <err | wc -c)" 0
like 'a setting can be read' "$err" "ARENASHIM_ALIGN='3\\\\x1b\[31m' is not accepted"

# ---- ends that leave no time for statistics ----------------------------------------------------

never='there will be no statistics unless this Go program ends by C._exit: .*'
need marked -O2 -DGO_NOTE output.c
capture env LD_PRELOAD="$shim" ARENASHIM_STATS=text "$tmp/marked" leaves_at_once
is 'a program of Go: it works' "$status:$out" 3:result
one_line 'a program of Go: one line' "$never"
capture env LD_PRELOAD="$shim" "$tmp/marked" leaves_at_once
is 'a program of Go without statistics: none' "$status:$out:$err" 3:result:

if ! have go; then
    skip 'a program that go builds' 'go is not installed'
else
    cat >main.go <<'END'
package main

// #include <stdlib.h>
// #include <unistd.h>
import "C"
import "os"

func main() {
	C.free(C.malloc(100))
	if len(os.Args) > 1 {
		C._exit(3)
	}
}
END
    limit=200 capture env HOME="$tmp" GOCACHE="$tmp/cache" GO111MODULE=off CGO_ENABLED=1 go build -o go main.go
    if [ "$status" -ne 0 ]; then
        skip 'a program that go builds' 'go does not build one here'
    else
        run_go() {
            env LD_PRELOAD="$shim" ARENASHIM_SCOPES=process ARENASHIM_STATS=text "$tmp/go" "$@"
        }
        capture run_go
        one_line 'a program that go builds: one line' "$never"
        capture run_go by_c
        is 'a program that go builds, which ends by C._exit: statistics' \
            "$status:$(grep -Ec '^  routed calls +[1-9]' err)" 3:1
    fi
fi
done_testing
