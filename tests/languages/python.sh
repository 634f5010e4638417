#!/usr/bin/env bash
# The module for Python, without the shim and under it (python.py): what is alive at the end of a scope
# stays as it is.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

# The interpreter itself: a wrapper around it would be a shell.
python=/usr/bin/python3
[ -x "$python" ] || plan_skip "$python is not there"

export PYTHONPATH=$source_dir/bindings/python PYTHONDONTWRITEBYTECODE=1 limit=60
right=(plain keeps interpreter decorated threads forks)

capture "$python" "$here/python.py"
is 'without the shim nothing happens' "$status:$err" 0:

for setting in ARENASHIM_ALIGN=16 ARENASHIM_END=reset PYTHONMALLOC=malloc ARENASHIM_DEBUG=poison,verify; do
    under "$setting" "$python" "$here/python.py" "${right[@]}"
    routed "under the shim, $setting"
    stat_is '... nothing is misuse' '"\(.misuses) \(.left_open)"' '0 0'
done

under "$python" "$here/python.py" keeps
stat_is 'the place of a scope is that of the source' \
    '.sites[] | select(.label == "keeps") | "\(.file | split("/") | last) \(.scopes)"' 'python.py 200'
routes=$(stat .routed_calls)
under PYTHONMALLOC=malloc "$python" "$here/python.py" keeps
check 'with PYTHONMALLOC=malloc objects are routed, too' test "$(stat .routed_calls)" -gt $((2 * routes))

under "$python" "$here/python.py" crossed
is 'generators and tasks that take turns in scopes lose nothing' "$status" 0
one_line '... and are told' 'arena_scope_end of a scope that has ended already'

if "$python" -c 'import numpy' 2>/dev/null; then
    under "$python" -c '
import arenashim, numpy
a = numpy.ones(100000)
for _ in range(100):
    with arenashim.scope("temporaries"):
        a = numpy.sqrt(a * a + 1) - 0.25 * a'
    routed 'the temporaries of numpy'
    stat_is '... each of them' '.sites[0].routed_bytes >= 100 * 3 * 800000' true
else
    skip 'the temporaries of numpy' 'numpy is not installed'
fi
done_testing
