#!/usr/bin/env bash
# What is proven of functions whose blocks are known: exactly.
#
# shellcheck disable=SC2154 # common.sh sets them
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

tool=$(realpath "${BUILDDIR:-.}/tests/watch/record")
wraps || plan_skip 'built without functions by name'
need proven -O1 -fno-optimize-sibling-calls -fno-builtin-malloc -fno-builtin-free proven.cc

# proven CASE FUNCTION...: runs the case with these proven, and leaves the record in $tmp/lines
proven() {
    local name=$1 function places=() specs=''
    shift
    for function; do
        places+=("$tmp/proven" "0x$(nm "$tmp/proven" | awk -v name="$function" '$3 == name { print $1 }')")
        specs+="${specs:+;}proven!$function"
    done
    "$tool" make "$tmp/record" prove 1 proven "${places[@]}"
    capture env LD_PRELOAD="$shim" ARENASHIM_WATCH="$tmp/record" ARENASHIM_SCOPES="$specs" \
        "$tmp/proven" "$name"
    if [ "$status" -ne 0 ] || [ -n "$err" ]; then
        not_ok "$name runs" "$(last_run)"
    fi
    "$tool" print "$tmp/record" >"$tmp/lines"
    functions=("$@")
}

# proves WHAT FUNCTION NAME=VALUE...: what the record says of a function, all that is not 0
proves() {
    local i
    for i in "${!functions[@]}"; do
        [ "${functions[i]}" != "$2" ] || break
    done
    is "$1" "$(awk -v number="$i" '$1 == "function" && $2 == number && $4 != 0 { print $3 "=" $4 }' \
        "$tmp/lines" | paste -sd' ')" "${*:3}"
}

proven simple caller callee factory turn grow
proves 'what a callee draws and the function frees dies in it' caller \
    activations=100 threads=1 calls=100 bytes=1000 inside=100 inside_bytes=1000 most_bytes=10 most_calls=1
proves 'not in the callee' factory activations=200 threads=1 calls=200 bytes=2000 surviving=200 \
    most_bytes=10 most_calls=1
proves 'a function that frees what is not its own' callee activations=100 threads=1 freed_outside=100
proves 'what the next turn frees has outlived this one' turn activations=100 threads=1 calls=100 \
    bytes=2000 surviving=100 freed_outside=99 most_bytes=20 most_calls=1
proves 'a block that grows counts once, with its last size' grow activations=100 threads=1 calls=100 \
    bytes=409600 inside=100 inside_bytes=409600 resizes=800 most_bytes=4096 most_calls=1
proven two_up two_up caller
proves 'what dies two levels up' two_up activations=100 threads=1 calls=200 bytes=1600 inside=200 \
    inside_bytes=1600 most_bytes=10 most_calls=2
proven never forget
proves 'what is never freed survives' forget activations=100 threads=1 calls=100 bytes=2400 \
    surviving=100 most_bytes=24 most_calls=1
is 'and its stack is known' "$(awk '$1 == "life" && $2 == 3 { calls += $4 } END { print calls }' "$tmp/lines")" 100
proven recursion itself ping pong
proves 'a recursive call is of the outermost activation' itself activations=100 nested=900 threads=1 \
    calls=1000 bytes=8000 inside=1000 inside_bytes=8000 most_bytes=80 most_calls=10
proves 'of two functions that call each other' ping activations=100 nested=400 threads=1 calls=1000 \
    bytes=6000 inside=1000 inside_bytes=6000 most_bytes=60 most_calls=10
proves 'the inner one, too' pong activations=100 nested=400 threads=1 calls=900 bytes=5200 inside=900 \
    inside_bytes=5200 most_bytes=52 most_calls=9
proven nested outer inner
proves 'functions nest either way' outer activations=100 threads=1 calls=150 bytes=550 inside=150 \
    inside_bytes=550 most_bytes=8 most_calls=2
proves 'as the other one' inner activations=100 threads=1 calls=150 bytes=650 inside=150 \
    inside_bytes=650 most_bytes=8 most_calls=2
# Read by capture: a million calls that are watched take seconds on an idle machine.
# shellcheck disable=SC2034
limit=120
export OFTEN=1000000
[ -z "${EMULATED-}" ] || OFTEN=50000
proven often often
proves 'very many activations' often activations=$OFTEN threads=1 calls=$OFTEN bytes=$OFTEN \
    inside=$OFTEN inside_bytes=$OFTEN most_bytes=1 most_calls=1
proven once work
proves 'a function that is called once' work activations=1 threads=1 calls=20000 bytes=41060000 \
    inside=20000 inside_bytes=41060000 resizes=80000 most_bytes=4096 most_calls=20000
proven jump jump after
proves 'a jump ends what it leaves, as soon as that is seen' jump activations=100 threads=1 calls=100 \
    bytes=3000 surviving=100 left=100 most_bytes=30 most_calls=1
proven thrown thrower catcher
proves 'an exception ends an activation' thrower activations=100 threads=1 calls=200 bytes=14400 \
    surviving=100 most_bytes=144 most_calls=2
proven foreign hand_over
proves 'what another thread frees is not inside' hand_over activations=100 threads=1 calls=100 \
    bytes=4000 foreign=100 most_bytes=40 most_calls=1
proven exit leave_thread
proves 'pthread_exit ends an activation' leave_thread activations=100 threads=100 calls=100 bytes=5000 \
    surviving=100 most_bytes=50 most_calls=1
proven threads work caller
proves 'eight threads at once' work activations=8 threads=8 calls=160000 bytes=328480000 inside=160000 \
    inside_bytes=328480000 resizes=640000 most_bytes=4096 most_calls=20000
proves 'and what they call' caller activations=80000 threads=8 calls=80000 bytes=800000 inside=80000 \
    inside_bytes=800000 most_bytes=10 most_calls=1
proven fork split
proves 'a fork goes on with what is open, and counts nothing twice' split activations=2 threads=1 calls=3 \
    bytes=200 inside=3 inside_bytes=200 most_bytes=130 most_calls=2
proven coroutine suspended caller
proves 'what a coroutine calls meanwhile' caller activations=100 threads=1 calls=100 bytes=1000 \
    inside=100 inside_bytes=1000 most_bytes=10 most_calls=1
done_testing
