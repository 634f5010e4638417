/*
 * What `arenashim advise` finds out about a program, step by step: plain facts, which the files of
 * this folder fill in and print. Times are in seconds of CPU time (user and system) of the process
 * and the children it has waited for, sizes in bytes.
 */
#ifndef ADVISE_ADVICE_H
#define ADVISE_ADVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "watch/record.h"

/* Exit status of a command that fails itself (cli.h: EXIT_CANCELED). */
#define ADVISE_FAILED 125

/* Candidates that are proven, and plans of functions that are measured. */
#define CANDIDATES_MOST 20
#define PLANS_MOST 3
#define SPECS_MOST 4 /* functions of one plan */
#define CONTENDERS_MOST 16

/* ---- what the user wants ----------------------------------------------------------------------
 */

struct wish {
    char **program;      /* argv, NULL at its end */
    const char *path;    /* the file that is executed */
    const char *shim;    /* path of libarenashim.so */
    const char *command; /* path of this command, for the line to run */
    const char *child; /* --child: base name of the executable to watch; NULL: the program's own */
    double duration;   /* --duration: seconds after which the program is ended; 0: by itself */
    int signal;        /* --signal: by which */
    unsigned runs;     /* --runs: rounds of measuring; 0: as many as a verdict takes */
    bool measure;      /* not --no-measure */
    bool peers;        /* --peers */
    const char *write, *json, *folded; /* files, or NULL */
    bool quiet;                        /* no progress lines */
};

/* ---- a run ------------------------------------------------------------------------------------
 */

struct trial {
    bool started; /* else error says why not */
    int error;
    int status;       /* as waitpid has it */
    bool ended_by_us; /* by the signal of --duration, after its time */
    double cpu, wall;
    size_t peak;     /* maximum resident set */
    size_t at_end;   /* resident set just before the process ended; 0: unknown */
    uint64_t faults; /* page faults, minor and major */
    bool differs;    /* its standard output from the first run's */
};

/* ---- functions ---------------------------------------------------------------------------------
 */

/* A place in code. */
struct place {
    char *module;    /* path of the object file */
    uint64_t offset; /* from its load base */
    char *name;      /* demangled, or "+0x..." where no symbol table has one */
    char *file;      /* of the source, or NULL */
    unsigned line;
};

/* A function worth a look: from the sampled run, then from the proving run. */
struct candidate {
    struct place place; /* its entry */
    char *spec; /* how --scope names it: MODULE!+0xOFFSET, or MODULE!NAME where that is as good */
    double calls, bytes;        /* sampled: weight of what was drawn with it on the stack */
    double inside;              /* sampled: of these calls, those that died inside, as it seems */
    struct record_tally proven; /* exact; all 0 when it was not called, or not proven */
    bool is_proven;
    double expected; /* CPU time that it as a scope is to take, of plain's: 0.9 is a tenth less */
};

/* ---- contenders ---------------------------------------------------------------------------------
 */

enum contender_kind { PLAIN, PROCESS, THREAD, FUNCTIONS, RESET, PEER };

struct contender {
    enum contender_kind kind;
    const char *name;    /* for people: "plain", "process", "xmllint!+0x9e50", "tcmalloc" */
    const char *options; /* for `arenashim run`, shell quoted; "" for plain and peers */
    const char *preload; /* PEER: its library */
    size_t candidates[SPECS_MOST]; /* FUNCTIONS, RESET: indices */
    size_t candidate_count;
    size_t capacity; /* 0: the shim's own choice */
    char *modules;   /* ARENASHIM_MODULES; NULL: the shim's own choice */
    double expected; /* as in struct candidate; 0: nothing is */
    /* Measured: medians over the rounds; ratios are to plain's of the same round. */
    unsigned rounds;
    double cpu, ratio;            /* ratios are 0 where CPU time measures no work */
    double ratio_low, ratio_high; /* between these the true median lies, at 90% confidence */
    size_t peak, at_end;
    uint64_t faults;
    unsigned differed; /* rounds with another output or exit status than plain's */
};

/* ---- all of it ----------------------------------------------------------------------------------
 */

enum verdict {
    VERDICT_PLAN,      /* contenders[best] pays */
    VERDICT_NONE,      /* nothing pays; `reason` says why in a sentence */
    VERDICT_UNCERTAIN, /* the machine is too noisy, or nothing was measured */
};

struct advice {
    const struct wish *wish;
    struct trial plain[2];
    bool output_differs;          /* between two plain runs */
    bool is_timed_out;            /* a plain run was ended by us: CPU time measures no work */
    struct record_thread counted; /* sums over threads of the counting run */
    bool is_threaded;             /* several threads of one process allocate */
    double counted_cpu;
    double share;                 /* of plain's CPU time that malloc, free and realloc take */
    const struct record *sampled; /* the mapped record, or NULL */
    double sampled_cpu, proven_cpu;
    const struct record *proven;
    struct candidate candidates[CANDIDATES_MOST];
    size_t candidate_count;
    struct contender contenders[CONTENDERS_MOST]; /* [0] is plain */
    size_t contender_count;
    enum verdict verdict;
    size_t best;
    size_t seen_safe; /* a RESET contender that is faster than the best; 0: none */
    size_t leanest;   /* a contender that holds clearly less memory than plain at the end, or at
                       * the peak where that is unknown; 0: none */
    char *reason;
};

#endif
