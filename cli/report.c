/* report.c: the skip report of `sluice run`: what ran against what would have run if no branch were skipped and no row left out. */
#include "execute.h"

#include <stdio.h>
#include <string.h>

typedef struct sums { int64_t products, dense_products, work, dense_work, bytes, dense_bytes, nanoseconds; } sums;

static void add(sums *total, const sluice_counter *c) {
    if (c->products) {
        total->products += c->work;
        total->dense_products += c->dense_work;
    }
    total->work += c->work;
    total->dense_work += c->dense_work;
    total->bytes += c->weight_bytes;
    total->dense_bytes += c->dense_weight_bytes;
    total->nanoseconds += c->nanoseconds;
}

static const char *quoted(cli_model *model, const char *string) {
    sl_text text;
    sl_text_init(&text, model->arena);
    sl_text_append_quoted(&text, string ? string : "");
    return text.data;
}

/* Share of the dense equivalent, as text. */
static const char *share(char *text, size_t size, int64_t part, int64_t whole) {
    if (whole > 0) snprintf(text, size, "%5.1f %%", 100.0 * (double)part / (double)whole);
    else snprintf(text, size, "%7s", "");
    return text;
}

static int64_t schedule_count(const cli_model *model, sluice_schedule schedule) { return sluice_session_schedule_count(model->session, schedule); }

static void print_json(cli_model *model, const sluice_counter *counters, int count, const sluice_branch_counter *branches, const sums *branch_sums, int branch_count, const sums *total) {
    printf("{\"kernels\": [");
    for (int i = 0; i < count; i++) {
        const sluice_counter *c = &counters[i];
        printf("%s\n  {\"kernel\": %s, \"location\": %s, \"branch\": %d, \"runs\": %lld, \"dense_runs\": %lld, \"work\": %lld, \"dense_work\": %lld, \"multiply_adds\": %s, "
               "\"weight_bytes\": %lld, \"dense_weight_bytes\": %lld, \"nanoseconds\": %lld}", i ? "," : "", quoted(model, c->op), quoted(model, c->location), c->branch, (long long)c->runs,
               (long long)c->dense_runs, (long long)c->work, (long long)c->dense_work, c->products ? "true" : "false", (long long)c->weight_bytes, (long long)c->dense_weight_bytes,
               (long long)c->nanoseconds);
    }
    printf("\n ],\n \"branches\": [");
    for (int i = 0; i < branch_count; i++) {
        const sluice_branch_counter *b = &branches[i];
        printf("%s\n  {\"location\": %s, \"branch\": %d, \"parent\": %d, \"runs\": %lld, \"rows\": %lld, \"dense_rows\": %lld, \"multiply_adds\": %lld, \"dense_multiply_adds\": %lld, "
               "\"weight_bytes\": %lld, \"dense_weight_bytes\": %lld, \"nanoseconds\": %lld}", i ? "," : "", quoted(model, b->location), b->index, b->parent, (long long)b->runs,
               (long long)b->rows, (long long)b->dense_rows, (long long)branch_sums[i].products, (long long)branch_sums[i].dense_products, (long long)branch_sums[i].bytes,
               (long long)branch_sums[i].dense_bytes, (long long)branch_sums[i].nanoseconds);
    }
    printf("\n ],\n \"schedules\": {\"loop\": %lld, \"grouped\": %lld, \"padded\": %lld},", (long long)schedule_count(model, SLUICE_SCHEDULE_LOOP),
           (long long)schedule_count(model, SLUICE_SCHEDULE_GROUPED), (long long)schedule_count(model, SLUICE_SCHEDULE_PADDED));
    printf("\n \"total\": {\"work\": %lld, \"dense_work\": %lld, \"multiply_adds\": %lld, \"dense_multiply_adds\": %lld, \"weight_bytes\": %lld, \"dense_weight_bytes\": %lld, "
           "\"nanoseconds\": %lld}}\n", (long long)total->work, (long long)total->dense_work, (long long)total->products, (long long)total->dense_products, (long long)total->bytes,
           (long long)total->dense_bytes, (long long)total->nanoseconds);
}

static void print_table(const sluice_counter *counters, int count, const sluice_branch_counter *branches, const sums *branch_sums, int branch_count, const sums *total) {
    char a[16], b[16];
    printf("\n%-44s %6s %14s %8s %14s %8s %10s  %s\n", "kernel", "runs", "work", "of dense", "weight bytes", "of dense", "us", "from");
    for (int i = 0; i < count; i++) {
        const sluice_counter *c = &counters[i];
        printf("%-44.44s %6lld %14lld %8s %14lld %8s %10.1f  %.60s\n", c->op, (long long)c->runs, (long long)c->work, share(a, sizeof a, c->work, c->dense_work), (long long)c->weight_bytes,
               share(b, sizeof b, c->weight_bytes, c->dense_weight_bytes), (double)c->nanoseconds / 1e3, c->location ? c->location : "");
    }
    printf("%-44s %6s %14lld %8s %14lld %8s %10.1f\n", "total", "", (long long)total->work, share(a, sizeof a, total->work, total->dense_work), (long long)total->bytes,
           share(b, sizeof b, total->bytes, total->dense_bytes), (double)total->nanoseconds / 1e3);
    if (!branch_count) return;
    printf("\n%-44s %8s %8s %14s %14s %14s %14s\n", "branch", "rows", "of", "multiply-adds", "of", "weight bytes", "of");
    for (int i = 0; i < branch_count; i++) {
        int depth = 0;
        for (int parent = branches[i].parent; parent >= 0 && depth < 8; parent = branches[parent].parent) depth++;
        char name[160];
        snprintf(name, sizeof name, "%*s%.100s, branch %d", 2 * depth, "", branches[i].location ? branches[i].location : "", branches[i].index);
        printf("%-44.60s %8lld %8lld %14lld %14lld %14lld %14lld\n", name, (long long)branches[i].rows, (long long)branches[i].dense_rows, (long long)branch_sums[i].products,
               (long long)branch_sums[i].dense_products, (long long)branch_sums[i].bytes, (long long)branch_sums[i].dense_bytes);
    }
    printf("skipped: %lld of %lld multiply-adds, %lld of %lld weight bytes\n", (long long)(total->dense_products - total->products), (long long)total->dense_products,
           (long long)(total->dense_bytes - total->bytes), (long long)total->dense_bytes);
}

void cli_report(cli_model *model, bool json) {
    int count = sluice_session_counter_count(model->session), branch_count = sluice_session_branch_count(model->session);
    sluice_counter *counters = SL_NEW_ARRAY(model->arena, sluice_counter, (size_t)count + 1);
    sluice_branch_counter *branches = SL_NEW_ARRAY(model->arena, sluice_branch_counter, (size_t)branch_count + 1);
    sums total = {0}, *branch_sums = SL_NEW_ARRAY(model->arena, sums, (size_t)branch_count + 1);
    for (int i = 0; i < branch_count; i++)
        if (sluice_session_branch(model->session, i, &branches[i]) != SLUICE_OK) return;
    for (int i = 0; i < count; i++) {
        if (sluice_session_counter(model->session, i, &counters[i]) != SLUICE_OK) return;
        add(&total, &counters[i]);
        /* What is in a nested branch is in those around it, too. */
        for (int branch = counters[i].branch; branch >= 0 && branch < branch_count; branch = branches[branch].parent) add(&branch_sums[branch], &counters[i]);
    }
    if (json) print_json(model, counters, count, branches, branch_sums, branch_count, &total);
    else print_table(counters, count, branches, branch_sums, branch_count, &total);
    int64_t loop = schedule_count(model, SLUICE_SCHEDULE_LOOP), grouped = schedule_count(model, SLUICE_SCHEDULE_GROUPED), padded = schedule_count(model, SLUICE_SCHEDULE_PADDED);
    if (!json && loop + grouped + padded)
        printf("launches over several branches: %lld one by one, %lld grouped, %lld padded\n", (long long)loop, (long long)grouped, (long long)padded);
}
