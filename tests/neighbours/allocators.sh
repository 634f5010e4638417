#!/usr/bin/env bash
# Other libraries that change malloc: allocators behind the shim, preloaded and linked, wrappers in
# front of it and behind it, plug-ins that go past it, children that inherit LD_PRELOAD.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need mixed -g -O1 mixed.c -ldl
need threads -O2 "$source_dir/tests/preload/threads.c"
need cxx -std=c++17 -O2 -Wno-alloc-size-larger-than -Wno-unknown-warning-option \
    "$source_dir/tests/preload/entry_points.cc"

small=(ARENASHIM_CAPACITY=16K ARENASHIM_LIMIT=32K)

# mixes DESCRIPTION PROGRAM: blocks of all origins in nine threads
mixes() {
    under "${small[@]}" "$2" threads
    routed "$1: blocks of all origins"
    stat_is "$1: blocks of all origins: some fall back, none is misused" \
        '"\(.fallbacks) \(.misuses) \(.left_open)"' '360 0 0'
}

# ---- allocators --------------------------------------------------------------------------------

for allocator in jemalloc mimalloc tcmalloc_minimal; do
    library=$(ldconfig -p 2>/dev/null |
        awk -v name="lib$allocator.so." 'index($1, name) == 1 { print $NF; exit }')
    if [ -n "$library" ]; then
        behind=$library mixes "$allocator preloaded behind" "$tmp/mixed"
        for name in all_at_once one_after_another fork_in_scope exit_with_open_scopes hand_over; do
            behind=$library under "$tmp/threads" "$name"
            routed "$allocator preloaded behind: $name"
        done
        for name in operators_in_scope operators_across containers; do
            behind=$library under "$tmp/cxx" "$name"
            routed "$allocator preloaded behind: C++ $name"
        done
    else
        skip "$allocator preloaded behind" "lib$allocator is not installed"
    fi
    if build "linked-$allocator" -g -O1 mixed.c -ldl -Wl,--no-as-needed "-l$allocator"; then
        mixes "$allocator linked" "$tmp/linked-$allocator"
        need "threads-$allocator" -O2 "$source_dir/tests/preload/threads.c" -Wl,--no-as-needed \
            "-l$allocator"
        for name in all_at_once fork_in_scope exit_with_open_scopes; do
            under "$tmp/threads-$allocator" "$name"
            routed "$allocator linked: $name"
        done
    else
        skip "$allocator linked" "lib$allocator is not installed for development"
    fi
done
if build static-jemalloc -g -O1 mixed.c -ldl -Wl,-Bstatic -ljemalloc -Wl,-Bdynamic -lm -lstdc++; then
    under "${small[@]}" "$tmp/static-jemalloc" threads
    is 'jemalloc in the program: works' "$status" 0
    one_line 'jemalloc in the program: one line' \
        "not in the path: malloc is that of $tmp/static-jemalloc; .*does not define malloc"
else
    skip 'jemalloc in the program' 'libjemalloc.a is not installed'
fi

# ---- wrappers ----------------------------------------------------------------------------------

need libwrapper.so -fPIC -shared -O1 wrapper.c -ldl
wrapper=$tmp/libwrapper.so
behind=$wrapper mixes 'a wrapper behind' "$tmp/mixed"
is 'a wrapper behind: it wraps' "$out" wrapped

# in_front LIBRARY [VARIABLE=VALUE...] COMMAND...
in_front() {
    local library=$1
    shift
    rm -f "$tmp/stats"
    capture env LD_PRELOAD="$library $shim" ARENASHIM_STATS=json \
        ARENASHIM_STATS_FILE="$tmp/stats" "$@"
}

if build address -no-pie -fno-pie -O1 address.c; then
    under ARENASHIM_MODULES=-address "$tmp/address"
    is 'a program that has an address of malloc is no wrapper' "$status:$out:$err" 0:works:
    under "$tmp/address"
    routed 'a program that has an address of malloc'
else
    skip 'a program that has an address of malloc' "the compiler makes no such program: $err"
fi
in_front "$wrapper" "$tmp/mixed" threads
is 'a wrapper in front: works' "$status:$out" 0:wrapped
one_line 'a wrapper in front: one line' \
    'behind libwrapper.so, which makes the calls in the program.s place, .*first in LD_PRELOAD'
stat_is 'a wrapper in front: the calls are counted as its own' \
    '.passed_in_scope.modules[0].name' libwrapper.so
in_front "$wrapper" "${small[@]}" ARENASHIM_MODULES=+libwrapper.so "$tmp/mixed" threads
routed 'a wrapper in front, named in ARENASHIM_MODULES'
is 'a wrapper in front, named: it wraps' "$out" wrapped

heaptrack=$(find /usr/lib /usr/local/lib -name 'libheaptrack_preload.so*' 2>/dev/null | head -n 1)
if [ -n "$heaptrack" ]; then
    # It writes its trace to standard output unless it is told a file.
    export DUMP_HEAPTRACK_OUTPUT=$tmp/trace
    in_front "$heaptrack" "$tmp/mixed" threads
    is 'heaptrack in front: works' "$status" 0
    like 'heaptrack in front: one line' "$err" \
        '^arenashim: behind libheaptrack_preload\.so, which makes the calls'
    check 'heaptrack in front: it sees the calls' grep -q '^+' "$tmp/trace"
    rm -f "$tmp/trace"
    behind=$heaptrack under "${small[@]}" "$tmp/mixed" threads
    is 'heaptrack behind: works' "$status" 0
    unlike 'heaptrack behind: the shim says nothing' "$err" '^arenashim:'
    check 'heaptrack behind: routed' test "$(stat .routed_calls)" -gt 300
    check 'heaptrack behind: it sees the other calls' grep -q '^+' "$tmp/trace"
    unset DUMP_HEAPTRACK_OUTPUT
else
    skip 'heaptrack' 'heaptrack is not installed'
fi

# ---- plug-ins that would go past every preloaded library ---------------------------------------

need plugin.so -fPIC -shared -O1 plugin.c
for name in deepbind deepbind_gives; do
    under "$tmp/mixed" $name "$tmp/plugin.so"
    routed "RTLD_DEEPBIND is taken away: $name"
    check "RTLD_DEEPBIND is taken away: $name: its calls are seen" \
        test "$(stat '[.passed_in_scope.modules[] | select(.name == "plugin.so") | .calls] | add')" -gt 0
done
capture env LD_PRELOAD="$shim" ARENASHIM_DISABLE=1 LD_DEBUG=scopes "$tmp/mixed" deepbind "$tmp/plugin.so"
like 'RTLD_DEEPBIND stays where the shim is disabled' \
    "$(grep -A 2 'object=.*/plugin.so' <<<"$err")" 'scope 0: .*/plugin.so'
capture env LD_PRELOAD="$shim" LD_DEBUG=scopes "$tmp/mixed" deepbind "$tmp/plugin.so"
unlike 'RTLD_DEEPBIND: the flag reaches nobody else' \
    "$(grep -A 2 'object=.*/plugin.so' <<<"$err")" 'scope 0: .*/plugin.so'
# A constructor loads it, before the shim's own.
export PLUGIN=$tmp/plugin.so
need libearly.so -fPIC -shared -O1 -DLIBRARY early.c
need early -O1 early.c "$tmp/libearly.so" -Wl,-rpath,"$tmp"
under ARENASHIM_SCOPES=process "$tmp/early"
routed 'RTLD_DEEPBIND is taken away before the shim has begun'
under "$tmp/early" marked
is 'RTLD_DEEPBIND before the first mark: works' "$status:$out" 0:done
one_line 'RTLD_DEEPBIND before the first mark: one line' 'marks open no scopes: .*RTLD_DEEPBIND'
stat_is 'RTLD_DEEPBIND before the first mark: nothing is routed' .routed_calls 0
unset PLUGIN
for call in free realloc; do
    under "$tmp/mixed" "libc_$call"
    # glibc 2.31 and 2.41 crash without a word.
    like "by its handle: the C library's $call of scope memory ends the process" "$status:$out" '^13[49]:drawn$'
    [ "$status" = 139 ] ||
        like "by its handle: the C library's $call of scope memory says why" "$err" \
        "^$call\(\): invalid (size|old size|pointer)"
done

# The file is looked for where the caller's run path says, and beside it.
mkdir "$tmp/beside"
need beside/libbeside.so -fPIC -shared -O1 plugin.c
echo '#include <dlfcn.h>
int main(void) { return dlopen("libbeside.so", RTLD_NOW | RTLD_DEEPBIND) == 0; }' >"$tmp/runpath.c"
# shellcheck disable=SC2016 # $ORIGIN is for the dynamic linker
need runpath -O1 "$tmp/runpath.c" -ldl '-Wl,-rpath,$ORIGIN/beside'
under "$tmp/runpath"
is "dlopen: the caller's run path counts" "$status:$err" 0:

# ---- children ----------------------------------------------------------------------------------

# What a host shell does with processes that have no use for the shim.
# shellcheck disable=SC2016
pipeline='seq 500 | sort -rn | head -n 3 | tr "\n" " "; (exit 4); echo $? $(echo sub); kill -0 $$; exit 5'
capture bash -c "$pipeline"
wanted="$status:$out:$err"
mkdir "$tmp/each"
capture env LD_PRELOAD="$shim" ARENASHIM_STATS_FILE="$tmp/each/%p" bash -c "$pipeline"
is 'children inherit LD_PRELOAD: nothing changes' "$status:$out:$err" "$wanted"
check 'children inherit LD_PRELOAD: it was there' test "$(find "$tmp/each" -type f | wc -l)" -ge 4
capture env LD_PRELOAD="$shim" env -u LD_PRELOAD bash -c "$pipeline"
is 'children without it' "$status:$out:$err" "$wanted"
done_testing
