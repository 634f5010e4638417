#!/usr/bin/env bash
# Builds the fuzz targets and runs them on their corpora, then lets libFuzzer go on for
# FUZZ_SECONDS (5) each; "make fuzz" is the same for longer. An input that fails is left in the
# build directory, and printed in base64.
#
# Without clang or its libFuzzer the targets run over the corpora by a plain main alone.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

seconds=${FUZZ_SECONDS:-5}
kept=$(realpath "${BUILDDIR:-.}")
include=$(pkg-config --cflags check 2>/dev/null) ||
    plan_skip 'check, whose header tests/shim/harness.h includes, is not installed'

# The core: for libFuzzer its sources, which it counts branches of, else as it is built.
core=("$source_dir"/src/{base,settings,memory,next,thread,route,engine,scope,report}/*.c
    "$source_dir"/src/process/{start,life,marks}.c "$source_dir"/src/arena/*.c)
# Of the files that look object files up configure has chosen some.
mapfile -t core < <(printf '%s\n' "${core[@]}" | grep -v '/next/objects_'
    ar t "${kept}/src/.libs/libcore.a" | sed -n "s,.*-\(objects_[a-z]*\)\.o,$source_dir/src/next/\1.c,p
        s,.*-\(find_object\)\.o,$source_dir/src/process/\1.c,p")
# What configure has found: -DHAVE_...=1 in the Makefile.
mapfile -t found < <(sed -n 's/^DEFS = //p' "$kept/Makefile" | grep -o -- '-DHAVE_[A-Z_0-9]*=[01]')
built_core=("$kept/src/.libs/libcore.a" "$ARENA_LIB")

# target COMPILER NAME FLAG... FILE...: builds $tmp/NAME
target() {
    local compiler=$1 name=$2
    shift 2
    # shellcheck disable=SC2086
    capture $compiler -std=gnu11 -g -O1 -fno-builtin -fexceptions -pthread -D_GNU_SOURCE \
        -DPACKAGE_VERSION='"fuzz"' "${found[@]}" $include -I"$source_dir/include" -I"$source_dir/src" \
        -I"$source_dir/tests" -o "$tmp/$name" "$here/$name.c" "$@"
    [ "$status" -eq 0 ]
}

has_libfuzzer() {
    have clang && clang -fsanitize=fuzzer,address,undefined -o "$tmp/probe" -xc - 2>/dev/null <<'END'
int LLVMFuzzerTestOneInput(const unsigned char *data, unsigned long size)
{
    return (void)data, (void)size, 0;
}
END
}

# The settings of the fuzzer; 0 MB because requests that nobody can serve are part of the test.
fuzzer_flags=(-rss_limit_mb=0 -timeout=20 -max_len=600 -len_control=0 -print_final_stats=1)
# Reports go to a copy of stderr, which the target of the settings redirects.
fuzzer_flags+=(-close_fd_mask=2)

# Longer than a run takes on a busy machine; read by capture.
# shellcheck disable=SC2034
limit=$((seconds * 2 + 120))
for name in config operations; do
    corpus=("$here/corpus-$name"/*)
    if has_libfuzzer; then
        if ! target clang "fuzz_$name" -fsanitize=fuzzer,address,undefined \
            -fno-sanitize-recover=all "${core[@]}"; then
            not_ok "$name: compiles" "$err"
            continue
        fi
        capture "$tmp/fuzz_$name" "${fuzzer_flags[@]}" -artifact_prefix="$kept/" "${corpus[@]}"
        is "$name: the corpus of ${#corpus[@]} inputs" "$status" 0
        [ "$status" -eq 0 ] || tap_comment "$(tail -n 30 <<<"$err")"
        mkdir -p "$tmp/new-$name"
        capture "$tmp/fuzz_$name" "${fuzzer_flags[@]}" -artifact_prefix="$kept/" \
            -max_total_time="$seconds" "$tmp/new-$name" "$here/corpus-$name"
        is "$name: $seconds seconds of libFuzzer" "$status" 0
        [ "$status" -eq 0 ] || tap_comment "$(tail -n 40 <<<"$err")"
        executed=$(sed -n 's/^stat::number_of_executed_units: *//p' <<<"$err")
        check "$name: libFuzzer executed inputs" test "${executed:-0}" -gt "${#corpus[@]}"
        tap_comment "$name: ${executed:-0} inputs"
    else
        if ! target "$cc" "fuzz_$name" "$here/main.c" "${built_core[@]}"; then
            not_ok "$name: compiles" "$err"
            continue
        fi
        capture "$tmp/fuzz_$name" "${corpus[@]}"
        is "$name: the corpus" "$status:$out" "0:${#corpus[@]} inputs"
        skip "$name: libFuzzer" 'clang with libFuzzer (clang, libclang-rt-14-dev) is not installed'
    fi
done
done_testing
