#!/usr/bin/env bash
# The arenashim command: options and their values, the environment it hands on, where it finds its
# shim, exit statuses, warnings. The started programs are small ones that every system has; what
# the shim does inside them is tested elsewhere.
#
#   ARENASHIM           the command (./arenashim)
#   ARENASHIM_SHIM_PATH the shim that it must find (.libs/libarenashim.so)
#   CC                  a C compiler (cc)

# Text in single quotes is for the shells that the command starts.
# shellcheck disable=SC2016
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/tap.sh"

arenashim=$(realpath "${ARENASHIM:-./arenashim}")
shim=$(realpath "${ARENASHIM_SHIM_PATH:-.libs/libarenashim.so}")
cc=${CC:-cc}
unset ARENASHIM LD_PRELOAD "${!ARENASHIM_@}"
# A sanitized build of the command must start although LD_PRELOAD names other libraries.
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0

tmp=$(realpath "$(mktemp -d)") || exit 99
trap 'rm -rf "$tmp"' EXIT
chmod 755 "$tmp"

# What the shim puts in front of its path in LD_PRELOAD, for children of another C library.
by_way_of='/$LIB/../../../..'

# capture COMMAND...: sets status, out and err.
capture() {
    status=0
    timeout 20 "$@" >"$tmp/out" 2>"$tmp/err" </dev/null || status=$?
    out=$(<"$tmp/out")
    out=${out//"$by_way_of"/}
    err=$(<"$tmp/err")
}

# prints DESCRIPTION WANTED ARGUMENT...: `arenashim ARGUMENT...` succeeds and writes WANTED.
prints() {
    local description=$1 wanted=$2
    shift 2
    capture "$arenashim" "$@"
    is "$description" "$status:$out" "0:$wanted"
}

# fails DESCRIPTION STATUS ERE COMMAND...: it exits with STATUS, prints nothing on stdout and one
# line on stderr that matches ERE.
fails() {
    local description=$1 wanted=$2 ere=$3
    shift 3
    capture "$@"
    if [ "$status" -eq "$wanted" ] && [ -z "$out" ] && [[ $err != *$'\n'* ]] &&
        [[ $err =~ ^arenashim:\ $ere ]]; then
        ok "$description"
    else
        not_ok "$description" "status $status, wanted $wanted; stderr, wanted one line '$ere':
$err"
    fi
}

# warns DESCRIPTION ERE PROGRAM...: `run`, or what `launch` holds, says so in one line.
launch=("$arenashim" run --)
warns() {
    local description=$1 ere=$2
    shift 2
    capture "${launch[@]}" "$@"
    is "$description: one line" "$(grep -c '^arenashim: warning: ' "$tmp/err")" 1
    like "$description: what it says" "$err" "^arenashim: warning: .*$ere"
}

# silent DESCRIPTION PROGRAM...: `run` starts it, successfully and without a warning.
silent() {
    local description=$1
    shift
    capture "$arenashim" run -- "$@"
    is "$description" "$status:$(grep -c '^arenashim: warning: ' "$tmp/err")" 0:0
}

# accepts OPTION VARIABLE VALUE...: each VALUE reaches the program in VARIABLE.
accepts() {
    local option=$1 variable=$2 value
    shift 2
    for value; do
        prints "$option=$value sets $variable" "$value" run "$option=$value" --no-follow -- \
            printenv "$variable"
    done
}

# refuses OPTION ACCEPTED VALUE...: each VALUE is named, as is what would be accepted.
refuses() {
    local option=$1 accepted=$2 value
    shift 2
    for value; do
        capture "$arenashim" run "$option=$value" -- echo started
        is "$option='${value:0:30}' is refused" "$status:$out:$err" \
            "125::arenashim: $option='$value' is not accepted; it takes $accepted"
    done
}

bytes='a number of bytes from 4K to 1024G, with an optional suffix K, M or G'
scope='thread, process, [MODULE!]NAME or MODULE!+0xOFFSET, the latter two with reset: or retain: '
scope+='before them when wanted'
modules='a comma list of marked, main, all and module name globs, each glob with + (the default) '
modules+='or - before it'

test_help() {
    local arguments
    for arguments in --help help 'help run' 'help scopes' 'help check' 'help advise' 'help help' \
        'help --help' 'run --help' 'scopes --help' 'check --help' 'advise --help' --hel; do
        # shellcheck disable=SC2086
        capture "$arenashim" $arguments
        is "$arguments exits 0, stderr stays empty" "$status:$err" 0:
        like "$arguments shows the usage" "$out" '^Usage: arenashim '
    done
    for arguments in --version 'run --version' 'scopes --version' 'check --version'; do
        # shellcheck disable=SC2086
        capture "$arenashim" $arguments
        is "$arguments exits 0, stderr stays empty" "$status:$err" 0:
        like "$arguments names the command" "$out" '^arenashim [0-9]'
    done
    capture "$arenashim" run --help
    for arguments in capacity limit overflow align modules scope scope-file scope-strict end stack \
        debug stats stats-file ranks no-follow shim help version; do
        like "run --help lists --$arguments" "$out" "^  --$arguments(=| |\[)"
    done
    capture "$arenashim" scopes --help
    for arguments in scope scope-file scope-strict end help version; do
        like "scopes --help lists --$arguments" "$out" "^  --$arguments(=| |\[)"
    done
    capture "$arenashim" check --help
    for arguments in capacity modules scope scope-file scope-strict end stack debug no-follow shim \
        help version; do
        like "check --help lists --$arguments" "$out" "^  --$arguments(=| |\[)"
    done
    unlike 'check --help lists no statistics, which are its own' "$out" '^  --(stats|ranks)'
    capture "$arenashim" advise --help
    for arguments in child duration signal runs no-measure peers write json folded quiet shim help \
        version; do
        like "advise --help lists --$arguments" "$out" "^  --$arguments(=| |\[)"
    done
    for arguments in --help --version 'help run' 'check --help'; do
        # The redirections are the inner shell's, so that `fails` can look at stdout of its own.
        fails "$arguments fails on a closed stdout" 125 'cannot write to standard output' \
            sh -c "\"\$0\" $arguments >&-" "$arenashim"
        fails "$arguments fails on a full device" 125 'cannot write to standard output' \
            sh -c "\"\$0\" $arguments >/dev/full" "$arenashim"
    done
    check 'run does not need stdout' timeout 20 sh -c '"$0" run -- true >&-' "$arenashim"
}

test_usage_errors() {
    fails 'no command' 125 "no command was given; see 'arenashim --help'" "$arenashim"
    fails 'unknown command' 125 "'walk' is not a command; there are run, scopes, check, advise.* and help" \
        "$arenashim" walk
    fails 'help of an unknown command' 125 "'walk' is not a command" "$arenashim" help walk
    fails 'help of two commands' 125 "'help' takes one command; 'check'" \
        "$arenashim" help run check
    local command option
    for command in run scopes check advise; do
        fails "$command: no program" 125 "no program to .* was given; see 'arenashim $command" \
            "$arenashim" "$command"
        fails "$command: no program after --" 125 'no program to .* was given' \
            "$arenashim" "$command" --
        for option in --frob --no-follow=1 --frob=1 -x -xy --help=1; do
            fails "$command: bad option $option" 125 \
                "option '$option' is .*; see 'arenashim $command --help'" \
                "$arenashim" "$command" "$option" -- echo started
        done
    done
    fails 'bad option of the command itself' 125 "option '--frob' is .*; see 'arenashim --help'" \
        "$arenashim" --frob run true
    fails 'an ambiguous abbreviation' 125 "option '--st=text' is" "$arenashim" run --st=text true
    for option in --capacity --limit; do
        fails "$option without its value" 125 "$option needs a value; it takes $bytes" \
            "$arenashim" run "$option"
    done
    fails '--overflow without its value' 125 '--overflow needs a value; it takes grow, fallback' \
        "$arenashim" run --overflow
    fails '--align without its value' 125 '--align needs a value; it takes a power of two' \
        "$arenashim" run --align
    fails '--modules without its value' 125 '--modules needs a value; it takes a comma list' \
        "$arenashim" run --modules
    fails '--scope without its value' 125 '--scope needs a value; it takes thread, process, ' \
        "$arenashim" run --scope
    fails '--scope-file without its value' 125 '--scope-file needs a value; it takes a readable' \
        "$arenashim" scopes --scope-file
    fails '--end without its value' 125 '--end needs a value; it takes retain or reset' \
        "$arenashim" run --end
    fails '--stack without its value' 125 '--stack needs a value; it takes a multiple of 16' \
        "$arenashim" run --stack
    fails '--debug without its value' 125 '--debug needs a value; it takes a comma list' \
        "$arenashim" run --debug
    fails '--stats-file without its value' 125 '--stats-file needs a value; it takes a file name' \
        "$arenashim" run --stats-file
    fails '--shim without its value' 125 '--shim needs a value; it takes a readable shared' \
        "$arenashim" run --shim
}

test_values() {
    echo f >"$tmp/specs"
    accepts --capacity ARENASHIM_CAPACITY 4K 4096 64k 1M 3m 1g 1024G 0001M
    accepts --limit ARENASHIM_LIMIT 1M 1G 1024g
    accepts --overflow ARENASHIM_OVERFLOW grow fallback error abort
    accepts --align ARENASHIM_ALIGN 16 32 64 4096 4K
    accepts --modules ARENASHIM_MODULES marked main all 'libfoo.so*' +libfoo.so -libfoo.so \
        'main,+libsqlite3*,-libc.so*' "$(printf 'm%.0s' {1..1023})"
    accepts --stats ARENASHIM_STATS text json
    accepts --scope ARENASHIM_SCOPES thread process f 'libk.so!spread_*' 'reset:ns::f(int) const' \
        reset::f 'retain:main!+0x1f' '[!a]*!f' 'ns::operator!' '*'
    accepts --scope-file ARENASHIM_SCOPE_FILE "$tmp/specs"
    accepts --end ARENASHIM_END retain reset
    accepts --stack ARENASHIM_STACK 0 16 256 4096 4K
    prints '--scope-strict sets ARENASHIM_SCOPE_STRICT' 1 run --scope-strict -- \
        printenv ARENASHIM_SCOPE_STRICT
    prints 'several --scope are joined' 'process;a!b;c' run --scope process --scope='a!b' \
        --scope c --no-follow -- printenv ARENASHIM_SCOPES
    capture env ARENASHIM_SCOPES=old "$arenashim" run --scope=a --scope=b --no-follow -- \
        printenv ARENASHIM_SCOPES
    is '--scope replaces what was inherited' "$status:$out" '0:a;b'
    capture sh -c 'cd "$1" && "$0" run --scope-file=specs --stats-file=%p/c --no-follow -- \
        sh -c "echo \$ARENASHIM_SCOPE_FILE \$ARENASHIM_STATS_FILE"' "$arenashim" "$tmp"
    is 'names of files are made absolute' "$status:$out" "0:$tmp/specs $tmp/%p/c"
    mkdir "$tmp/%p"
    echo f >"$tmp/%p/specs"
    capture sh -c 'cd "$1/%p" && "$0" run --stats-file=a.%p --scope-file=specs --no-follow -- \
        sh -c "echo \$ARENASHIM_STATS_FILE \$ARENASHIM_SCOPE_FILE"' "$arenashim" "$tmp"
    is 'a percent sign of the directory means itself' "$status:$out" "0:$tmp/%%p/a.%p $tmp/%p/specs"
    fails 'a name that its directory makes too long' 125 \
        '--stats-file=.*f. is not accepted; it takes a file name of at most 4095 bytes' \
        "$arenashim" run --stats-file="$(printf 'f%.0s' {1..4095})" -- echo started
    accepts --debug ARENASHIM_DEBUG poison quarantine verify,poison log,log,verify
    # Without %p the shim would add an ending that tells processes apart.
    accepts --stats-file ARENASHIM_STATS_FILE "$tmp/stats.%p.%h" "$tmp/a file.%p"
    accepts --ranks ARENASHIM_RANKS 0 0,8-15 2147483647 7-7,1
    prints '--no-follow sets ARENASHIM_FOLLOW' 0 run --no-follow -- printenv ARENASHIM_FOLLOW
    local option
    for option in --capacity --limit; do
        refuses "$option" "$bytes" '' 0 4095 4KB 1.5M 1T 1025G -1 +8K ' 1M' '1M ' 0x100000 K huge \
            18446744073709555712 99999999999999999999 17179869184G
    done
    refuses --overflow 'grow, fallback, error or abort' '' Grow gro grow,error 'grow '
    refuses --align 'a power of two from 16 to 4096' '' 0 1 8 15 24 48 4097 8192 64B -16 sixteen
    refuses --modules "$modules" '' , main, ,main main,,all + - main,- main,+,all \
        "$(printf 'm%.0s' {1..1024})"
    refuses --scope "$scope" '' 'a;b' ';' '!f' 'm!' +0x10 reset: 'retain:!f' 'reset:+0x1'
    refuses --scope-file 'a readable file' '' "$tmp/no-such-file"
    refuses --end 'retain or reset' '' Reset keep
    refuses --stack 'a multiple of 16 from 0 to 4096' '' 8 4112 -16 256B
    refuses --debug 'a comma list of poison, quarantine, verify and log' '' all ,log poison, Poison \
        log,,verify
    refuses --stats 'text or json' '' xml JSON text,json
    refuses --ranks 'a comma list of ranks and ranges, such as 0,8-15' '' , 1, ,1 -1 1- 2-1 1--2 1.5 \
        '1 2' 2147483648 1K all
    refuses --stats-file 'a file name of at most 4095 bytes' '' "$(printf 'f%.0s' {1..4096})"
}

test_combinations() {
    local limit="--limit \(ARENASHIM_LIMIT\) '2M' is not accepted with --capacity"
    prints 'a limit equal to the capacity' '2M 2048K' run --capacity=2M --limit=2048K -- \
        sh -c 'echo "$ARENASHIM_CAPACITY $ARENASHIM_LIMIT"'
    fails 'a limit below the capacity' 125 "$limit \(ARENASHIM_CAPACITY\) '4M'; it takes at least" \
        "$arenashim" run --capacity=4M --limit=2M -- echo started
    fails 'the order of the two does not matter' 125 "$limit" \
        "$arenashim" run --limit=2M --capacity=4M -- echo started
    fails 'a limit below the default capacity' 125 "--limit .* '64K' .* '1M'" \
        "$arenashim" run --limit=64K -- echo started
    fails 'a limit below an inherited capacity' 125 "$limit" \
        env ARENASHIM_CAPACITY=4M "$arenashim" run --limit=2M -- echo started
    fails 'a capacity above an inherited limit' 125 "$limit" \
        env ARENASHIM_LIMIT=2M "$arenashim" run --capacity=4M -- echo started
    capture env ARENASHIM_LIMIT=2M ARENASHIM_CAPACITY=4M "$arenashim" run --align=64 -- echo started
    is 'two inherited values are left to the shim' "$status:$out" 0:started
    capture env ARENASHIM_CAPACITY=lots "$arenashim" run --limit=2M -- echo started
    is 'so is an inherited value that is no size' "$status:$out" 0:started
    prints 'a capacity above the default limit' 2G run --capacity=2G -- printenv ARENASHIM_CAPACITY
    prints 'the last of two values counts' 2M run --capacity=1M --capacity 2M -- \
        printenv ARENASHIM_CAPACITY
}

test_environment() {
    prints 'the shim is preloaded, -- or not' "$shim" run printenv LD_PRELOAD
    prints 'no option, no variable' '' run -- sh -c 'env | grep ^ARENASHIM_ || true'
    prints 'values may follow as arguments' '64K error' run --capacity 64K --overflow error -- \
        sh -c 'echo "$ARENASHIM_CAPACITY $ARENASHIM_OVERFLOW"'
    prints 'options may be abbreviated' 64K run --cap=64K -- printenv ARENASHIM_CAPACITY
    prints '--stats alone is text, and takes no argument' text run --stats printenv ARENASHIM_STATS
    prints 'options end at the first operand' '<--capacity><3><-->' run printf '<%s>' \
        --capacity 3 --
    prints 'and at --' '<-x>< a  b ><>' run -- printf '<%s>' -x ' a  b ' ''
    capture env ARENASHIM_CAPACITY=2M ARENASHIM_ALIGN=32 "$arenashim" run --align=64 -- \
        sh -c 'echo "$ARENASHIM_CAPACITY $ARENASHIM_ALIGN"'
    is 'an inherited variable stays unless its option is given' "$status:$out" '0:2M 64'
    capture env ARENASHIM_DISABLE=1 "$arenashim" run -- printenv ARENASHIM_DISABLE
    is 'ARENASHIM_DISABLE stays' "$out" 1

    echo 'int other;' >"$tmp/other.c"
    "$cc" -shared -fPIC -o "$tmp/other.so" "$tmp/other.c"
    cp "$tmp/other.so" "$tmp/third.so"
    local others
    for others in "$tmp/other.so" "$tmp/other.so:$tmp/third.so" "$tmp/other.so $tmp/third.so"; do
        capture env LD_PRELOAD="$others" "$arenashim" run -- printenv LD_PRELOAD
        is "LD_PRELOAD='${others//"$tmp/"/}' is kept behind the shim" "$out" "$shim:$others"
    done
    capture env LD_PRELOAD= "$arenashim" run -- printenv LD_PRELOAD
    is 'an empty LD_PRELOAD leaves no separator' "$out" "$shim"
    capture env LD_PRELOAD="$tmp/other.so" "$arenashim" run -- cat /proc/self/maps
    local loaded
    loaded=$(awk '$6 ~ /\.so/ { sub(".*/", "", $6); print $6 }' <<<"$out" | sort -u | tr '\n' ' ')
    like 'the program has loaded both' "$loaded" "${shim##*/} .*other.so"
}

test_exec() {
    capture sh -c 'echo $$; exec "$0" run -- sh -c "echo \$\$"' "$arenashim"
    is 'the program has the process id of the command' "${out%$'\n'*}" "${out#*$'\n'}"
    capture sh -c 'echo in | "$0" run -- sh -c "cat; echo error >&2"' "$arenashim"
    is "stdin, stdout and stderr are the program's" "$out $err" 'in error'
    local code
    for code in 0 1 3 125 126 255; do
        capture "$arenashim" run -- sh -c "exit $code"
        is "exit status $code is passed on" "$status" "$code"
    done
    # The shells are put between because timeout itself would end with the signal.
    capture sh -c '"$0" run -- sh -c "kill -USR1 \$\$"; exit $?' "$arenashim"
    is 'death by a signal is passed on' "$status" "$((128 + $(kill -l USR1)))"

    # PATH is given: a directory in it that may not be searched would make this "cannot execute".
    fails 'a missing program' 127 "cannot run 'no-such-program'" \
        env PATH=/usr/bin:/bin "$arenashim" run -- no-such-program
    fails 'a missing path' 127 "cannot run '/no/such/program'" "$arenashim" run /no/such/program
    fails 'an empty name' 127 "cannot run ''" "$arenashim" run -- ''
    long=$(printf 'd/%.0s' {1..2100})
    fails 'a path that is too long' 126 "cannot run '$long'" "$arenashim" run -- "$long"
    fails 'a directory' 126 "cannot run '$tmp'" "$arenashim" run -- "$tmp"
    fails 'a path below a file' 126 "cannot run '$tmp/other.c/x'" "$arenashim" run "$tmp/other.c/x"
    fails 'a file without execute permission' 126 "cannot run '$tmp/other.c'" \
        "$arenashim" run -- "$tmp/other.c"
    printf '#!/no/such/interpreter\n' >"$tmp/orphan"
    chmod +x "$tmp/orphan"
    fails 'a script without its interpreter' 127 "cannot run '$tmp/orphan'" \
        "$arenashim" run -- "$tmp/orphan"
}

test_path_search() {
    mkdir "$tmp/first" "$tmp/second"
    printf '#!/bin/sh\necho "$0"\n' | tee "$tmp/first/tool" >"$tmp/second/tool"
    chmod 755 "$tmp/second/tool"
    capture env PATH="$tmp/first:$tmp/second" "$arenashim" run -- tool
    is 'PATH: a file that cannot be executed is passed over' "$out" "$tmp/second/tool"
    fails 'PATH: nothing but such a file' 126 "cannot run 'tool'" \
        env PATH="$tmp/first:$tmp" "$arenashim" run -- tool
    capture sh -c 'cd "$1" && PATH=: && "$0" run -- tool' "$arenashim" "$tmp/second"
    is 'PATH: an empty element is the current directory' "$status" 0
    capture env -u PATH "$arenashim" run -- sh -c 'echo started'
    is 'no PATH: the standard directories' "$out" started
    capture env PATH="$(printf 'x%.0s' {1..5000}):$tmp/second" "$arenashim" run -- tool
    is 'PATH: an overlong element' "$out" "$tmp/second/tool"
}

# Programs that look as if a sanitizer had built them.
test_sanitizers() {
    local program
    printf 'int other;\n' >"$tmp/stub.c"
    cat >"$tmp/sanitized.c" <<'END'
#include <stdio.h>
#include <stdlib.h>
extern void __asan_init(void) __attribute__((weak));
#ifdef DEFINES
void DEFINES(void) {}
#endif
int main(void)
{
    return printf("%s\n", getenv("LD_PRELOAD") ? getenv("LD_PRELOAD") : "none") < 0 ||
           (__asan_init && getenv("no such variable"));
}
END
    for program in libasan.so.77 libhwasan.so.7 libclang_rt.asan-x86_64.so libtsan.so.7; do
        "$cc" -shared -fPIC -Wl,-soname,"$program" -o "$tmp/$program" "$tmp/stub.c"
        "$cc" -o "$tmp/with-$program" "$tmp/sanitized.c" -Wl,--no-as-needed "$tmp/$program" \
            -Wl,-rpath,"$tmp"
    done
    for program in libasan.so.77 libclang_rt.asan-x86_64.so; do
        warns "$program: a warning" "'$tmp/with-$program' brings its own malloc by Address" \
            "$tmp/with-$program"
        is "$program: nothing is preloaded" "$status:$out" 0:none
        make_script "$tmp/with-$program" "$tmp/script.$program"
        warns "$program: a warning about an interpreter" \
            "'$tmp/with-$program', the interpreter of '$tmp/script.$program', brings its own" \
            "$tmp/script.$program"
        capture env LD_PRELOAD="$tmp/$program" "$arenashim" run -- printenv LD_PRELOAD
        is "$program in LD_PRELOAD: stays alone" "$status:$out" "0:$tmp/$program"
        like "$program in LD_PRELOAD: a warning" "$err" \
            "^arenashim: warning: LD_PRELOAD names the runtime of AddressSanitizer, which must"
    done
    warns 'libhwasan: a warning' 'brings its own malloc by HWAddressSanitizer; it runs without' \
        "$tmp/with-libhwasan.so.7"
    silent 'libtsan: no warning' "$tmp/with-libtsan.so.7"
    is 'libtsan: the shim is preloaded' "$out" "$shim"

    "$cc" -rdynamic -DDEFINES=__tsan_init -o "$tmp/defines" "$tmp/sanitized.c"
    warns 'a runtime in the program: a warning' 'brings its own malloc by ThreadSanitizer; ' \
        "$tmp/defines"
    is 'a runtime in the program: nothing is preloaded' "$status:$out" 0:none
    capture env LD_PRELOAD="$tmp/other.so" "$arenashim" run -- "$tmp/defines"
    is 'a runtime in the program: LD_PRELOAD stays as it is' "$out" "$tmp/other.so"
    "$cc" -o "$tmp/refers" "$tmp/sanitized.c"
    silent 'a program that asks for a sanitizer: no warning' "$tmp/refers"
}

# Copies of the command in places of their own; `moved` is one under a prefix.
test_location() {
    moved=$tmp/prefix/bin/arenashim
    mkdir -p "$tmp/prefix/bin" "$tmp/tree/.libs" "$tmp/sp ace/.libs" "$tmp/alone/bin"
    cp "$arenashim" "$moved"
    cp "$arenashim" "$tmp/tree/.libs"
    cp "$shim" "$tmp/tree/.libs/libarenashim.so"
    cp "$shim" "$tmp/sp ace/.libs/libarenashim.so"
    cp "$arenashim" "$tmp/sp ace"
    cp "$arenashim" "$tmp/alone/bin"
    ln -s "$arenashim" "$tmp/link"

    capture "$tmp/link" run -- printenv LD_PRELOAD
    is 'by a symbolic link: the shim beside the command' "$out" "$shim"
    capture sh -c 'cd / && PATH=$1:$PATH && arenashim run -- printenv LD_PRELOAD' sh \
        "${arenashim%/*}"
    is 'by PATH: the shim beside the command' "$out" "$shim"
    capture "$tmp/tree/.libs/arenashim" run -- printenv LD_PRELOAD
    is 'in .libs: the shim beside the command' "$out" "$tmp/tree/.libs/libarenashim.so"
    fails 'beside a shim in a directory with a space' 125 \
        "cannot preload '$tmp/sp ace/.libs/libarenashim.so': LD_PRELOAD cannot express" \
        "$tmp/sp ace/arenashim" run -- echo started

    # shellcheck disable=SC2016
    local bare=(unshare -m sh -c 'umount -l /proc && exec "$@"' sh)
    if "${bare[@]}" true 2>/dev/null; then
        capture "${bare[@]}" "$arenashim" run -- printenv LD_PRELOAD
        is 'without /proc: the shim beside the command' "$out" "$shim"
        fails 'without /proc: advise' 125 'advise needs /proc/self/fd: No such file' \
            "${bare[@]}" "$arenashim" advise -- true
        fails 'without /proc: top' 125 'process 1 cannot be found: there is no /proc' \
            "${bare[@]}" "$arenashim" top --once 1
    else
        skip 'without /proc' 'no file system can be taken away here'
    fi

    capture "$tmp/alone/bin/arenashim" run -- echo started
    if [ "$status" -eq 0 ]; then
        skip 'no shim anywhere' 'one is installed where this build would be'
    else
        fails 'no shim anywhere' 125 'cannot find libarenashim.so beside .*--shim=FILE' \
            "$tmp/alone/bin/arenashim" run -- echo started
    fi

    local directory
    for directory in lib lib64 "lib/$("$cc" -print-multiarch 2>/dev/null)"; do
        mkdir -p "$tmp/prefix/$directory"
        cp "$shim" "$tmp/prefix/$directory/libarenashim.so"
    done
    capture "$moved" run -- printenv LD_PRELOAD
    like 'under a moved prefix: the shim in its libdir' "$out" "^$tmp/prefix/lib"
}

test_shim_option() {
    cp "$tmp/other.so" "$tmp/my shim.so"
    cp "$tmp/other.so" "$tmp/my:shim.so"
    local accepted='is not accepted; it takes a readable shared library'
    prints '--shim names another' "$tmp/other.so" run --shim="$tmp/other.so" -- printenv LD_PRELOAD
    capture sh -c 'cd "$1" && "$0" run --shim third.so -- printenv LD_PRELOAD' "$arenashim" "$tmp"
    is '--shim: a relative path is made absolute' "$out" "$tmp/third.so"
    local file
    for file in "$tmp/missing.so" "$tmp/other.c" "$tmp" /dev/null ''; do
        fails "--shim='${file##*/}' is refused" 125 "--shim='$file' $accepted" \
            "$arenashim" run --shim="$file" -- echo started
    done
    for file in "$tmp/my shim.so" "$tmp/my:shim.so"; do
        fails "--shim='${file##*/}' cannot be preloaded" 125 \
            "cannot preload '$file': LD_PRELOAD cannot express a path with a space or a colon" \
            "$arenashim" run --shim="$file" -- echo started
    done
}

# make_script INTERPRETER FILE
make_script() {
    printf '#!%s\n' "$1" >"$2"
    chmod 755 "$2"
}

test_static_program() {
    silent 'a dynamic program: no warning' true
    make_script '/bin/sh -e' "$tmp/script"
    silent 'a script with a dynamic interpreter: no warning' "$tmp/script"
    local loader
    loader=$(LC_ALL=C readelf -l /bin/sh 2>/dev/null | sed -n 's/.*interpreter: \(.*\)]/\1/p')
    if [ -n "$loader" ]; then
        silent 'the dynamic linker run as a program: no warning' "$loader" /bin/true
    else
        skip 'the dynamic linker run as a program: no warning' 'readelf does not name it'
    fi

    printf '#include <stdio.h>\nint main(void) { return puts("ran") < 0; }\n' >"$tmp/static.c"
    local form
    for form in static static-pie; do
        local program=$tmp/$form
        if ! "$cc" -fPIE "-$form" -o "$program" "$tmp/static.c" 2>/dev/null; then
            skip "a $form program" "$cc cannot link one here"
            continue
        fi
        warns "a $form program: a warning" "'$program' is statically linked.*without the shim" \
            "$program"
        is "a $form program: runs all the same" "$status:$out" 0:ran
        make_script "$program" "$tmp/script.$form"
        warns "a script with a $form interpreter: a warning" \
            "'$program', the interpreter of '$tmp/script.$form', is statically linked" \
            "$tmp/script.$form"
        make_script "$tmp/script.$form argument" "$tmp/nested.$form"
        warns "a script of such a script: a warning" "'$program', the interpreter of" \
            "$tmp/nested.$form"
        PATH=$tmp/first:$tmp:$PATH warns "a $form program found in PATH: a warning" \
            "'$form' is statically" "$form"
    done
}

# A program of another C library runs without the shim, by itself and as a child.
test_other_c_library() {
    capture env LD_PRELOAD="$shim" printenv LD_PRELOAD
    is 'children: LD_PRELOAD leads to the shim by way of $LIB' "$status:$(<"$tmp/out")" \
        "0:$by_way_of$shim"
    capture env LD_PRELOAD="$shim:$tmp/other.so:$shim" sh -c 'exec sh -c "printenv LD_PRELOAD"'
    is 'children: each item, once' "$status:$(<"$tmp/out")" \
        "0:$by_way_of$shim:$tmp/other.so:$by_way_of$shim"
    capture env LD_PRELOAD="$shim" sh -c 'ARENASHIM_FOLLOW=0 sh -c "env | grep -c LD_PRELOAD"'
    is 'children: it is taken out all the same' "$status:$out:$err" '1:0:'
    capture env LD_PRELOAD="$shim" sh -c 'ARENASHIM_STATS=text env true'
    like 'children: the shim is in them' "$err" '^arenashim 0'
    printf '#include <stdio.h>\nint main(void) { puts("ran"); return 5; }\n' >"$tmp/musl.c"
    if ! musl-gcc -o "$tmp/musl" "$tmp/musl.c" 2>/dev/null || [ "$("$tmp/musl")" != ran ]; then
        skip 'a program of musl' 'musl-gcc is not installed'
        return
    fi
    local reason='has another C library than the shim: musl; it runs without the shim'
    warns 'a program of musl: a warning' "'$tmp/musl' $reason" "$tmp/musl"
    is 'a program of musl: runs all the same' "$status:$out:$(wc -l <"$tmp/err")" 5:ran:1
    local linker
    linker=$(LC_ALL=C readelf -l "$tmp/musl" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
    warns "musl's dynamic linker as a program: a warning" "'$linker' $reason" "$linker" "$tmp/musl"
    make_script "$tmp/musl" "$tmp/script.musl"
    warns 'a script with an interpreter of musl: a warning' \
        "'$tmp/musl', the interpreter of '$tmp/script.musl', $reason" "$tmp/script.musl"
    musl-gcc -shared -fPIC -o "$tmp/musl.so" "$tmp/musl.c"
    capture "$arenashim" run --shim="$tmp/musl.so" -- "$tmp/musl"
    is 'a program of musl with a shim of musl: no warning' "$status:$out:$err" 5:ran:
    capture "$arenashim" run --shim="$tmp/musl.so" -- true
    is 'a program of glibc with a shim of musl: a warning' "$status:$err" \
        "0:arenashim: warning: 'true' has another C library than the shim: glibc; it runs without the shim"
    local loader
    loader=$(LC_ALL=C readelf -l "$tmp/musl" | sed -n 's/.*interpreter: \(.*\)]/\1/p')
    warns "musl's dynamic linker run as a program: a warning" "'$loader' $reason" \
        "$loader" "$tmp/musl"
    is "musl's dynamic linker run as a program: runs all the same" "$status:$out" 5:ran
    loader=$(realpath "$loader") # the C library itself
    warns "musl's library run as a program: a warning" "'$loader' $reason" "$loader" "$tmp/musl"
    is "musl's library run as a program: runs all the same" "$status:$out" 5:ran
    cp "$loader" "$tmp/loader.so"
    musl-gcc -Wl,--dynamic-linker="$tmp/loader.so" -o "$tmp/moved-musl" "$tmp/musl.c"
    warns 'a program of musl with a loader of its own: a warning' "$reason" "$tmp/moved-musl"
    fails 'scopes: not of a program of musl' 125 \
        "warning: '$tmp/musl' has another C library .*; its functions cannot be listed" \
        "$arenashim" scopes --scope=f -- "$tmp/musl"
    fails 'check: not of a program of musl' 125 \
        "warning: '$tmp/musl' has another C library than the shim: musl; it cannot be checked" \
        "$moved" check -- "$tmp/musl"
    capture "$arenashim" run -- sh -c '"$1"; exit $?' sh "$tmp/musl"
    is 'a child of musl: runs, and nothing is said' "$status:$out:$err" 5:ran:
    capture "$arenashim" run -- sh -c '"$1"; "$2"; exit $?' sh true "$tmp/script.musl"
    is 'a script of musl as a child' "$status:$out:$err" 5:ran:
    capture env LD_PRELOAD="$shim:$tmp/other.so" sh -c '"$1"; exit $?' sh "$tmp/musl"
    is 'a child of musl, the shim preloaded by hand' "$status:$out" 5:ran
}

# These are no programs, and execvp would have a shell run their bytes as commands: they are given
# to `check`, whose script here runs nothing.
test_odd_files() {
    local launch=("$moved" check --) env
    env=$(command -v env)
    # 243 is RISC-V, and another machine than any that this test is likely to run on.
    { head -c 18 "$env" && printf '\363\0'; } >"$tmp/foreign"
    chmod 755 "$tmp/foreign"
    warns 'a program for another machine: a warning' "'$tmp/foreign' is built for another machine" \
        "$tmp/foreign"
    local class=1
    [ "$(od -An -tu1 -j4 -N1 "$env")" -eq 2 ] || class=2
    { head -c 4 "$env" && printf '%b' "\\$class" && tail -c +6 "$env" | head -c 59; } >"$tmp/word"
    chmod 755 "$tmp/word"
    warns 'a program of another word size: a warning' "'$tmp/word' is built for .*word size" \
        "$tmp/word"

    local size
    for size in 0 1 4 5 16 19 20 40 63 64 65 119 120 400; do
        head -c "$size" "$env" >"$tmp/cut"
        chmod 755 "$tmp/cut"
        capture "${launch[@]}" "$tmp/cut"
        is "a program cut to $size bytes: no crash, no warning" "$status:$err" 7:
    done
    printf '#!%s' "$(printf '/x%.0s' {1..400})" >"$tmp/cut"
    capture "${launch[@]}" "$tmp/cut"
    is 'an endless first line: no crash, no warning' "$status:$err" 7:
    make_script "$tmp/loop" "$tmp/loop"
    fails 'a script that is its own interpreter' 126 "cannot run '$tmp/loop'" \
        "$arenashim" run -- "$tmp/loop"
}

# The bits count where they lie: not on a file system mounted nosuid, and not in a container that
# forbids new privileges.
privileges_reason() {
    if grep -q '^NoNewPrivs:[[:space:]]*1' /proc/self/status; then
        echo 'this process may gain no privileges'
    elif findmnt -nT "$tmp" -o OPTIONS 2>/dev/null | grep -qw nosuid; then
        echo "$tmp is mounted nosuid"
    fi
}

test_privileges() {
    local reason ignored='file capabilities, and the dynamic linker then ignores preloaded paths'
    reason=$(privileges_reason)
    cp "$(command -v env)" "$tmp/own"
    chmod 4755 "$tmp/own"
    silent "a set-user-ID program of the caller's own: no warning" "$tmp/own" true
    if [ -n "$reason" ]; then
        skip 'set-user-ID, set-group-ID, file capabilities' "$reason"
        return
    fi
    if [ "$(id -u)" -eq 0 ]; then
        install -m 4755 -o 65534 "$(command -v env)" "$tmp/setuid"
        install -m 2755 -g 65534 "$(command -v env)" "$tmp/setgid"
        install -m 4711 -o 65534 "$(command -v env)" "$tmp/unreadable"
        make_script "$tmp/setuid" "$tmp/script.setuid"
        warns 'a set-user-ID program: a warning' "'$tmp/setuid' is set-user-ID.*$ignored" \
            "$tmp/setuid" true
        is 'a set-user-ID program: runs all the same' "$status" 0
        warns 'a set-group-ID program: a warning' "'$tmp/setgid' is .*set-group-ID" \
            "$tmp/setgid" true
        warns 'one that cannot be read: a warning' "'$tmp/unreadable' is set-user-ID" \
            "$tmp/unreadable" true
        warns 'a script with such an interpreter: a warning' \
            "'$tmp/setuid', the interpreter of '$tmp/script.setuid', is set-user-ID" \
            "$tmp/script.setuid"
        install -m 4755 -o 65534 "$tmp/script" "$tmp/setuid.script"
        silent 'a set-user-ID script: no warning, the bit has no effect' "$tmp/setuid.script"
    else
        local program=
        for program in su mount passwd; do
            program=$(command -v "$program") && [ -u "$program" ] && break
            program=
        done
        if [ -n "$program" ]; then
            warns 'a set-user-ID program: a warning' "'$program' is set-user-ID" "$program" --help
        else
            skip 'a set-user-ID program: a warning' 'none found, and only root can make one'
        fi
    fi
    test_capabilities
}

test_capabilities() {
    cp "$(command -v env)" "$tmp/capable"
    if [ "$(id -u)" -ne 0 ] || ! PATH=$PATH:/sbin:/usr/sbin command -v setpriv >/dev/null ||
        ! PATH=$PATH:/sbin:/usr/sbin setcap cap_net_raw+ep "$tmp/capable" 2>/dev/null; then
        skip 'file capabilities: a warning to other users, none to root' 'needs root and setcap'
        return
    fi
    silent 'file capabilities: no warning to root' "$tmp/capable" true
    chmod -R go+rX "$tmp/prefix" "$tmp/capable"
    capture setpriv --reuid=65534 --clear-groups "$moved" run -- "$tmp/capable" true
    like 'file capabilities: a warning to other users' "$err" \
        "arenashim: warning: '$tmp/capable' .*file capabilities"
}

# What the shim prints is tested elsewhere; this one does not start the program by itself.
test_scopes() {
    local none="no function is named, by --scope or --scope-file; see 'arenashim scopes --help'"
    local arguments
    fails 'scopes: nothing is named' 125 "$none" "$arenashim" scopes -- echo started
    for arguments in thread process 'process --scope=thread'; do
        # shellcheck disable=SC2086
        fails "scopes: $arguments names no function" 125 "$none" \
            "$arenashim" scopes --scope=$arguments -- echo started
    done
    fails 'scopes: an inherited variable names none' 125 "$none" \
        env ARENASHIM_SCOPES='process;;thread' ARENASHIM_SCOPE_FILE= "$arenashim" scopes -- true
    for arguments in --scope=f --scope=threads --scope-file="$tmp/specs" \
        '--scope=thread --scope=f' '--scope=f --scope-strict --end=reset --stack=0 --capacity=2M'; do
        # shellcheck disable=SC2086
        prints "scopes: $arguments" "$tmp/other.so 1" scopes --shim="$tmp/other.so" $arguments -- \
            sh -c 'echo "$LD_PRELOAD $ARENASHIM_SCOPE_LIST"'
    done
    capture env ARENASHIM_SCOPES='process;f' "$arenashim" scopes --shim="$tmp/other.so" -- \
        printenv ARENASHIM_SCOPES
    is 'scopes: an inherited variable names one' "$status:$out" '0:process;f'
    capture env ARENASHIM_DISABLE=1 "$arenashim" scopes --shim="$tmp/other.so" --scope=f -- \
        printenv ARENASHIM_DISABLE
    is 'scopes: the shim is not disabled' "$status:$out" 0:0
    capture env ARENASHIM_SCOPE_FILE=f "$arenashim" scopes --shim="$tmp/other.so" -- \
        printenv ARENASHIM_SCOPE_LIST
    is 'scopes: an inherited variable names a file' "$status:$out" 0:1
    fails 'scopes: a missing program' 127 "cannot run 'no-such-program'" \
        env PATH=/usr/bin:/bin "$arenashim" scopes --scope=f -- no-such-program
    if [ -x "$tmp/static" ]; then
        fails 'scopes: a static program does not run' 125 \
            "warning: '$tmp/static' is statically linked.*; its functions cannot be listed" \
            "$arenashim" scopes --scope=f -- "$tmp/static"
    fi
    if [ -x "$tmp/defines" ]; then
        fails 'scopes: nor does one with a sanitizer' 125 \
            "warning: '$tmp/defines' brings its own malloc.*; its functions cannot be listed" \
            "$arenashim" scopes --scope=f -- "$tmp/defines"
    fi
}

test_check() {
    local directory
    capture "$moved" check -- true
    if grep -q 'cannot find the script' "$tmp/err"; then
        fails 'check without its script' 125 'cannot find the script .*valgrind-check' \
            "$moved" check -- true
    else
        skip 'check without its script' 'one is installed where this build would be'
    fi
    for directory in libexec lib "lib/$("$cc" -print-multiarch 2>/dev/null)"; do
        directory=$tmp/prefix/$directory/arenashim
        mkdir -p "$directory"
        make_script /bin/sh "$directory/valgrind-check"
        cat >>"$directory/valgrind-check" <<'END'
echo "shim $ARENASHIM_SHIM"
echo "preload $LD_PRELOAD"
echo "scopes $ARENASHIM_SCOPES end $ARENASHIM_END"
printf '<%s>' "$@"
exit 7
END
    done
    capture "$moved" check -- printf ' a  b ' -x
    is "check: the exit status is the script's" "$status" 7
    like 'check: the script gets the shim' "$out" "^shim $tmp/prefix/lib.*/libarenashim.so$"
    like 'check: nothing is preloaded into the script' "$out" '^preload $'
    like 'check: the script gets the program and its arguments' "$out" '^<--folder=[^>]*><--><printf>< a  b ><-x>$'
    capture "$moved" check --scope=f --scope='main!g' --end=reset --shim="$tmp/other.so" -- printf -x
    like 'check: options set the variables' "$out" '^scopes f;main!g end reset$'
    like 'check: --shim names the shim' "$out" "^shim $tmp/other.so$"
    like 'check: what follows the options is the program' "$out" '^<--folder=[^>]*><--><printf><-x>$'
    fails 'check: a value that is not accepted' 125 "--end='x' is not accepted" \
        "$moved" check --end=x -- true
    fails 'check: a limit below the capacity' 125 "--limit .* is not accepted with --capacity" \
        "$moved" check --capacity=2M --limit=1M -- true
    fails 'check: no statistics of the user' 125 "option '--stats' is unknown" \
        "$moved" check --stats -- true
    capture "$moved" check printf -- -x
    like 'check: options end at the first operand' "$out" '^<--folder=[^>]*><--><printf><--><-x>$'
    fails 'check: a missing program' 127 "cannot run 'no-such-program'" \
        env PATH=/usr/bin:/bin "$moved" check -- no-such-program
    fails 'check: a missing path' 127 "cannot run '/no/such'" "$moved" check -- /no/such
    fails 'check: a directory' 126 "cannot run '$tmp'" "$moved" check -- "$tmp"
    fails 'check: a file without execute permission' 126 "cannot run 'tool'" \
        env PATH="$tmp/first:$PATH" "$moved" check -- tool
    if [ -x "$tmp/static" ]; then
        capture "$moved" check -- "$tmp/static"
        like 'check: a static program: a warning' "$err" "warning: '$tmp/static' is statically"
    fi
    fails 'check: in the build tree its script is found' 127 "cannot run '/no/such'" \
        "$arenashim" check -- /no/such
    find "$tmp/prefix" -name valgrind-check -exec chmod 644 {} +
    fails 'check: a script without execute permission' 125 "cannot run '$tmp/prefix/.*-check'" \
        "$moved" check -- true
    find "$tmp/prefix" -name valgrind-check -exec chmod 755 {} +
}

test_help
test_usage_errors
test_values
test_combinations
test_environment
test_exec
test_path_search
test_location
test_shim_option
test_static_program
test_sanitizers
test_scopes
test_check
test_other_c_library
test_odd_files
test_privileges
done_testing
