#!/usr/bin/env bash
# The page of arenashim report, in headless Chromium: no error on the console, the numbers of the JSON,
# tables that a click and a key sort, light and dark, nothing from elsewhere, small.
#
# shellcheck disable=SC2154
# shellcheck source=/dev/null
. "${srcdir:-.}/tests/preload/common.sh"
. "$source_dir/tests/reader/browser.sh"

cd "$tmp" || exit 99
jq -n --argjson sites 500 -f "$source_dir/tests/reader/sites.jq" >one.json
for rank in 0 1 2 3 4; do
    jq --arg rank $rank '.rank = $rank | .pid += ($rank | tonumber) |
        if $rank == "3" then .high_water_bytes *= 2 else . end' one.json >r$rank.json
done
capture "$arenashim" report --html=page.html r?.json
is 'a page is written, and nothing else' "$status:$out:$err" 0::
"$arenashim" report --json r?.json >sum.json
check 'it is below 200 KB for 500 sites' test "$(wc -c <page.html)" -lt 200000
jq '.overflows = 500 | .sites |= [.[] | . as $site | .label = "a handler with a longish name \(.line)" | .overflows = 1000000 + .line |
        .scopes += 1000000000 | .routed_calls += 100000000000 | .routed_bytes += 10000000000000 |
        .histogram = [range(48) | 1000000 + .] | .callers = [{module: "libfoo.so",
        function: "some::namespaced::function<int>(std::string const&) \($site.line)", file: "", blocks: 1000000, bytes: 100000000}]] |
    .nesting |= [.[] | .label = "a handler with a longish name \(.line)" | .in = (if (.node - 1) % 16 == 0 then 0 else .node - 1 end)] |
    .passed_in_scope.modules = [range(200) | {name: "libmodule\(.).so", calls: .}]' one.json >full.json
capture "$arenashim" report --html=full.html full.json
check 'and when all of them have all there is' test "$(wc -c <full.html)" -lt 200000
for letter in '&' '\u6587'; do
    jq ".sites |= [.[] | .label = \"$letter\" * 90]" full.json >wide.json
    "$arenashim" report --html=wide.html wide.json
    check "and when names are 90 of $letter" test "$(wc -c <wide.html)" -lt 200000
    is "... of which both ends are there, $letter" \
        "$(sed -n '/id=sites>/,/<\/table>/p' wide.html | grep -c '<tr><td class=l>[^<]*…[^<]*module_[0-9]*.cpp:[0-9]*<td>')" 500
done
jq '(.sites[] | select(.line == 103)) |= (.overflows = 2000000 | .callers = [{module: "worst.so", function: "f", blocks: 2000000}])' \
    full.json >worst.json
"$arenashim" report --html=worst.html worst.json
for table in overflowing callers; do
    is "the first rows are those of the highest numbers: $table" \
        "$(sed -n "/id=$table>/,/<\/table>/p" worst.html | sed -n 2p | grep -c '2,000,000')" 1
done
is 'all sites are there' "$(sed -n '/id=sites>/,/<\/table>/p' full.html | grep -c '<tr><td')" 500
is 'and what is left out is said' "$(grep -c '^<p>[0-9]* further ones: arenashim report --json</p>$' full.html):$(
    grep -c '^<p>Too narrow to be drawn: [0-9]*' full.html)" 4:1
jq -c 'del(.sites, .nesting) | .sites = [] | . as $one | range(1000) | . as $rank | $one | .pid = $rank | .rank = "\($rank)" |
    .routed_bytes = (if $rank == 990 then 1000000000 else 1000000 + $rank end) | .high_water_bytes = 5000 * $rank' one.json >many.jsonl
mkdir many
split -l 1 -a 3 --additional-suffix=.json many.jsonl many/
capture "$arenashim" report --html=many.html many
check 'a thousand ranks are below 60 KB' test "$(wc -c <many.html)" -lt 60000
is 'of them the first ones are in the table, and the outlier' \
    "$(sed -n '/id=processes>/,/<\/table>/p' many.html | grep -c '<tr><td'):$(grep -c '<td class=l>990<.*<td class=out>' many.html)" 101:1
is 'and in the strip' "$(grep -c '<title>rank 990: 1,000,000,000<.*class=out' many.html)" 1
is 'it takes nothing from elsewhere' "$(grep -cE '(src|href)=("|.?https?:)' page.html)" "$(grep -c 'href="data:,"' page.html)"
is 'it is well formed for a parser: each label is escaped' "$(grep -c 'of <the>' page.html)" 0

find_browser
if [ -z "$browser" ]; then
    skip 'the page in a browser' 'chromium is not installed'
    done_testing
fi

# A script at the end of a copy does what a reader does, and writes what the page shows then.
{
    sed 's/<\/body>.*//' page.html
    cat <<'END'
<script>
const cells = (id, column) => [...document.querySelectorAll(`#${id} tbody tr`)]
    .map(row => row.cells[column].textContent.replaceAll(',', '').trim());
const button = (id, column) => document.querySelectorAll(`#${id} th button`)[column];
const shown = {
    top: Object.fromEntries([...document.querySelectorAll('[id=top] tr[id], #capacity tr[id], #wrong tr[id]')]
        .map(row => [row.id.replace(/^[a-z]+-/, ''), +row.cells[1].textContent.replaceAll(',', '')])),
    share: document.getElementById('share').textContent,
    sites: [...document.querySelectorAll('#sites tbody tr')].map(row => row.cells[0].textContent + '|' +
        [1, 2, 3, 4, 5, 6, 7].map(i => row.cells[i].textContent.replaceAll(',', '')).join(' ')),
    callers: cells('callers', 1), ranks: cells('processes', 0),
    outlier: document.querySelector('#processes td.out').textContent.trim(),
    strip: document.querySelectorAll('svg.strip circle.out').length,
    boxes: document.querySelectorAll('#icicle rect').length,
    wide: document.documentElement.scrollWidth <= innerWidth,
    back: getComputedStyle(document.body).backgroundColor,
};
button('sites', 1).click();
shown.down = cells('sites', 1);
button('sites', 1).focus();
document.activeElement.click(); /* what Enter does on a button */
shown.up = cells('sites', 1);
shown.sorted = document.querySelectorAll('#sites th')[1].getAttribute('aria-sort');
const first = document.querySelector('#sites tbody td');
first.textContent = '3 wishes wish.c:1';
button('sites', 0).click();
shown.digits = document.querySelector('#sites tbody td') === first;
shown.bars = document.querySelectorAll('#sites th:last-child button').length;
first.textContent = cells('sites', 0)[1];
shown.names = cells('sites', 0);
const controls = [...document.querySelectorAll('button, summary, svg g[tabindex]')];
shown.focusable = controls.every(e => e.tabIndex >= 0);
shown.named = controls.every(e => e.textContent.trim() && !e.parentElement.closest('[role=img]'));
document.body.innerHTML = '<pre id=shown></pre>';
document.getElementById('shown').textContent = JSON.stringify(shown);
</script></body></html>
END
} >probe.html

browse probe.html --dump-dom
is 'in the browser: no message on the console' "$status:$err" 0:
sed -n 's/.*<pre id="shown">\(.*\)<\/pre>.*/\1/p' "$tmp/out" |
    sed 's/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g' >shown.json
check 'the page could be read' jq -e . shown.json

# shows DESCRIPTION FILTER-OF-THE-PAGE FILTER-OF-THE-JSON
shows() {
    is "$1" "$(jq -c "$2" shown.json)" "$(jq -c "$3" sum.json)"
}
shows 'sums are those of the JSON' \
    '.top | [.scopes, .routed_calls, .routed_bytes, .passed, .overflows, .high_water_bytes, .left_open]' \
    '[.scopes, .routed_calls, .routed_bytes, .passed, .overflows, .high_water_bytes, .left_open]'
is 'the routed share is' "$(jq -r .share shown.json)" \
    "$(jq -r '[.routed_calls, .passed] | @tsv' sum.json | awk '{ printf "%.1f %%", 100 * $1 / ($1 + $2) }')"
shows 'all figures of all sites are' '.sites' \
    '[.sites[] | "\(.label) \(.file | split("/")[-1]):\(.line)|\(.scopes) \(.routed_calls) \(
     .routed_bytes) \(.peak_bytes) \(.overflows) \(.live_at_end) \(.survivors)"]'
shows 'blocks by caller are' '.callers | map(tonumber)' '[.sites[].callers // [] | .[].blocks] | sort | reverse'
shows 'ranks are' .ranks '[.processes[].rank]'
is 'the outlier is marked, in the table and in the strip' \
    "$(jq -r '"\(.outlier) \(.strip)"' shown.json)" '4,000,000 1'
check 'the icicle has boxes' test "$(jq .boxes shown.json)" -gt 20
shows 'a click sorts, most first' '.down | map(tonumber)' '[.sites[].scopes] | sort | reverse'
shows 'a second one, by the keyboard, least first' '.up | map(tonumber)' '[.sites[].scopes] | sort'
is 'and says so' "$(jq -r .sorted shown.json)" ascending
is 'names are sorted as text' "$(jq '.names == (.names | sort)' shown.json)" true
is 'names that begin with digits are, too; and bars are not' "$(jq -c '[.digits, .bars]' shown.json)" '[true,0]'
is 'all that can be clicked can be reached by the keyboard' "$(jq .focusable shown.json)" true
is '... and has a name there' "$(jq .named shown.json)" true
is 'the page is not wider than the window' "$(jq .wide shown.json)" true
light=$(jq -r .back shown.json)
browse probe.html --dump-dom --blink-settings=preferredColorScheme=0
dark=$(grep -o '"back":"[^"]*"' "$tmp/out")
is 'light and dark' "$light $dark" 'rgb(255, 255, 255) "back":"rgb(20, 23, 29)"'

# Without scripts all is there but the buttons.
sed '/<script>/,/<\/script>/d' page.html >plain.html
browse plain.html --dump-dom
is 'without its script: all sites are there' \
    "$(sed -n '/<table class="s" id="sites">/,/<\/table>/p' "$tmp/out" | grep -o '<tr><td class="l">stage' | wc -l)" 500

# What the test of the console is worth.
echo '<script>missing();</script>' >wrong.html
browse wrong.html --dump-dom
version=$("$browser" --version 2>/dev/null | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
if [ "$version" -gt 120 ]; then
    like 'an error on the console is noticed' "$err" 'missing is not defined'
else
    skip 'an error on the console is noticed' "this browser, of version $version, prints no console"
fi
done_testing
