# shellcheck shell=bash
# Headless Chromium, for tests of the page.

# find_browser: sets browser; empty when there is none
find_browser() {
    local name
    browser=
    for name in chromium chromium-browser google-chrome; do
        have $name && browser=$name && break
    done
}

# browse FILE OPTION...: out is what the browser prints, err what the page writes to its console
browse() {
    local file=$1
    shift
    # shellcheck disable=SC2154
    limit=60 capture "$browser" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
        --user-data-dir="$tmp/profile" --enable-logging=stderr --virtual-time-budget=5000 "$@" \
        "file://$tmp/$file"
    err=$(grep CONSOLE <<<"$err")
}
