#!/usr/bin/env bash
# In front of other allocators, preloaded or linked, and together with libraries that allocate while
# the shim is still looking its own next functions up.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

need c -O2 -w stack.c -ldl
capture "${cxx%% *}" "${clang_flags[@]}" -std=c++17 -O2 -w -I"$source_dir/include" -I"$here" -pthread -o "$tmp/cxx" \
    -x c++ "$here/stack.c" -ldl
is 'stack.c compiles as C++' "$status:$err" 0:

for allocator in jemalloc.so mimalloc.so tcmalloc_minimal.so; do
    name=${allocator%%.*}
    name=${name%_*}
    library=$(ldconfig -p 2>/dev/null | awk -v name="lib$allocator." 'index($1, name) == 1 { print $NF; exit }')
    if [ -z "$library" ]; then
        skip "in front of $name" "lib$allocator is not installed"
        continue
    fi
    for program in c cxx; do
        behind=$library under "$tmp/$program" "$name"
        routed "$program program, $name preloaded behind"
        is "$program program, $name preloaded behind: works" "$out" works
        stat_is "$program program, $name preloaded behind: no misuse" \
            '"\(.misuses) \(.left_open) \(.fallbacks)"' '0 0 0'
    done
    need linked -O2 -w stack.c -Wl,--no-as-needed "$library" -ldl
    under "$tmp/linked" "$name"
    routed "linked with $name"
    is "linked with $name: works" "$out" works
    # Overflows go there as well.
    behind=$library under ARENASHIM_CAPACITY=4K ARENASHIM_LIMIT=64K "$tmp/c" "$name"
    check "$name serves overflows" test "$(stat .fallbacks)" -gt 0
done

# ---- early allocation --------------------------------------------------------------------------

for kind in DLSYM 'DLSYM no tail call' CONSTRUCTOR; do
    flag=''
    [[ $kind != *tail* ]] || flag=-fno-optimize-sibling-calls
    # A tail call of dlsym keeps the caller that RTLD_NEXT starts from; another one must not lead back to the shim.
    need libearly.so -O2 ${flag:+$flag} -fPIC -shared "-DEARLY_${kind%% *}" early.c -ldl
    need early "-DEARLY_${kind%% *}" early_main.c -Wl,--no-as-needed "$tmp/libearly.so" -Wl,-rpath,"$tmp"
    for order in linked behind before; do
        case $order in
        linked) behind='' under "$tmp/early" ;;
        behind) behind=$tmp/libearly.so under "$tmp/early" ;;
        before)
            rm -f "$tmp/stats"
            capture env LD_PRELOAD="$tmp/libearly.so $shim" ARENASHIM_STATS=json \
                ARENASHIM_STATS_FILE="$tmp/stats" "$tmp/early"
            ;;
        esac
        routed "allocates early, ${kind,,}, $order"
        like "allocates early, ${kind,,}, $order: its blocks live" "$out" '^[1-9][0-9]* early blocks$'
    done
done

# In the program itself; a library behind the shim is relocated before it and cannot call it.
need ifunc -O2 -DEARLY_IFUNC early_main.c early.c
under "$tmp/ifunc"
routed 'allocates in an IFUNC of the program'
done_testing
