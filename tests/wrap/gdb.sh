#!/usr/bin/env bash
# gdb at every instruction of a wrapped call, with a host that answers at once and one that needs its
# slow forms: the backtrace names the caller and the caller's caller, and the frame of the caller is
# where it was.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

have gdb || plan_skip 'gdb is not installed'
unset DEBUGINFOD_URLS
program=${BUILDDIR:-.}/tests/wrap/check_thunk
gdb -batch -ex 'whatis fake_slow' "$program" 2>/dev/null | grep -qx 'type = _Bool' ||
    plan_skip 'built without debug information'
export CK_FORK=no CK_RUN_CASE=thunk

cat >"$tmp/step.py" <<'EOF'
import gdb

gdb.execute("set pagination off")
gdb.execute("set width 0")
# Before the call of the second `outermost` of the test: the first is not wrapped.
gdb.execute("break outermost")
gdb.execute("run")
print("runs here")
gdb.execute("continue")
if slow:
    gdb.execute("set var fake_slow = 1")

def stack():
    names, frame = [], gdb.newest_frame()
    while frame is not None:
        names.append(frame.name())
        frame = frame.older()
    return names

def caller():
    frame = gdb.newest_frame()
    while frame.name() != "outermost":
        frame = frame.older()
    return str(frame.read_register("rsp")), str(frame.read_register("rbx"))

# From the first instruction of the stub to the one behind the call.
while gdb.newest_frame().name() == "outermost":
    gdb.execute("stepi", to_string=True)
expected = stack()[1:]
place = caller()
steps = own = bad = 0
seen = set()
while gdb.newest_frame().name() != "outermost":
    names = stack()
    seen.update(names)
    steps += 1
    own += names[0] in ("wrap_thunk", "call_keeping_state")
    if names[-len(expected):] != expected or caller() != place:
        bad += 1
        print("at", gdb.newest_frame().pc(), names)
    if "trace" in names or "slow_form" in names or "ruin_all" in names:
        gdb.execute("finish", to_string=True)
    else:
        gdb.execute("stepi", to_string=True)
print("steps in the wrapper:", own)
print("bad backtraces:", bad)
print("seen:", " ".join(sorted(name for name in seen if name)))
print("callers:", " ".join(expected[:2]))
EOF

for slow in 0 1; do
    limit=300 capture gdb -nx -q -batch -iex 'set startup-with-shell off' -ex "python slow = $slow" \
        -x "$tmp/step.py" "$program"
    [[ $out = *'runs here'* ]] || plan_skip 'gdb cannot run a program here'
    steps=$(sed -n 's/^steps in the wrapper: //p' <<<"$out")
    check "slow host $slow: the wrapper was stepped through ($steps)" test "${steps:-0}" -gt 60
    like "slow host $slow: the callers stand in every backtrace" "$out" '^bad backtraces: 0$'
    like "slow host $slow: the callers are named" "$out" '^callers: outermost backtraces_pass_fn$'
    if [ "$slow" = 1 ]; then
        like 'the slow forms were called' "$out" '^seen: .*enter_slowly.* leave_slowly '
    else
        like 'the function was called' "$out" '^seen: .* trace '
    fi
done
done_testing
