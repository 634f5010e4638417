# Samples -> record. The samples of a result are in the order of repetitions, null where the
# measurement failed. Ratios are of medians: to glibc, and to the floor, which is a bump allocator on
# the same work for what works in scopes, and a call of an empty function for a single operation.
include "statistics";

def lines: split("\n") | map(select(length > 0));

def fields($names): split("\t") | [$names, .] | transpose | map({(.[0]): .[1]}) | add;

# Without names: the key of a result.
def key: [.group, .contender, .heap, .case, .size, .threads, .metric];

def results:
  [$samples | lines[]
    | fields(["group", "contender", "heap", "repetition", "case", "size", "threads", "metric",
        "value"])
    | .repetition |= tonumber | .threads |= tonumber | .value |= tonumber]
  | group_by(key)
  | map(
      (.[0].group | if IN($once | split(" ")[]) then 1
        elif IN($often | split(" ")[]) then $repetitions * $processes
        else $repetitions end) as $last
      | (map({("\(.repetition)"): .value}) | add) as $by_repetition
      | .[0] + {samples: [range(1; $last + 1) | $by_repetition["\(.)"]]}
      | del(.repetition, .value)
      | (.samples | present) as $values
      | . + {n: ($values | length), median: ($values | median | significant(6)),
          min: ($values | min), max: ($values | max), iqr: ($values | spread | significant(4))});

def ratio($other): if $other == null or $other == 0 then null else .median / $other | digits end;

def with_ratios:
  (map({(key | join("\t")): .median}) | add) as $medians
  | def of($changes): $medians[. + $changes | key | join("\t")];
    map(. + {
      to_glibc: ratio(of({contender: "glibc"})),
      to_floor: ratio(of({contender: "bump"}) // of({contender: "bump", heap: "clean"})
        // of({case: "empty_call", size: "-"}))});

# One line a result, so that the file can be read, searched and compared.
def laid_out:
  def item: if type == "array" and length > 0 then "[\n    " + (map(tojson) | join(",\n    ")) + "\n  ]"
    else tojson end;
  "{\n" + (to_entries | map("  \(.key | tojson): \(.value | item)") | join(",\n")) + "\n}";

{
  format: 1,
  date: $date,
  commit: $commit,
  command: $command,
  settings: {quick: ($quick != ""), repetitions: $repetitions},
  seconds: $seconds,
  machine: {cpu: $cpu, cores: $cores, memory_kb: $memory_kb, load_before: $load},
  versions: ($versions | lines | map(split("\t") | {(.[0]): .[1]}) | add),
  skipped: ($skipped | lines | map(sub("^skipped: "; ""))),
  failures: ($failures | lines | map(fields(["what", "reason"]))),
  plan: ($plan | lines | map(fields(["group", "contender", "heap", "command"]))),
  results: (results | with_ratios | map({group, contender, heap, case, size, threads, metric, n,
    median, min, max, iqr, to_glibc, to_floor, samples}))
}
| laid_out
