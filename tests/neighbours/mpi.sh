#!/usr/bin/env bash
# MPI jobs of up to four ranks on this machine, by Open MPI: recall-mpi's results, statistics of each
# rank, memory of scopes that is sent and received, and memory hooks, Open MPI's and UCX's, which must see
# what arenas give back. What does not end within 30 seconds has failed.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

have mpirun || plan_skip 'mpirun is not installed (openmpi-bin)'
[[ $(mpirun --version) = *'Open MPI'* ]] || plan_skip 'mpirun is not that of Open MPI'
flags=$(pkg-config --cflags --libs ompi-c 2>/dev/null) ||
    plan_skip 'Open MPI cannot be compiled with (libopenmpi-dev)'
recall=$BUILDDIR/examples/recall/recall recall_mpi=$BUILDDIR/examples/recall-mpi/recall-mpi
cd "$tmp" || exit 99

# job RANKS [ARGUMENT...] COMMAND...: capture of mpirun, which may run as root, with more ranks than
# cores
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# All ranks are here, whatever the routes of the other interfaces.
export OMPI_MCA_btl_tcp_if_include=lo
job() {
    capture mpirun --oversubscribe -np "$@"
}

job 2 true
[ "$status" -eq 0 ] || plan_skip "mpirun does not work here: ${err:0:200}"

# ---- recall-mpi --------------------------------------------------------------------------------

if [ -x "$recall_mpi" ]; then
    queries=(--synthetic --queries 100 --seed 7)
    wanted=$("$recall" "${queries[@]}")
    like 'recall prints a checksum' "$wanted" '^checksum [0-9a-f]{16}$'
    for ranks in 1 2 4; do
        job "$ranks" "$recall_mpi" "${queries[@]}"
        is "recall-mpi, $ranks ranks, without the shim" "$status:$out:$err" "0:$wanted:"
        job "$ranks" "$arenashim" run --stats=json --stats-file="made/$ranks/%r.json" -- "$recall_mpi" \
            "${queries[@]}"
        is "recall-mpi, $ranks ranks" "$status:$out:$err" "0:$wanted:"
        is "recall-mpi, $ranks ranks: each has a file" \
            "$(jq -rs 'map(select(.routed_calls > 1000) | .rank) | sort | join(" ")' "made/$ranks"/*)" \
            "$(seq -s ' ' 0 $((ranks - 1)))"
    done
    is 'nothing else is left' "$(find made -type f ! -name '[0-3].json')" ''
    job 4 "$arenashim" run --stats=json --stats-file='listed/%h.%r' --ranks=0,2-3 -- "$recall_mpi" \
        "${queries[@]}"
    is 'the ranks of a list' "$status:$out:$err:$(cd listed && echo *)" \
        "0:$wanted::$(uname -n).0 $(uname -n).2 $(uname -n).3"
    # Two hosts: the launcher's remote shell goes to namespaces with names of their own.
    cat >remote <<'END'
#!/bin/bash
host=$1
shift
exec unshare --uts bash -c 'hostname "$1" && eval "$2"' bash "$host" "$*"
END
    chmod 755 remote
    if unshare --uts hostname first 2>/dev/null; then
        job 4 -N 2 --mca plm_rsh_agent "$tmp/remote" --host first:2,second:2 "$arenashim" run --stats=json \
            --stats-file="$tmp/hosts/%h.%r" -- "$recall_mpi" "${queries[@]}"
        # The launcher may warn of its own children.
        is 'two hosts share a folder' "$status:$out:$(grep '^arenashim: ' err):$(cd hosts && echo *)" \
            "0:$wanted::first.0 first.1 second.2 second.3"
    else
        skip 'two hosts share a folder' 'there can be no other host name here'
    fi
    # MPI's own memory, and what its threads draw.
    job 2 "$arenashim" run --scope=process --stats=json --stats-file='process/%r' -- "$recall_mpi" \
        "${queries[@]}"
    is 'each process as one scope' "$status:$out:$err" "0:$wanted:"
    check 'each process as one scope: routed' test "$(jq -s 'map(.routed_calls) | min' process/?)" -gt 1000
    # What the manual advises against works all the same.
    capture env LD_PRELOAD="$shim" ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/launcher/%r" \
        mpirun --oversubscribe -np 2 "$recall_mpi" "${queries[@]}"
    is 'the launcher has the shim, too' "$status:$out:$err" "0:$wanted:"
    is 'the launcher has the shim, too: the ranks have names of their own' \
        "$(cd launcher && printf '%s ' [01].*[0-9] | sed 's/\.[0-9]*//g'):$(ls launcher/-)" '0 1 :launcher/-'
else
    skip 'recall-mpi' 'it was not built: configure found no Open MPI'
fi

# ---- memory of scopes in MPI's hands -----------------------------------------------------------

read -ra flags <<<"$flags"
hooks=(open_mpi)
if echo '#include <ucm/api/ucm.h>' | $cc -E - >/dev/null 2>&1; then
    hooks+=(ucx)
    flags+=(-DHAVE_UCM -lucm -lucs)
else
    skip "UCX's memory hooks" 'UCX cannot be compiled with (libucx-dev)'
fi
need mpi -O2 mpi.c "${flags[@]}"

# with_ends RANKS DESCRIPTION CASE [ARGUMENT...]: the case in scopes that drop and that retain, with
# arguments of mpirun
with_ends() {
    local end
    for end in reset retain; do
        rm -rf made
        job "$1" "${@:4}" "$arenashim" run --end=$end --capacity=64K --stats=json \
            --stats-file=made/%r -- "$tmp/mpi" "$3"
        if [ "$status" = 77 ]; then
            skip "$2, $end" 'the library has none here'
        else
            is "$2, $end" "$status:$out:$err" 0::
            is "$2, $end: routed" "$(jq -s 'map(select(.routed_calls > 10)) | length' made/?)" "$1"
        fi
    done
}

with_ends 4 'messages' exchange
with_ends 2 'messages, with registered memory kept' exchange --mca mpi_leave_pinned 1
with_ends 2 'messages by way of sockets' exchange --mca btl self,tcp
if ompi_info --parsable 2>/dev/null | grep -q '^mca:pml:ucx:'; then
    # Older ones stop where they manage no connections between hosts.
    UCX_SOCKADDR_CM_ENABLE=n UCX_WARN_UNUSED_ENV_VARS=n \
        with_ends 2 'messages by way of UCX' exchange --mca pml ucx --mca opal_common_ucx_tls any \
        --mca opal_common_ucx_devices any
else
    skip 'messages by way of UCX' 'this Open MPI has no UCX'
fi
for hook in "${hooks[@]}"; do
    with_ends 2 "memory hooks of $hook see what is given back" "$hook"
done
done_testing
