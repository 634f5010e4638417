#!/usr/bin/env bash
# CPython's own test suite has the same outcome under the shim as without it, module by module:
# passing through, with the process as the scope, and with that and PYTHONMALLOC=malloc, where each
# object is a block. Modules that do not pass without the shim here are left out. A module with
# another outcome is tried once more: some of the suite's tests depend on the time.
#
# PROGRAMS_LONG=1 in the environment runs some 130 modules instead of a few that take seconds;
# PYTHON_MODULES names others.
#
# shellcheck disable=SC2154,SC2034
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

# The interpreter itself: a wrapper around it would be a shell.
python=/usr/bin/python3
[ -x "$python" ] || plan_skip "$python is not there"
"$python" -c 'import test.libregrtest, test.test_dict' 2>/dev/null ||
    plan_skip "python's own test suite is not installed (libpython3.11-testsuite in Debian 12)"

quick=(test_array test_asyncgen test_context test_copy test_coroutines test_ctypes test_dict
    test_fork1 test_frame test_functools test_generators test_json test_list test_memoryview
    test_mmap test_ordered_dict test_struct test_thread test_threading_local test_unicodedata
    test_zlib)
long=("${quick[@]}" test_argparse test_ast test_atexit test_audit test_baseexception test_bisect
    test_bufio test_builtin test_bytes test_bz2 test_calendar test_class test_codecs test_collections
    test_compile test_complex test_configparser test_contextlib test_cprofile test_csv
    test_dataclasses test_datetime test_dbm test_decimal test_defaultdict test_deque test_descr
    test_difflib test_dis test_doctest test_enum test_epoll test_exceptions test_file test_fileio
    test_finalization test_float test_format test_fractions test_fstring test_gc test_glob
    test_grammar test_gzip test_hashlib test_heapq test_import test_inspect test_int test_io test_iter
    test_itertools test_locale test_long test_lzma test_marshal test_math test_memoryio test_minidom
    test_operator test_os test_pathlib test_patma test_pickle test_pkgutil test_popen test_posix
    test_poll test_pty test_pyexpat test_queue test_random test_range test_re test_readline test_runpy test_sax
    test_sched test_select test_selectors test_set test_shelve test_shutil test_signal test_slice
    test_socketserver test_sort test_statistics test_string test_subprocess test_super test_symtable
    test_sys test_sys_settrace test_tarfile test_tempfile test_textwrap test_threadedtempfile
    test_threading test_threadsignals test_time test_trace test_traceback test_tuple test_types
    test_typing test_unicode test_uuid test_wait3 test_wait4 test_weakref test_weakset test_xml_etree
    test_xml_etree_c test_zipfile test_zoneinfo)
if [ -n "${PYTHON_MODULES-}" ]; then
    read -ra modules <<<"$PYTHON_MODULES"
elif [ -n "${PROGRAMS_LONG-}" ]; then
    modules=("${long[@]}")
else
    modules=("${quick[@]}")
fi
limit=${PROGRAMS_LONG:+7200} limit=${limit:-600}

# suite MODULE... with `settings`: sets `outcomes` to a line "MODULE OUTCOME" for each
settings=()
suite() {
    rm -rf "$tmp/work"
    mkdir "$tmp/work"
    capture env -C "$tmp/work" TMPDIR="$tmp/work" "${settings[@]}" "$python" -m test -j2 \
        --timeout 300 "$@"
    outcomes=$(sed -nE 's|^.*\[ *[0-9]+/[0-9/ ]+\] (test_[a-z0-9_]+) ([a-z]+).*|\1 \2|p' "$tmp/out" |
        sort)
}

suite "${modules[@]}"
wanted=$(grep ' passed$' <<<"$outcomes")
mapfile -t modules < <(cut -d ' ' -f 1 <<<"$wanted")
left_out=$(grep -v ' passed$' <<<"$outcomes" | tr '\n' ',')
check "without the shim ${#modules[@]} modules pass (not among them: ${left_out:-none})" \
    test ${#modules[@]} -ge $(($(wc -l <<<"$outcomes") * 3 / 4))

total() {
    jq -s "map($1) | add" "$tmp/stats"/*
}

# under_shim NAME VARIABLE=VALUE...
under_shim() {
    local name=$1 differ
    shift
    rm -rf "$tmp/stats"
    mkdir "$tmp/stats"
    settings=(LD_PRELOAD="$shim" ARENASHIM_STATS=json ARENASHIM_STATS_FILE="$tmp/stats/%p" "$@")
    suite "${modules[@]}"
    mapfile -t differ < <(comm -23 <(echo "$wanted") <(echo "$outcomes") | cut -d ' ' -f 1)
    if [ ${#differ[@]} -gt 0 ]; then
        tap_comment "$name: once more: ${differ[*]}"
        grep -E -A 15 '^(test [a-z0-9_]+ (failed|crashed)|ERROR|FAIL|Fatal|Traceback)' "$tmp/out" |
            head -n 60 | sed 's/^/# /'
        suite "${differ[@]}"
        mapfile -t differ < <(grep -v ' passed$' <<<"$outcomes")
    fi
    is "$name: the same modules pass" "${differ[*]}" ''
    is "$name: nothing is wrong" "$(total '.misuses + .left_open')" 0
    # shellcheck disable=SC2016
    check "$name: the shim was in the path of $(find "$tmp/stats" -type f | wc -l) processes" \
        jq -se --argjson least ${#modules[@]} 'length > $least' "$tmp/stats"/*
}

under_shim 'passing through'
is 'passing through: nothing is routed' "$(total '.routed_calls + .scopes')" 0
# What an arena draws for a process it keeps, so its size is bounded.
under_shim process ARENASHIM_SCOPES=process ARENASHIM_LIMIT=256M
# Some that the suite starts, as true, draw nothing, so that their scope does not open.
check 'process: every process that draws is routed' jq -se \
    'all(.routed_calls > 0 or .scopes == 0) and any(.routed_calls > 0)' "$tmp/stats"/*
under_shim 'process, PYTHONMALLOC=malloc' ARENASHIM_SCOPES=process ARENASHIM_LIMIT=256M \
    PYTHONMALLOC=malloc
check 'process, PYTHONMALLOC=malloc: every object is a block' \
    test "$(total .routed_calls)" -gt $((${#modules[@]} * 100000))
done_testing
