#!/usr/bin/env bash
# Functions that specs name: which ones are found, how calls of them are caught, what is said of
# those that are not. The wrapping part runs under a host of its own (host_lib.c), which counts
# calls; the shim itself is not in the process.
#
# shellcheck disable=SC2154,SC2016
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"

host=$tmp/libarenashim-host.so
wrap=${shim%/*}/libarenashim-wrap.so
[ -r "$wrap" ] || plan_skip 'the part that wraps functions is not built'
here=$source_dir/tests/wrap

need libarenashim-host.so -shared -fPIC -O2 -mgeneral-regs-only -I"$source_dir/src" host_lib.c
need libnamed.so -shared -fPIC -O2 -g named_lib.c
need plugin.so -shared -fPIC -O2 -g -DNAME=p_ named_lib.c
cp "$tmp/plugin.so" "$tmp/other.so"
echo 'int k_looped(int); int use_looped(int n) { return k_looped(n); }' >"$tmp/user.c"
# Libraries stand behind what needs them, where build takes no options.
link=(-L"$tmp" -lnamed "-Wl,-rpath,$tmp")

# wrapped SPECS [VARIABLE=VALUE]... COMMAND...: runs it, sets `counts` to the lines of host_lib.c, in
# the order of the names, with the calls of each function summed.
wrapped() {
    local specs=$1
    shift
    rm -f "$tmp/counts"
    capture env LD_PRELOAD="$host" HOST_WRAP="$wrap" HOST_COUNTS="$tmp/counts" \
        ARENASHIM_SCOPES="$specs" "$@"
    counts=
    [ ! -e "$tmp/counts" ] || counts=$(awk '
        /^[0-9]/ { calls = $1; sub(/^[0-9]+ /, ""); sum[$0] += calls; next }
        { print }
        END { for (function_ in sum) print sum[function_], function_ }' "$tmp/counts" | sort -k2)
}

# counted DESCRIPTION LINE...: the last run succeeded, said nothing, and called just these.
counted() {
    local description=$1 wanted
    shift
    wanted=$(printf '%s\n' "$@")
    if [ "$status" -eq 0 ] && [ -z "$err" ] && [ "$counts" = "$wanted" ]; then
        ok "$description"
    else
        not_ok "$description" "status $status, stderr: $err
counts: $counts
wanted: $wanted"
    fi
}

# says DESCRIPTION LINE...: stderr of the last run is just these lines, each without its
# "arenashim: ".
says() {
    local description=$1
    shift
    is "$description" "$err" "$([ $# -eq 0 ] || printf 'arenashim: %s\n' "$@")"
}

scopes=ARENASHIM_SCOPES
loop='its first instruction is the head of a loop'

# ---- how calls are caught ----------------------------------------------------------------------

exported='[k]_[!l]*;libnamed.so!k_looped;libnamed.so!k_looped_too'
test_linking() {
    local name=$1 plain
    shift
    # shellcheck disable=SC2086
    check "$name: compiles" $cc -O2 -pthread -D_GNU_SOURCE "$@" -o "$tmp/named" "$here/named.c" "${link[@]}"
    capture "$tmp/named" calls dlsym
    plain=$out
    wrapped "$exported" "$tmp/named" calls dlsym protections
    counted "$name: every call is caught" \
        '1 libnamed.so!k_call_looped retain 256' \
        '1 libnamed.so!k_inside retain 256' \
        '5 libnamed.so!k_looped retain 256' \
        '1 libnamed.so!k_looped_too retain 256' \
        '3 libnamed.so!k_sum retain 256'
    is "$name: results, addresses and protections are what they were" "$out" \
        "$plain"$'\nprotections'
}
test_linking 'lazy binding' -Wl,-z,lazy -Wl,-z,norelro
test_linking 'lazy binding, RELRO' -Wl,-z,lazy -Wl,-z,relro
test_linking 'immediate binding, no RELRO' -Wl,-z,now -Wl,-z,norelro
test_linking 'no position-independent code' -fno-pie -no-pie
test_linking 'no PLT' -fno-plt
test_linking 'immediate binding, RELRO' -Wl,-z,now -Wl,-z,relro
named=$tmp/named

wrapped 'libnamed.so!hidden' "$named" calls
counted 'a function that is not exported' '1 libnamed.so!hidden retain 256'
wrapped 'main!main' "$named" calls
counted 'main of the program' '1 named!main retain 256'
wrapped 'named!main' "$named" calls
counted 'the program by its name' '1 named!main retain 256'
wrapped "$named!main" "$named" calls
counted 'the program by its path' '1 named!main retain 256'
loader=$(readelf -l "$named" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
ld=${loader##*/}
for spec in main!main named!main "$named!main"; do
    wrapped "$spec" "$loader" "$named" calls
    counted "the program, started through the dynamic linker, as ${spec#"$tmp"}" \
        '1 named!main retain 256'
done
wrapped 'main!main' "$loader" --argv0 other "$named" calls
counted 'the program, started so under another name' '1 other!main retain 256'
wrapped "$ld!main" "$loader" "$named" calls
says 'the program is not taken for the dynamic linker' \
    "$scopes: '$ld!main' matches no function so far of $ld (stripped: only what it exports has a name)"
# shellcheck disable=SC2016
bare=(unshare -m sh -c 'umount -l /proc && exec "$@"' sh)
if "${bare[@]}" true 2>/dev/null; then
    wrapped 'main!main' "${bare[@]}" "$named" calls
    is 'without /proc the program is found, and why it is not wrapped is said' "${err##*$'\n'}" \
        "arenashim: $scopes: 'main!main': cannot wrap main: code cannot be changed through /proc/thread-self/mem, and it is not exported"
    capture "${bare[@]}" "$arenashim" scopes --shim="$shim" --scope='main!main' --scope-strict -- "$named"
    is '... as the list does: status' "$status" 125
    like '... as the list does' "$out" '^main!main .* code cannot be changed through /proc/thread-self/mem'
else
    skip 'without /proc' 'no file system can be taken away here'
fi
wrapped "$tmp/libnamed.so!k_sum" "$named" calls
counted 'a library by its path' '3 libnamed.so!k_sum retain 256'
wrapped '*/libnamed.so!k_sum' "$named" calls
counted 'a library by a glob of its path' '3 libnamed.so!k_sum retain 256'
wrapped 'libnamed.so!k_alias' "$named" calls
counted 'an alias: one function, by its shortest name' '3 libnamed.so!k_sum retain 256'
wrapped 'libnamed.so!k_alias;libnamed.so!k_sum;*!k_s[a-z]m' "$named" calls
counted 'a function that several specs mean is wrapped once' '3 libnamed.so!k_sum retain 256'

wrapped 'reset:libnamed.so!k_sum;retain:libnamed.so!k_inside;k_call_looped' ARENASHIM_END=reset \
    "$named" calls
counted 'the prefix says how a scope ends' '1 libnamed.so!k_call_looped reset 256' \
    '1 libnamed.so!k_inside retain 256' '3 libnamed.so!k_sum reset 256'
wrapped 'reset:libnamed.so!k_sum;retain:libnamed.so!k_*m' "$named" calls
counted 'the first of two specs decides' '3 libnamed.so!k_sum reset 256'

# ---- libraries that are loaded later -----------------------------------------------------------

wrapped '[!k]_[!l]*;p_looped' "$named" open "$tmp/plugin.so"
is 'dlopen: functions of the library' "$counts" "1 plugin.so!p_call_looped retain 256
1 plugin.so!p_inside retain 256
2 plugin.so!p_looped retain 256
2 plugin.so!p_sum retain 256"
says 'dlopen: specs of any module matched nothing at start' \
    "$scopes: '[!k]_[!l]*' matches no function so far of the loaded modules" \
    "$scopes: 'p_looped' matches no function so far of the loaded modules"
is 'dlopen: results are what they were' "$out" 'plugin 18 290530 42 42'
wrapped 'plugin.so!p_sum;plugin.so!p_looped' "$named" open-now "$tmp/plugin.so" protections
counted 'dlopen with RTLD_NOW' '2 plugin.so!p_looped retain 256' '2 plugin.so!p_sum retain 256'
is 'dlopen: protections are what they were' "$out" 'plugin 18 290530 42 42
protections'
wrapped 'plugin.so!p_sum;p*!p_looped' "$named" open "$tmp/plugin.so" close open "$tmp/plugin.so" \
    close open "$tmp/plugin.so"
counted 'a library that comes again is wrapped again, as one site' \
    '6 plugin.so!p_looped retain 256' '6 plugin.so!p_sum retain 256'
wrapped 'plugin.so!p_sum;other.so!p_sum' "$named" open "$tmp/plugin.so" close open "$tmp/other.so" open "$tmp/plugin.so"
counted 'another library in its place' '2 other.so!p_sum retain 256' \
    '4 plugin.so!p_sum retain 256'
wrapped '*!k_sum;plugin.so!p_sum' "$named" open "$tmp/plugin.so" open "$tmp/other.so" calls
counted 'dlopen: what was wrapped before stays as it is' '3 libnamed.so!k_sum retain 256' \
    '2 plugin.so!p_sum retain 256'
need user.so -shared -fPIC -O2 "$tmp/user.c"
wrapped 'libnamed.so!k_looped' "$named" user "$tmp/user.so"
counted 'dlopen: a library that calls a function wrapped before' \
    '1 libnamed.so!k_looped retain 256'
is 'with its result' "$out" 'user 42'

cp "$tmp/plugin.so" "$tmp/third.so"
wrapped 'plugin.so!p_[sl]*[md];third.so!p_[sl]*[md];k_looped' "$named" \
    threads "$tmp/plugin.so,$tmp/third.so"
is 'threads that load and unload: every call is caught' "$counts" '800 libnamed.so!k_looped retain 256
400 plugin.so!p_looped retain 256
400 plugin.so!p_sum retain 256
400 third.so!p_looped retain 256
400 third.so!p_sum retain 256'
is 'threads that load and unload: results' "$status:$out" '0:threads 0'

need libnamed.so -shared -fPIC -O2 -g -Wl,-z,noseparate-code named_lib.c
wrapped 'libnamed.so!k_looped;libnamed.so!k_sum' "$named" calls dlsym protections
counted 'symbols that lie among code' '5 libnamed.so!k_looped retain 256' \
    '3 libnamed.so!k_sum retain 256'
like 'symbols that lie among code: protections are what they were' "$out" '^protections'
unlike 'symbols that lie among code: no page is open' "$out" 'has a page'
need libnamed.so -shared -fPIC -O2 -g named_lib.c

# ---- C++ ---------------------------------------------------------------------------------------

need cxx -O2 named.cc
for spec in shapes::Square::area 'shapes::Square::area() const' '*::Square::area' \
    _ZNK6shapes6Square4areaEv '_ZNK6shapes6Square*' 'main!shapes::Sq*::ar*'; do
    wrapped "$spec" "$tmp/cxx"
    counted "C++: $spec" '2 cxx!shapes::Square::area() const retain 256'
done
wrapped 'shapes::scale(int)' "$tmp/cxx"
counted 'C++: one of two overloads' '1 cxx!shapes::scale(int) retain 256'
wrapped 'shapes::scale' "$tmp/cxx"
counted 'C++: both overloads' '1 cxx!shapes::scale(double) retain 256' \
    '1 cxx!shapes::scale(int) retain 256'
wrapped 'shapes::twice<int>' "$tmp/cxx"
counted 'C++: a template' '1 cxx!shapes::twice<int>(int) retain 256'
wrapped 'int shapes::twice<int>(int)' "$tmp/cxx"
counted 'C++: a template, as c++filt shows it' '1 cxx!shapes::twice<int>(int) retain 256'
wrapped '(anonymous namespace)::secret' "$tmp/cxx"
counted 'C++: an anonymous namespace' '1 cxx!(anonymous namespace)::secret() retain 256'
wrapped 'reset::again' "$tmp/cxx"
counted 'C++: a namespace with the name of a prefix' '1 cxx!reset::again() retain 256'
is 'C++: results are what they were' "$out" '13 6 5.0 8 3 4'

# Names of some 500 bytes, which take a deep stack to demangle.
cat >"$tmp/deep.cc" <<'END'
template <typename A, typename B> struct both { A a; B b; };
template <typename A> using pair = both<A, both<A *, A &&>>;
extern "C" int p_call(int n);
template <typename A> __attribute__((noinline)) int deep_name(A *value, int n)
{
    static volatile int sum;
    for (int i = 0; i < n; i++)
        sum += value != nullptr;
    return sum;
}
int p_call(int n)
{
    return deep_name(static_cast<pair<pair<pair<pair<pair<int>>>>> *>(nullptr), n);
}
END
need deep.so -O2 -shared -fPIC "$tmp/deep.cc"
wrapped 'deep_name*;(*' "$named" small "$tmp/deep.so"
is 'C++: a library that is loaded on a small stack' "$status:$out" '0:small 1'

# ---- functions without a symbol ----------------------------------------------------------------

offset() {
    # NM may hold options, as CC may.
    # shellcheck disable=SC2086
    ${NM:-nm} "$tmp/libnamed.so" | awk -v name="$1" '$3 == name { sub("^0*", "0x", $1); print $1 }'
}
hidden=$(offset hidden)
looped=$(offset k_looped)
mkdir "$tmp/stripped"
strip -o "$tmp/stripped/libnamed.so" "$tmp/libnamed.so"
stripped=LD_LIBRARY_PATH=$tmp/stripped
$cc -O2 -pthread -D_GNU_SOURCE -o "$tmp/movable" "$here/named.c" -L"$tmp" -lnamed
wrapped "libnamed.so!+$hidden" "$stripped" "$tmp/movable" calls
counted 'stripped: by its offset' "1 libnamed.so!+$hidden retain 256"
wrapped "reset:libnamed.so!+0x${hidden#0x}" LD_LIBRARY_PATH="$tmp" "$tmp/movable" calls
counted 'not stripped: by its offset, with its name' '1 libnamed.so!hidden reset 256'
wrapped 'libnamed.so!k_sum' "$stripped" "$tmp/movable" calls
counted 'stripped: an exported function' '3 libnamed.so!k_sum retain 256'
wrapped 'libnamed.so!hidden' "$stripped" "$tmp/movable" calls
says 'stripped: a name that is gone' "$scopes: 'libnamed.so!hidden' matches no function so far of \
libnamed.so (stripped: only what it exports has a name)"
inside=$(printf '0x%x' $((hidden + 4)))
wrapped "libnamed.so!+$inside" "$named" calls
says 'an offset inside of a function' "$scopes: 'libnamed.so!+$inside': cannot wrap +$inside: it \
is inside of a function, not at its start"
data=$(offset _DYNAMIC)
wrapped "libnamed.so!+$data" "$named" calls
says 'an offset outside of the code' \
    "$scopes: 'libnamed.so!+$data': cannot wrap +$data: there is no code"
wrapped "libnamed.so!+$looped" "$named" calls
counted 'an exported function by its offset' '2 libnamed.so!k_looped retain 256'

# ---- what is not wrapped -----------------------------------------------------------------------

# refused SPEC NAME REASON
refused() {
    wrapped "$1" "$named" calls
    says "$1 is refused" "$scopes: '$1': cannot wrap $2: $3"
    like "$1: the program runs" "$out" '^calls 18'
}
own='the shim itself calls it'
twice='it returns more than once'
refused 'libnamed.so!k_looped_local' k_looped_local "$loop, and it is not exported"
refused 'libc.so.6!dlopen' dlopen "$own"
refused 'libc.so.6!mmap' mmap "$own"
refused 'libc.so.6!_setjmp' _setjmp "$twice"
refused 'libc.so.6!vfork' vfork "$twice"
refused 'libc.so.6!getcontext' getcontext "$twice"
refused 'libc.so.6!clone' clone 'it returns on another stack'
refused 'libc.so.6!strlen' strlen 'the code for it is chosen when it is bound (IFUNC)'
refused 'libc.so.6!__libc_start_main' __libc_start_main 'the program is started by it'
refused 'main!_start' _start 'the program is started by it'
strip -o "$tmp/bare" "$tmp/movable"
entry=$(readelf -h "$tmp/bare" | sed -n 's/.*Entry point address: *//p')
wrapped "main!+$entry" LD_LIBRARY_PATH="$tmp" "$tmp/bare" calls
says 'the start of a stripped program' \
    "$scopes: 'main!+$entry': cannot wrap +$entry: the program is started by it"
refused 'main!_init' _init 'the dynamic linker runs it before anything else of the module'
refused 'main!_fini' _fini 'the dynamic linker runs it after everything else of the module'
refused 'main!frame_dummy' frame_dummy 'the compiler made it, to start the module'
refused "$ld!__tls_get_addr" __tls_get_addr 'it belongs to the dynamic linker'
refused 'libarenashim-wrap.so!arenashim_wrap_start' arenashim_wrap_start 'it belongs to the shim'
wrapped 'libnamed.so!k_l*' "$named" calls
says 'a glob with functions that cannot be wrapped' \
    "$scopes: 'libnamed.so!k_l*': cannot wrap 2 of 4 functions (arenashim scopes lists them), the \
first is k_looped_local: $loop, and it is not exported"
wrapped 'libnamed.so!k_*local' "$named" calls
says 'a glob with one function that cannot be wrapped' \
    "$scopes: 'libnamed.so!k_*local': cannot wrap k_looped_local: $loop, and it is not exported"
wrapped '*!m*' "$named" calls
counted 'a glob of all modules spares the C library' '1 named!main retain 256'
wrapped '*!_start;k_alias' "$named" calls
says 'a literal name in any module' "$scopes: '*!_start': cannot wrap _start: the program is \
started by it"

# A word among the data that looks like a branch, where linkers have code and data in one segment.
cat >"$tmp/likeness.c" <<'EOF'
#ifdef __aarch64__
#define BRANCH "tbz w0, 0, likeness"
#else
#define BRANCH "jz likeness"
#endif
__asm__(".section .rodata\n" BRANCH "\n.previous");
void *malloc(unsigned long);
__attribute__((noinline)) void *likeness(void) { return malloc(1); }
int main(void) { return likeness() == 0; }
EOF
need likeness -O2 -Wl,-z,noseparate-code "$tmp/likeness.c"
wrapped 'main!likeness' "$tmp/likeness"
counted 'data that looks like a branch to a function' '1 likeness!likeness retain 256'

# Functions that look how much room is left on a stack that grows in pieces.
cat >"$tmp/split.c" <<'EOF'
__attribute__((noinline)) int split_small(int n) { int m = n; __asm__ volatile("" : "+m"(m)); return m; }
__attribute__((noinline)) int split_large(int n) { int m[2000]; m[n] = n; __asm__ volatile("" : "+m"(m[n])); return m[n]; }
int main(void) { return split_small(1) - split_large(1); }
EOF
protections='none full'
if [ "$(uname -m)" != x86_64 ]; then
    protections=
    skip 'split stacks' 'the compiler has them on x86-64 alone'
fi
for protection in $protections; do
    need split -O2 -fsplit-stack -fcf-protection="$protection" "$tmp/split.c"
    for name in split_small split_large; do
        wrapped "main!$name" "$tmp/split"
        says "split stacks, protection $protection: $name" "$scopes: 'main!$name': cannot wrap $name: it makes \
room on a stack that grows in pieces (split stack)"
        is "split stacks, protection $protection: $name: the program runs" "$status" 0
    done
done

# Addresses that a program may compare: `looped` would have a second one.
link=(-L"$tmp" -laddresses "-Wl,-rpath,$tmp")
for known in NOWHERE CODE DATA COPY; do
    need libaddresses.so -shared -fPIC -O2 -Wl,-Bsymbolic-functions -DLIBRARY -DKNOWN=$known addresses.c
    # shellcheck disable=SC2086
    check "an address known by $known: compiles" $cc -O2 -o "$tmp/addresses" "$here/addresses.c" "${link[@]}"
    wrapped 'libaddresses.so!looped' "$tmp/addresses"
    is "an address known by $known: it is the same" "$out" '42 the same'
    if [ $known = NOWHERE ]; then
        counted 'an address that only the dynamic linker hands out' '1 libaddresses.so!looped retain 256'
    else
        says "an address known by $known: refused" "$scopes: 'libaddresses.so!looped': cannot wrap looped: \
$loop, and it would have two addresses"
    fi
done

# A thread that runs at start, in functions that are named: their code is left alone.
link=(-L"$tmp" -lrunning "-Wl,-rpath,$tmp")
need librunning.so -shared -fPIC -O2 -DLIBRARY running.c
# shellcheck disable=SC2086
check 'a thread that runs already: compiles' $cc -O2 -o "$tmp/running" "$here/running.c" "${link[@]}"
for ((i = 0; i < 5; i++)); do
    wrapped 'librunning.so!r_*;main!own' "$tmp/running"
    is "a thread that runs already, $i: goes on" "$status:$out" '0:copied 42 goes on'
    like "a thread that runs already, $i: the program's own function" "$counts" '^1 running!own retain 256$'
    like "a thread that runs already, $i: what the linker binds" "$counts" 'librunning.so!r_copy retain 256$'
    says "a thread that runs already, $i: what is refused" "$scopes: 'librunning.so!r_*': cannot wrap \
r_hidden: other threads run already, maybe in its first instructions, and it is not exported"
done

# ---- messages ----------------------------------------------------------------------------------

accepted='a spec is [MODULE!]NAME or MODULE!+0xOFFSET, with reset: or retain: before it when wanted'
wrapped 'libnamed.so!;k_sum; ;+0x1;libnamed.so!+12;!x' "$named" calls
says 'malformed specs: a line each' \
    "$scopes: 'libnamed.so!' is not accepted and is ignored: no function is named; $accepted" \
    "$scopes: '+0x1' is not accepted and is ignored: an offset needs its module; $accepted" \
    "$scopes: 'libnamed.so!+12' is not accepted and is ignored: the offset is no hexadecimal \
number that begins with 0x; $accepted" \
    "$scopes: '!x' is not accepted and is ignored: nothing stands before '!'; $accepted"
is 'malformed specs: the others hold' "$counts" '3 libnamed.so!k_sum retain 256'
wrapped 'nothing' "$named" calls fork
says 'no function: said at start, once' \
    "$scopes: 'nothing' matches no function so far of the loaded modules"
wrapped 'libnamed.so!nothing' "$named" calls
says 'no function of a module' \
    "$scopes: 'libnamed.so!nothing' matches no function so far of libnamed.so"
wrapped 'late.so!nothing' "$named" calls fork
says 'no module: said at the end, by the process that began' \
    "$scopes: 'late.so!nothing' matches no function: no module late.so is loaded"
wrapped 'plugin.so!nothing' "$named" open "$tmp/plugin.so"
says 'a module that came, without the function' \
    "$scopes: 'plugin.so!nothing' matches no function of plugin.so"
wrapped 'plugin.so!p_l*' "$named" open "$tmp/plugin.so" close open "$tmp/plugin.so"
says 'a library that comes again: what cannot be wrapped is said once' \
    "$scopes: 'plugin.so!p_l*': cannot wrap 2 of 4 functions (arenashim scopes lists them), the \
first is p_looped_local: $loop, and it is not exported"

# ---- files -------------------------------------------------------------------------------------

printf '# a comment\n\n  libnamed.so!k_sum \n\t# another\nreset:k_inside\nbad!\nnone' >"$tmp/specs"
wrapped 'k_call_looped' ARENASHIM_SCOPE_FILE="$tmp/specs" "$named" calls
is 'a file of specs beside the variable' "$counts" '1 libnamed.so!k_call_looped retain 256
1 libnamed.so!k_inside reset 256
3 libnamed.so!k_sum retain 256'
says 'the file and the line are named' \
    "$tmp/specs:6: 'bad!' is not accepted and is ignored: no function is named; $accepted" \
    "$tmp/specs:7: 'none' matches no function so far of the loaded modules"
for file in "$tmp/missing" "$tmp"; do
    reason='No such file or directory'
    [ ! -d "$file" ] || reason='Is a directory'
    wrapped k_sum ARENASHIM_SCOPE_FILE="$file" "$named" calls
    says "a file that cannot be read: $reason" "ARENASHIM_SCOPE_FILE='$file' cannot be read and is \
ignored: $reason; it takes a file of at most 1M with one spec a line"
    is 'the variable holds' "$counts" '3 libnamed.so!k_sum retain 256'
done
yes '# too long' | head -c 1100000 >"$tmp/long"
wrapped k_sum ARENASHIM_SCOPE_FILE="$tmp/long" "$named" calls
says 'a file that is too long' "ARENASHIM_SCOPE_FILE='$tmp/long' cannot be read and is ignored: \
File too large; it takes a file of at most 1M with one spec a line"

# ---- strict ------------------------------------------------------------------------------------

# strict DESCRIPTION SPECS LINE...
strict() {
    local description=$1 specs=$2
    shift 2
    wrapped "$specs" ARENASHIM_SCOPE_STRICT=1 "$named" calls
    is "strict, $description: status, no main" "$status:$out" 125:
    says "strict, $description: what is said" "$@" \
        "the program is not started: $bad cannot be applied, and ARENASHIM_SCOPE_STRICT is set"
}
bad='1 scope spec'
strict 'a module that is not loaded' 'k_sum;late.so!f' \
    "$scopes: 'late.so!f' matches no function: no module late.so is loaded"
strict 'no function' 'k_sum;nothing' \
    "$scopes: 'nothing' matches no function of the loaded modules"
strict 'a function that cannot be wrapped' 'libc.so.6!vfork' \
    "$scopes: 'libc.so.6!vfork': cannot wrap vfork: $twice"
strict 'a malformed spec' 'k_sum;a!' \
    "$scopes: 'a!' is not accepted and is ignored: no function is named; $accepted"
bad='2 scope specs'
strict 'two of them' 'a;k_sum;b' "$scopes: 'a' matches no function of the loaded modules" \
    "$scopes: 'b' matches no function of the loaded modules"
wrapped 'k_sum' ARENASHIM_SCOPE_STRICT=1 "$named" calls
counted 'strict, and all is well' '3 libnamed.so!k_sum retain 256'

# ---- the list ----------------------------------------------------------------------------------

# The offsets and sizes are the compiler's.
list() {
    wrapped "$1" ARENASHIM_SCOPE_LIST=1 "${@:2}" "$named" calls
    out=$(sed -E 's/ 0x[0-9a-f]+ +[0-9]+ / 0x N /; s/  +/  /g' <<<"$out")
}
list 'libnamed.so!k_*;reset:main!main;k_s*;late.so!f;main!_start'
is 'the list: status and stderr' "$status:$err" 0:
is 'the list' "$out" "SPEC  END  OFFSET  SIZE  HOW  FUNCTION
libnamed.so!k_*  retain  0x N  GOT of 2 modules  libnamed.so!k_looped
libnamed.so!k_*  retain  0x N  GOT of 1 module  libnamed.so!k_looped_too
libnamed.so!k_*  retain  0x N  not: $loop, and it is not exported  libnamed.so!k_looped_local
libnamed.so!k_*  retain  0x N  not: $loop, and it is not exported  libnamed.so!k_looped_hid
libnamed.so!k_*  retain  0x N  entry  libnamed.so!k_sum
libnamed.so!k_*  retain  0x N  entry  libnamed.so!k_inside
libnamed.so!k_*  retain  0x N  entry  libnamed.so!k_call_looped
reset:main!main  reset  0x N  entry  named!main
k_s*  retain  0x N  by an earlier spec  libnamed.so!k_sum
late.so!f  no match
main!_start  retain  0x N  not: the program is started by it  named!_start"
list 'k_sum;nothing' ARENASHIM_SCOPE_STRICT=1
is 'the list, strict: status' "$status" 125
like 'the list, strict: what matches nothing' "$out" '^nothing  no match$'
list k_sum ARENASHIM_SCOPE_STRICT=1
is 'the list, strict, and all is well' "$status" 0
wrapped "libnamed.so!+$hidden" ARENASHIM_SCOPE_LIST=1 "$named" calls
like 'the list: the offset is that of the file' "$out" " $hidden "
# A plain `>/dev/full` would be the file of `capture`.
capture sh -c 'LD_PRELOAD=$1 HOST_WRAP=$2 ARENASHIM_SCOPE_LIST=1 ARENASHIM_SCOPES=k_sum \
    exec "$0" calls >/dev/full' "$named" "$host" "$wrap"
is 'the list, on a full device: status' "$status" 125
if [ "$(uname -m)" = x86_64 ]; then
    need nops -O2 -fpatchable-function-entry=16,0 named.cc
    wrapped 'shapes::scale(int)' ARENASHIM_SCOPE_LIST=1 "$tmp/nops"
    like 'the list: nops left for patching' "$out" 'entry \(nops\)'
else
    skip 'the list: nops left for patching' 'a jump takes the place of one instruction, whatever it is'
fi

# ---- the command -------------------------------------------------------------------------------

capture "$arenashim" scopes --scope='libnamed.so!k_s*' --scope='reset:main!main' -- "$named" calls
is 'arenashim scopes: status and stderr' "$status:$err" 0:
like 'arenashim scopes: a function' "$out" '^libnamed.so!k_s\*  retain .* entry +libnamed.so!k_sum$'
like 'arenashim scopes: another' "$out" '^reset:main!main +reset .* entry +named!main$'
unlike 'arenashim scopes: main does not run' "$out" '^calls'
capture env ARENASHIM_DISABLE=1 "$arenashim" scopes --scope=k_sum --end=reset -- "$named" calls
like 'arenashim scopes: where the shim is disabled, too' "$out" '^k_sum +reset .*k_sum$'
capture "$arenashim" scopes --scope=k_sum --scope=nothing --scope-strict -- "$named" calls
is 'arenashim scopes --scope-strict: status' "$status" 125
mkdir "$tmp/alone"
cp "$shim" "$tmp/alone"
for option in --scope-strict --end=retain; do
    for command in scopes run; do
        [ "$command$option" != run--end=retain ] || continue
        capture "$arenashim" $command --shim="$tmp/alone/${shim##*/}" $option --scope=k_sum -- \
            "$named" calls
        is "$command $option without the part that wraps: status" "$status:$out" 125:
        one_line "$command $option without the part that wraps" 'no function is wrapped'
    done
done

# ---- hash tables -------------------------------------------------------------------------------

for style in sysv gnu both; do
    need libnamed.so -shared -fPIC -O2 -g "-Wl,--hash-style=$style" named_lib.c
    wrapped 'libnamed.so!k_*ed;libnamed.so!k_looped_too' "$named" calls dlsym
    counted "a library with hash tables: $style" '1 libnamed.so!k_call_looped retain 256' \
        '5 libnamed.so!k_looped retain 256' '1 libnamed.so!k_looped_too retain 256'
done

# ---- a debugger --------------------------------------------------------------------------------

if have gdb; then
    capture gdb -nx -q -batch -ex 'set startup-with-shell off' \
        -ex "set environment HOST_WRAP=$wrap" -ex "set environment LD_PRELOAD=$host" \
        -ex 'set environment ARENASHIM_SCOPES=plugin.so!p_sum' \
        -ex "run open $tmp/plugin.so" "$named"
    says 'gdb: what cannot be done is said' "functions of libraries that are loaded later will not \
be wrapped: the dynamic linker cannot be watched: a debugger does so"
    like 'gdb: the program runs' "$out" '^plugin 18'
else
    skip 'gdb: what cannot be done is said' 'gdb is not installed'
fi

# ---- children ----------------------------------------------------------------------------------

nothing='nothing;named!+0x1;bad!'
# shellcheck disable=SC2016
twice=(sh -c '"$1" calls; "$1" calls; true' sh "$named")
capture env LD_PRELOAD="$shim" ARENASHIM_SCOPES="$nothing" "$named" calls
is 'the shim: a line for each spec that comes to nothing' "$(wc -l <<<"$err")" 3
capture env LD_PRELOAD="$shim" ARENASHIM_SCOPES="$nothing" "${twice[@]}"
is 'children do not complain again: of what is malformed' "$(grep -c bad! <<<"$err")" 1
is 'children do not complain again: of what matches nothing' "$(grep -c "'nothing'" <<<"$err")" 1
unlike 'children do not complain of their own' "$err" 'there is no code'
printf 'nothing\n' >"$tmp/nothing"
capture env LD_PRELOAD="$shim" ARENASHIM_SCOPE_FILE="$tmp/nothing" "${twice[@]}"
is 'children do not complain of the file' "$(grep -c "nothing:1: 'nothing' matches" <<<"$err")" 1
unlike 'children find the file' "$err" 'cannot be read'
capture env LD_PRELOAD="$shim" ARENASHIM_SCOPES='dash!*;bash!*;sh!*;cat!*' ARENASHIM_SCOPE_STRICT=1 \
    sh -c "true; exec \"$named\" calls"
is 'a program in the place of the first is the first' "$status" 125
echo '#include <stdlib.h>
int main(int argc, char **argv) { return argc > 1 ? system(argv[1]) != 0 : 2; }' >"$tmp/outer.c"
need outer -O1 "$tmp/outer.c"
capture env LD_PRELOAD="$shim" ARENASHIM_SCOPES='outer!main' ARENASHIM_SCOPE_STRICT=1 \
    "$tmp/outer" "'$named' calls"
is 'a child is not held to what is asked of the first strictly' "$status:${out%% *}:$err" 0:calls:
rm -f "$tmp"/stats*
capture env LD_PRELOAD="$shim" ARENASHIM_SCOPES='named!main' ARENASHIM_STATS=json \
    ARENASHIM_STATS_FILE="$tmp/stats.%p" "${twice[@]}"
is 'children are wrapped' "$(cat "$tmp"/stats.* | jq -s '[.[].sites[] | .scopes] | add')" 2

# ---- many --------------------------------------------------------------------------------------

for i in {1..1000}; do
    echo "__attribute__((noinline)) int many_$i(int x) { return x * $i + (x >> 2); }"
done >"$tmp/many.c"
{
    echo 'int main(void) { int sum = 0;'
    for i in {1..1000}; do
        echo "sum += many_$i(sum);"
    done
    echo 'return sum == 1; }'
} >>"$tmp/many.c"
need many -O1 "$tmp/many.c"
wrapped 'many_*' "$tmp/many"
is '1,000 functions at once: all were called' "$status:$err:$(grep -c '^1 many!many_' <<<"$counts")" \
    0::1000
is '1,000 functions at once: no others' "$(wc -l <<<"$counts")" 1000

done_testing
