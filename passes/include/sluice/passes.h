/* passes.h: the pass manager and the pipeline. One pass = one file passes/<name>.c = one flag = one test folder tests/passes/<name> = one timer. */
#ifndef SLUICE_PASSES_H
#define SLUICE_PASSES_H

#include "sluice/cost.h"
#include "sluice/ir.h"
#include "sluice/kernel_choice.h"

/* Precision of sums of products: exact f32, or what --precision asks for. OBSERVE adds outputs with the ranges that calibration for int8 needs. */
typedef enum sl_precision { SL_PRECISION_F32, SL_PRECISION_BF16, SL_PRECISION_INT8, SL_PRECISION_OBSERVE } sl_precision;

/* What a value ranged over on sample inputs, by the name that choose-precision gives the op that reads it. */
typedef struct sl_range { const char *name; double low, high; } sl_range;
/* What earlier runs saw of a branch of routed rows (`sluice run --profile-out`). */
typedef struct sl_profile_branch {
    const char *node;                  /* location, as reports show it */
    int64_t branch, runs, rows, dense_rows;   /* summed over runs */
    int64_t whole;                     /* runs in which all rows went here */
    double least, most;                /* share of the rows, of all runs */
} sl_profile_branch;
typedef struct sl_profile { int count; const sl_profile_branch *branches; } sl_profile;

typedef struct sl_pass_context {
    const sl_machine *machine;         /* target */
    int threads;                       /* that the program is tuned for */
    sl_module *module;
    sl_arena *scratch;                 /* reset after every pass */
    int64_t changes;                   /* out: a pass counts what it changed; 0 means the module is as it was */
    /* Records a decision for dumps: also written into attributes by the pass itself. */
    void (*decision)(void *self, sl_op *op, const char *what, const char *reason);
    void *decision_self;
    int64_t memory_budget;             /* 0: none */
    bool strict;                       /* no algebra that changes rounding, nothing skipped where NaN or infinity could show it */
    bool deny_dense;                   /* what could skip work and stays dense is an error */
    bool quiet;                        /* while a pass tries something: such places are counted and not reported */
    int fallbacks;                     /* out: such places */
    sl_precision precision;
    const sl_range *ranges;            /* of a calibration, for int8 */
    int range_count;
    const sl_profile *profile;         /* NULL: none */
    sl_kernel_choice kernel;           /* strategies forced by the user */
} sl_pass_context;

/* Reports diags, then fails. Never prints, times or verifies. */
typedef sl_status (*sl_pass_fn)(sl_pass_context *pass);
typedef struct sl_pass_info { const char *name; sl_pass_fn run; const char *doc; } sl_pass_info;
/* The table passes/passes.def: SL_PASS(flag-name, function suffix, doc). */
int sl_pass_count(void);
const sl_pass_info *sl_pass_at(int index);
const sl_pass_info *sl_pass_find(const char *name, size_t length);

typedef enum sl_print_when { SL_PRINT_NEVER, SL_PRINT_ON_CHANGE, SL_PRINT_ALWAYS } sl_print_when;

typedef struct sl_pipeline_options {
    const sl_machine *machine;         /* required */
    int threads;                       /* 0: machine->threads */
    bool verify_each;                  /* default true */
    const char *print_before, *print_after;   /* comma-separated pass names or "all"; NULL none */
    sl_print_when print_change;
    const char *dump_dir;              /* numbered NN-pass.sl files, decisions.txt; NULL none */
    const char *reproducer;            /* path written when a pass fails; NULL none */
    bool timing;
    bool strict;
    bool deny_dense;
    sl_precision precision;
    const sl_range *ranges;            /* borrowed */
    int range_count;
    const char *print_decisions;       /* comma-separated pass names or "all": their decisions, printed at the end; NULL none */
    sl_kernel_choice kernel;           /* zero: nothing forced */
    int64_t memory_budget;
    const sl_profile *profile;         /* NULL: none */
    void (*print)(void *self, const char *text);   /* where printing goes; NULL: nowhere */
    void *print_self;
} sl_pipeline_options;
void sl_pipeline_options_init(sl_pipeline_options *options);

typedef struct sl_pass_timing { const char *pass; double milliseconds; int64_t changes; } sl_pass_timing;

/* Runs the passes named in `pipeline` ("simplify,fuse") over the module. */
SL_MUST_USE sl_status sl_pipeline_run(sl_module *module, const char *pipeline, const sl_pipeline_options *options);
/* The whole way from an imported model to kernels: its text, as sl_pipeline_run takes it. */
const char *sl_pipeline_default(void);

#endif
