# What bench/plot makes of results: tables for gnuplot. $styles is the text of its table of styles.
include "statistics";

def place($list): . as $name | $list | index($name) // 99;

def contenders: [$styles | split("\n")[] | select(length > 0) | split(" ")[0]];

# Floors first, then from the plain to the composed.
def cases: ["empty_call", "bump_registers", "bump_loop", "arena_alloc", "routed_malloc",
  "routed_calloc", "routed_aligned", "empty_scope", "pause_resume", "scope_of_8", "routed_pair",
  "calloc_pair", "aligned_pair", "older_first", "queue_of_64", "new_delete", "realloc_growth",
  "unrouted_pair"];

# All divided by glibc's median.
def relative:
  group_by(.x)
  | map((map(select(.contender == "glibc"))[0].median) as $base
      | select($base != null and $base != 0)
      | map(.median /= $base | .low /= $base | .high /= $base))
  | add // [];

# Results with x, contender, median, low and high -> lines of text.
def columns:
  if length == 0 then empty else
    (map(.contender) | unique | sort_by(place(contenders), .)) as $names
    | (["x"] + $names),
      (group_by([(.x | place(cases)), (.x | by_number), .x])[]
        | . as $row
        | [$row[0].x]
          + [$names[] as $name
              | (first($row[] | select(.contender == $name)) // {median: "-", low: "-", high: "-"})
              | .median, .low, .high])
    | @tsv
  end;
