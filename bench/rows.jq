# The rows of limits.json, computed from a record.
#
# A row names results by what they must have in common ("over"), and what they are divided by
# ("under": the same but for what it names; without it the figure stands for itself). Where several
# contenders are named the best counts. Where several results are named (sizes, heaps), each gives a
# figure, and the row's is the worst of them, or with "mean": "geometric" their geometric mean. "target"
# is what the project wants, "limit" what bench/check.sh lets pass.
include "statistics";

# Does a result have what a selector names? Names are strings or numbers, or arrays of those.
def matches($selector):
  . as $result
  | all($selector | to_entries[];
      .key as $key
      | (if .value | type == "array" then .value else [.value] end) | index([$result[$key]]) != null);

def best: if length == 0 then null
  elif .[0].metric | more_is_better then max_by(.median) else min_by(.median) end;

def place: {group, heap, case, size, threads, metric};

# A ratio of nothing to nothing, or of no time at all, is no figure.
def is_figure($row): .median != null and ($row.under == null or .median > 0);

# What a row names in lists, contenders or sizes, and no result has.
def lacking($row):
  . as $results
  | [($row.over, (if $row.under then $row.over + $row.under else empty end)) as $selector
      | $selector | to_entries[] | select(.value | type == "array")
      | .key as $key | .value[] as $value
      | select(any($results[]; is_figure($row) and matches($selector + {($key): $value})) | not)
      | $value | tostring]
  | unique;

# The figures of one row.
def figures($row):
  . as $results
  | [.[] | select(is_figure($row) and matches($row.over))] | group_by(place) | map(best)
  | sort_by((.case | by_number), (.size | by_number), .heap)
  | map(. as $over
      | if $row.under == null then
          . + {value: .median, ratios: .samples, divisor: null}
        else
          (($over | place + {contender}) + $row.under) as $selector
          | ([$results[] | select(is_figure($row) and matches($selector))] | best) as $under
          | select($under != null)
          | . + {value: (.median / $under.median), divisor: $under.contender,
              ratios: ratios(.samples; $under.samples)}
        end
      | {heap, case, size, threads, value,
         best: (if $row.over.contender | type == "array" then .contender
           elif $row.under.contender | type == "array" then .divisor else null end),
         spread: (.ratios | present | if length > 0 then spread else null end), ratios});

def geometric_mean: map(log) | add / length | exp;

# One figure for all: of each repetition, too, in which none failed.
def mean:
  if length == 0 then . else
    [{heap: "clean", case: "\(length) figures", size: "-", threads: 1, best: null,
      value: (map(.value) | geometric_mean),
      spread: (map(.ratios) | transpose | map(select(all(. != null and . > 0)) | geometric_mean)
        | if length > 0 then spread else null end)}]
  end;

def holds($row; $bound): if $row.sense == "at most" then . <= $bound else . >= $bound end;

# All rows: with null for the value of what was not measured.
def rows($limits):
  .results as $results
  | $limits
  | map(. as $row
      | ($results | figures($row) | if $row.mean == "geometric" then mean else . end) as $figures
      | ($figures | if $row.sense == "at most" then max_by(.value) else min_by(.value) end) as $worst
      | . + {value: $worst.value, spread: $worst.spread, worst: $worst,
          best: ($figures | if $row.sense == "at most" then min_by(.value) else max_by(.value) end
            | .value?),
          $figures, lacking: ($results | lacking($row)),
          meets_target: (if $worst == null then null
            else $row.target == null or ($worst.value | holds($row; $row.target)) end),
          meets_limit: (if $worst == null then null
            else $worst.value | holds($row; $row.limit) end)});

# "scope_8, littered, mimalloc": which figure that was, and which contender was the best.
def where:
  if . == null then "" else
    [.case, (.size | select(IN("-", "mixed") | not)), (.threads | select(. > 1) | "\(.) threads"),
      (.heap | select(. != "clean")), .best // empty]
    | join(", ")
  end;
