#!/usr/bin/env bash
# A watched program gets what it gets unwatched: zeroes of calloc, refusals, and what its limits allow.
#
# shellcheck disable=SC2154 # common.sh sets them
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

tool=$(realpath "${BUILDDIR:-.}/tests/watch/record")
need guest -O1 -fno-builtin guest.c

# limited LIMIT COMMAND...: LIMIT is the options of ulimit
limited() {
    # shellcheck disable=SC2086
    (ulimit $1 && exec "${@:2}")
}

# gets LIMIT CASE SIZE: the same watched, and what was drawn is recorded or said to be missing
gets() {
    local plain
    if ! (limited "$1" true); then # an emulator takes more for itself
        skip "$2 $3, ulimit $1" 'no program starts within it'
        return
    fi
    capture limited "$1" "$tmp/guest" "$2" "$3"
    plain=$status
    "$tool" make "$tmp/record" sample 1 guest
    capture limited "$1" env LD_PRELOAD="$shim" ARENASHIM_WATCH="$tmp/record" "$tmp/guest" "$2" "$3"
    is "$2 $3, ulimit $1" "$status$err" "$plain"
    "$tool" print "$tmp/record" >"$tmp/lines"
    # shellcheck disable=SC2016
    check 'and is recorded, or said to be missing' awk '
        $1 == "calls" { calls = $2 }
        $1 == "dropped" || $1 == "stack" { known += $2 }
        END { exit !(calls > 0 && known >= calls) }' "$tmp/lines"
}

for size in 1000 100000 10000000; do
    gets '-c 0' locked "$size"
done
# CAP_IPC_LOCK; without it the record alone may be more than the program may lock.
if [ "$(ulimit -l)" = unlimited ] ||
    (((0x$(awk '$1 == "CapEff:" { print $2 }' /proc/self/status) >> 14) & 1)); then
    gets '-c 0' all_locked 1000
    gets '-c 0' all_locked 10000000
else
    skip 'all_locked' 'memory that may be locked is limited'
fi
gets '-c 0' drawn $((1 << 41))
gets '-c 0' drawn $((1 << 33))

# KiB
for within in '-d 160000' '-v 160000'; do
    gets "$within" filled 90000000
    gets "$within" drawn 200000000
    gets "$within" resized 60000000
    gets "$within" one_by_one 70000000
    gets "$within" small 4000
done
gets '-d 8000' small 100
gets '-v 50000' small 100

directory=$tmp
for _ in 1 2 3; do
    directory+=/$(printf '%0200d' 0)
done
mkdir -p "$directory"
mv "$tmp/guest" "$directory"
"$tool" make "$tmp/record" sample 1 guest
capture env LD_PRELOAD="$shim" ARENASHIM_WATCH="$tmp/record" "$directory/guest" small 100
is 'a program in a deep directory is known by its path' \
    "$("$tool" print "$tmp/record" | grep -c "^module [0-9]* $directory/guest$")" 1
done_testing
