# Record -> Markdown: what it was made on, the rows of limits.json, and a table of every group and
# metric. $limits is an array that holds limits.json.
include "statistics";
include "rows";

def cell: if . == null then "" else digits | tostring end;

def row: "| " + join(" | ") + " |";

def table($head): ($head | row), ($head | map("---") | row), (.[] | row);

def yes_no: if . == null then "not measured" elif . then "yes" else "no" end;

# Contenders in the order in which a reader looks for them.
def order:
  . as $name
  | (["glibc", "jemalloc", "mimalloc", "tcmalloc", "shim", "shim-free", "shim+stats",
      "shim-default", "shim-fitted", "shim-retain", "retained", "process", "named", "advised", "forward",
      "jemalloc-arena", "jemalloc-mallocx", "mimalloc-heap", "apr", "talloc", "obstack", "pmr", "arena", "bump"]
    | index($name)) // 99;

def headings: {
  hot: "Hot paths", scope: "Scope-shaped work", threads: "Threads", kernels: "Kernels",
  programs: "Whole programs", memory: "Memory", counts: "Instructions (callgrind, exact)",
  share: "Share of allocation in what a kernel does"};

def units: {
  ns: "ns per operation", cpu_ns: "CPU time of user and system, ns", ops_per_s_core: "operations per second and core", faults: "page faults",
  peak_kb: "peak resident KiB", retained_kb: "KiB still resident afterwards",
  trimmed_kb: "the same after malloc_trim", ended_kb: "the same after the threads have ended", p50_ns: "median, ns",
  p99_ns: "99th percentile, ns", instructions: "instructions per operation",
  more_ns: "ns more than the plain operation", routed: "percent of the calls, served from an arena", share: "percent",
  calls: "calls per query", contention: "percent of the time of the threads",
  voluntary_switches_per_s: "waits per second",
  involuntary_switches_per_s: "preemptions per second",
  share_samples: "percent of samples"};

def unit($group):
  .[0].metric as $metric
  | if $metric == "ns" and $group == "scope" then "ns per block"
    elif $metric == "ns" and $group == "kernels" then "ns per query"
    elif $metric == "ns" and $group == "memory" then "ns per scope, step or fork"
    elif $metric == "ns" and $group == "programs" then "ns from start to end"
    else units[$metric] // $metric end;

# Rates and shares, whose ratio to glibc says nothing.
def is_bare: test("^(contention|routed|share.*|calls|.*switches_per_s)$");

# What the record holds and a reader of tables can do without.
def is_detail: test("^share_") and . != "share_samples";

# All results of one group and metric: a line a case, a column a contender.
def pivot:
  (map(.contender) | unique | sort_by(order, .)) as $contenders
  | group_by([(.case | gsub("[0-9]+"; "")), .heap, (.case | by_number), (.size | by_number), .size,
      .threads])
  | map(. as $results
      | [.[0].case, .[0].size, "\(.[0].threads)", .[0].heap]
        + ($contenders | map(. as $name
            | ($results[] | select(.contender == $name)) // null
            | if . == null then "" else (.median | cell)
                + (if .contender == "glibc" or .to_glibc == null or (.metric | is_bare) then ""
                  else " (\(.to_glibc | significant(3)))" end) end)))
  | table(["case", "size", "threads", "heap"] + $contenders);

def larger_tables:
  .results as $results
  | ["hot", "scope", "threads", "kernels", "programs", "memory", "counts", "share"][] as $group
  | ([$results[] | select(.group == $group and (.metric | is_detail | not))] | group_by(.metric)[])
  | "", "## \(headings[$group]): \(unit($group))", "", pivot;

def machine:
  "\(.date), commit \(.commit), \(.settings.repetitions) repetitions in \(.seconds) s, made by",
  "", "    \(.command)", "",
  "on \(.machine.cores) cores, \(.machine.cpu), \(.machine.memory_kb / 1048576 * 10 | round / 10) GiB; "
    + (.versions | to_entries | map("\(.key) \(.value)") | join(", ")) + ".",
  (.skipped[] | "", "Skipped: \(.)."),
  (.failures[] | "", "**Failed**: \(.what): \(.reason).");

"# Benchmark results", "", machine, "", "## What it should show", "",
(rows($limits[0])
  | map(select(.target != null))
  | map([.name, "\(.sense) \(.target)", (.value | cell), (.spread | cell),
      (if .figures | length > 1 then "\(.best | cell) to \(.value | cell)" else "" end),
      (.worst | where), (.meets_target | yes_no)])
  | table(["figure", "wanted", "measured", "spread", "range", "worst at", "holds"])),
"",
"Measured is the ratio of medians over the repetitions; where a row names several sizes or heaps, the",
"worst of them. Spread is the interquartile range of the ratios of the single repetitions. In the",
"tables below a figure is a median, and in parentheses its ratio to glibc.",
"", "### The single figures of these rows", "",
(rows($limits[0])
  | map(select(.target != null and (.figures | length) > 1) | .name as $name | .figures[]
      | [$name, where, (.value | cell), (.spread | cell)])
  | table(["figure", "of", "measured", "spread"])),
larger_tables
