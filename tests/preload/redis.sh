#!/usr/bin/env bash
# A redis server, its command line and its benchmark under the shim: the replies to a fixed script
# are those without it, passing through and with the process as the scope; also what the server's
# forked children write (BGSAVE, BGREWRITEAOF) and what it reads back. Debian's redis is linked with
# jemalloc, as a library whose functions have the usual names: that is the next allocator here.
#
# shellcheck disable=SC2154,SC2034
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

for tool in redis-server redis-cli redis-benchmark; do
    have "$tool" || plan_skip "$tool is not installed"
done
requests=${REDIS_REQUESTS:-$([ -n "${PROGRAMS_LONG-}" ] && echo 20000 || echo 1000)}
limit=300
# What version 6 allows anyway, or does not know.
newer=()
[[ $(redis-server --version) =~ v=[1-6]\. ]] ||
    newer=(--enable-debug-command local --lazyfree-lazy-user-flush yes)
# An emulator's memory maps look to the server like those of a kernel with a defect.
[ -z "${EMULATED-}" ] || newer+=(--ignore-warnings ARM64-COW-BUG)
socket=$tmp/socket
server=0

stop() {
    if [ "$server" -ne 0 ]; then
        kill -KILL "$server" 2>/dev/null
        wait "$server" 2>/dev/null
        server=0
    fi
}
trap 'stop; rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

# The shim's settings of the current mode; `files` names the statistics of one program.
settings=()
with() {
    local files=$1
    shift
    env "${settings[@]}" ${settings:+ARENASHIM_STATS=json "ARENASHIM_STATS_FILE=$tmp/$files.%p"} "$@"
}

cli() {
    timeout 60 redis-cli -s "$socket" "$@"
}

# start DIRECTORY: a server that keeps its files there. It is stopped with its clients' SHUTDOWN, or
# by the trap.
start() {
    mkdir -p "$1"
    with server redis-server --port 0 --unixsocket "$socket" --dir "$1" --save '' \
        "${newer[@]}" --loglevel warning --io-threads 2 --proto-max-bulk-len 8mb \
        --slowlog-log-slower-than -1 --aof-use-rdb-preamble no \
        >"$tmp/server.log" 2>&1 </dev/null &
    server=$!
    local try
    for try in {1..600}; do
        [ "$(cli ping 2>/dev/null)" != PONG ] || return 0
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    not_ok "the server starts (${settings[*]}, try $try)" "$(head -c 2000 "$tmp/server.log")"
    done_testing
}

# Sets `status` to the server's.
shut_down() {
    cli shutdown nosave >/dev/null 2>&1
    status=0
    wait "$server" || status=$?
    server=0
}

# wait_for SECTION FIELD VALUE: until INFO says so
wait_for() {
    local try
    for try in {1..600}; do
        ! cli info "$1" | tr -d '\r' | grep -qx "$2:$3" || return 0
        sleep 0.1
    done
    echo "$2 does not become $3 in $try tries"
}

# Every data type, from small encodings into large ones, errors, a script, transactions.
{
    for i in {1..300}; do
        echo "set key:$i value-$i-$(printf "%0$((i * 7))d" "$i")"
        echo "append key:$i more$i"
        echo "hset hash:$((i % 3)) field$i $((i * i)) other$i x"
        echo "zadd sorted $((i * 7919 % 1009)) member$i"
        echo "sadd set:$((i % 2)) $i member$((i % 50))"
        echo "rpush list:$((i % 4)) item$i $i"
        echo "xadd stream $i-1 field value$i"
        echo "pfadd unique $i $((i * i))"
    done
    cat <<'COMMANDS'
get key:17
getrange key:200 100 140
strlen key:299
hgetall hash:1
zrangebyscore sorted 100 200 withscores
zrevrange sorted 0 20
sinter set:0 set:1
sunionstore set:all set:0 set:1
sort set:all alpha desc limit 0 50
lrange list:2 0 -1
linsert list:2 before item6 inserted
ltrim list:3 10 40
lrange list:3 0 -1
xrange stream 10 20
pfcount unique
bitcount key:250
setbit bits 70000 1
bitpos bits 1
incrbyfloat number 10.5
geoadd places 13.361389 38.115556 Palermo 15.087269 37.502669 Catania
geodist places Palermo Catania km
get no-such-key
lpush key:1 wrong-type
no-such-command
multi
incr counter
rename counter counted
lrange list:1 0 3
exec
eval "local t = {} for i = 1, 2000 do t[i] = redis.call('get', 'key:' .. (i % 300 + 1)) .. i end return {#table.concat(t), redis.sha1hex(table.concat(t, ','))}" 0
eval "return cjson.decode(cjson.encode({a = {1, 2, 3}, b = ARGV[1]})).b" 0 text
eval "error('a failure')" 0
dump list:1
object encoding hash:1
copy sorted sorted:copy
del sorted
expire key:100 100000
type stream
memory purge
setrange large 4000000 end
strlen large
unlink large
dbsize
COMMANDS
} >"$tmp/commands"

# session NAME VARIABLE=VALUE...: a server's life. Writes its replies, and what the benchmark ran,
# to $tmp/replies.
session() {
    local name=$1 data=$tmp/data
    shift
    settings=("$@")
    rm -rf "$data" "$tmp"/server.[0-9]* "$tmp"/client.[0-9]* "$tmp"/benchmark.[0-9]*
    start "$data"
    {
        with client timeout 100 redis-cli -s "$socket" <"$tmp/commands"
        echo "client: $?"
        sleep 0.5 # what the allocator says is asked for ten times a second
        cli info memory | tr -d '\r' >"$tmp/memory"
        with benchmark timeout 250 redis-benchmark -s "$socket" -n "$requests" -c 20 -P 4 -d 200 \
            -r 1000 --threads 2 -t ping,set,get,incr,lpush,lpop,sadd,hset,zadd,lrange_100,mset --csv |
            cut -d , -f 1
        echo "benchmark: ${PIPESTATUS[0]}"
        # What a benchmark with random keys leaves is not the same every time.
        cli flushall
        cli <"$tmp/commands" | md5sum
        echo "digest $(cli debug digest)"
        cli bgsave
        wait_for persistence rdb_bgsave_in_progress 0
        wait_for persistence rdb_last_bgsave_status ok
        cli debug reload nosave
        echo "digest $(cli debug digest)"
        cli config set appendonly yes
        wait_for persistence aof_rewrite_in_progress 0
        cli bgrewriteaof
        wait_for persistence aof_rewrite_in_progress 0
        wait_for persistence aof_last_bgrewrite_status ok
        cli debug loadaof
        echo "digest $(cli debug digest)"
        shut_down
        echo "server: $status"
        # Another server reads what the child of this one wrote.
        rm -rf "$data/appendonlydir"
        start "$data"
        echo "digest $(cli debug digest)"
        cli get key:17
        shut_down
        echo "second server: $status"
    } >"$tmp/replies" 2>&1
    [ -z "${settings[*]}" ] || is "$name: the server writes nothing of its own" \
        "$(grep -c arenashim "$tmp/server.log" "$tmp/replies")" "$tmp/server.log:0
$tmp/replies:0"
}

total() {
    jq -s "map($1) | add" "$tmp/$2".[0-9]*
}

# memory FIELD: bytes, as the server says
memory() {
    sed -n "s/^$1://p" "$tmp/memory"
}

session 'without the shim'
cp "$tmp/replies" "$tmp/wanted"
like 'without the shim: the servers end well' "$(<"$tmp/wanted")" '^second server: 0$'
like 'without the shim: the benchmark runs' "$(<"$tmp/wanted")" '^"LRANGE_100'
is 'without the shim: all digests are one' \
    "$(sed -n 's/^digest [0-9a-f]*$/digest/p' "$tmp/wanted" | tr '\n' ' ')$(
        grep -a '^digest' "$tmp/wanted" | sort -u | wc -l)" 'digest digest digest digest 1'
jemalloc_holds=$(memory allocator_allocated)

same() {
    check "$1: the same replies" diff "$tmp/wanted" "$tmp/replies"
    local program
    for program in server client benchmark; do
        is "$1: $program: nothing is wrong" "$(total '.misuses + .left_open' $program)" 0
    done
}

session 'passing through' LD_PRELOAD="$shim"
same 'passing through'
for program in server client benchmark; do
    is "passing through: $program: nothing is routed" "$(total '.routed_calls + .scopes' $program)" 0
done

session process LD_PRELOAD="$shim" ARENASHIM_SCOPES=process
same process
for program in server client benchmark; do
    check "process: $program: routed" test "$(total .routed_calls $program)" -gt 100
done
check 'process: the server: every command' test "$(total .routed_calls server)" -gt "$requests"
if [ "${jemalloc_holds:-0}" -gt 1000000 ]; then
    # Lua's is there all the same since Redis 8, which draws it by jemalloc's own mallocx.
    check 'process: jemalloc, which is next, lacks what the server keeps' \
        test "$(memory allocator_allocated)" -lt $((jemalloc_holds - $(memory used_memory_dataset)))
else
    skip 'process: jemalloc, which is next, lacks what the server keeps' 'redis does not use jemalloc here'
fi

session 'process, small limit' LD_PRELOAD="$shim" ARENASHIM_SCOPES=process ARENASHIM_LIMIT=1M
same 'process, small limit'
check 'process, small limit: much falls back' test "$(total .fallbacks server)" -gt "$requests"
done_testing
