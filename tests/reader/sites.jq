# Statistics of one process with $sites sites, a tree of which five are in each: for tests of the report.
[range($sites)] as $range |
def named: {label: "stage \(.) of <the> query & answer", file: "/usr/src/part/module_\(. % 40).cpp",
    line: (100 + .)};
{format: 2, version: "0.1.0", host: "node1", program: "server", pid: 1, threads: 2,
 scopes: ([$range[] | 1000 + .] | add), routed_calls: ([$range[] | 200 * . + 7] | add),
 routed_bytes: ([$range[] | 1000 * (. + 1)] | add),
 passed_in_scope: {total: 2000002, paused: 2, interrupted: 0, overflow: 0, unknown_caller: 0,
     not_participating: 2000000,
     modules: [{name: "libc.so.6", calls: 600000}, {name: "libfoo.so.1", calls: 1400000}]},
 freed_in_scope: 4, ignored_frees: 0, late_frees: 0, overflows: 3, fallbacks: 1, capacity_bytes: 1048576,
 high_water_bytes: 2000000, recommended_capacity_bytes: 2002944, left_open: 1, other_stacks: 0, misuses: 0,
 sites: [$range[] | named + {scopes: (1000 + .), routed_calls: (200 * . + 7), routed_bytes: (1000 * (. + 1)),
     peak_bytes: (50 * . + 16), overflows: (if . == 7 then 3 else 0 end),
     fallbacks: (if . == 7 then 1 else 0 end), live_at_end: (. % 5), survivors: 0, bytes_pinned: 0,
     histogram: [0, 0, 0, 0, . + 1, 2 * ., 3 * ., 10, 40, 90, 160, 80, 20, 5],
     callers: (if . % 100 == 99 then [{module: "/nowhere/libbar.so", offset: (64 + .), blocks: 3, bytes: 48}]
         else [] end)}],
 nesting: [$range[] | named + {node: (. + 1), in: (if . < 5 then 0 else ((. - 5) / 5 | floor) + 1 end),
     scopes: (1000 + .)}]}
