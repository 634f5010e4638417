#!/usr/bin/env bash
# How the page of arenashim report looks, in headless Chromium: it is what tests/reader/look.png has kept
# of it, light and dark, in cells so large that fonts hardly matter; what is read has contrast; nothing is
# wider than the window.
# PAGE_PICTURE=FILE keeps a screenshot: tests/reader/page.png is one. PAGE_LOOK=FILE keeps the cells.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"
. "$source_dir/tests/reader/browser.sh"

find_browser
[ -n "$browser" ] || plan_skip 'chromium is not installed'
cd "$tmp" || exit 99
jq -n --argjson sites 500 -f "$source_dir/tests/reader/sites.jq" | jq '.sites |= .[:12] | .nesting |= .[:12] |
    .sites[3].left_open = 2 | .sites[9].callers = [{module: "libbar.so", function: "parse", file: "/usr/src/parse.c",
    line: 88, blocks: 3, bytes: 48}]' >one.json
for rank in 0 1 2 3 4; do
    jq --arg rank $rank '.rank = $rank | .pid += ($rank | tonumber) |
        if $rank == "3" then .high_water_bytes *= 2 else . end' one.json >r$rank.json
done
"$arenashim" report --html=page.html r?.json

# with_script SCRIPT: the page with one more script at its end
with_script() {
    sed 's/<\/body>.*//' page.html
    printf '<script>'
    cat "$source_dir/tests/reader/$1"
    printf '</script></body></html>\n'
}

# result ID: the JSON that a script has left
result() {
    sed -n "s/.*<pre id=\"$1\">\\(.*\\)<\\/pre>.*/\\1/p" "$tmp/out"
}

# ---- by numbers ----------------------------------------------------------------------------------

with_script layout.js >layout.html
browse layout.html --dump-dom
is 'the layout could be measured' "$status:$err" 0:
result layout >layout.json
for scheme in light dark; do
    is "$scheme: text has a contrast of 4.5 or more, shapes of 3 or more" \
        "$(jq -c ".$scheme | [.count > 100, .text >= 4.5, .shapes >= 3]" layout.json)" '[true,true,true]'
done
is 'nothing is wider than a window of 320, 700 or 1,200 pixels' "$(jq -c .wide layout.json)" '[]'
is 'all of the bars are in a window of 1,200 pixels' "$(jq .bars layout.json)" 0

# ---- by eye --------------------------------------------------------------------------------------

# photograph NAME OPTION...
photograph() {
    browse page.html --hide-scrollbars --window-size=1200,2700 --screenshot="$tmp/$1.png" "${@:2}"
    is "a picture is taken, $1" "$status:$err" 0:
}

# image FILE: as an element
image() {
    printf '<img src="data:image/png;base64,%s">\n' "$(base64 -w0 "$1")"
}

# compare LIGHT DARK: sets most and mean, in 255ths, of light and of dark
compare() {
    {
        echo '<!doctype html><body>'
        image "$source_dir/tests/reader/look.png"
        image "$1"
        image "$2"
        echo '<script>'
        cat "$source_dir/tests/reader/look.js"
        echo '</script></body></html>'
    } >look.html
    browse look.html --dump-dom
    result look >look.json
}

photograph light --blink-settings=preferredColorScheme=1
photograph dark --blink-settings=preferredColorScheme=0
[ -z "${PAGE_PICTURE-}" ] || cp light.png "$PAGE_PICTURE"
compare light.png dark.png
[ -z "${PAGE_LOOK-}" ] || jq -r .picture look.json | sed 's/.*,//' | base64 -d >"$PAGE_LOOK"
is "it looks as before: $(jq -c '[.distances[] | (.most, .mean | round)]' look.json)" \
    "$(jq -c '[.distances[] | .most < 40 and .mean < 4]' look.json)" '[true,true]'
compare dark.png light.png
is 'and not in the other colours' "$(jq -c '[.distances[] | .most < 40 or .mean < 4]' look.json)" '[false,false]'
done_testing
