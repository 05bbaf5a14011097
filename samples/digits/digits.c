/* digits.c: a host program on Sluice's public headers: compiles the four digit models, runs the held-out scans through each, one at a time and as one batch, and prints accuracy,
 * time and what was executed: exits taken, load of the experts, work saved. Exits 1 when a prediction differs from the training framework's, or a scan's logits from those that it
 * gets in the batch.
 *
 *     digits FOLDER            (the folder of this file: models, held-out scans, expected predictions)
 */
#include <sluice/sluice_compiler.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PIXELS = 64, CLASSES = 10, MOST_OUTPUTS = 4, BATCH_RUNS = 50 };

static const char *const models[][2] = {
    {"mlp", "dense MLP 64-128-64-10"},
    {"conv_exits", "convolutions with two early exits"},
    {"moe", "mixture of 8 experts, top-2"},
    {"pruned", "MLP 64-256-128-10, 90 % of the weights zero; these run as all others"},
};

static double microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static void give_up(const char *what, const char *why) {
    fprintf(stderr, "digits: %s: %s\n", what, why);
    exit(3);
}

/* The data behind a version 1 .npy header; *bytes is its size. */
static void *load_npy(const char *folder, const char *name, size_t *bytes) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    unsigned char head[10];
    if (!file || fread(head, 1, sizeof head, file) != sizeof head || memcmp(head, "\x93NUMPY\x01", 7) != 0) give_up(path, "not a readable .npy file");
    long start = 10 + head[8] + 256 * head[9];
    if (fseek(file, 0, SEEK_END) != 0) give_up(path, "can't be read");
    long end = ftell(file);
    if (end < start || fseek(file, start, SEEK_SET) != 0) give_up(path, "is cut off");
    *bytes = (size_t)(end - start);
    void *data = malloc(*bytes);
    if (!data || fread(data, 1, *bytes, file) != *bytes) give_up(path, "can't be read");
    fclose(file);
    return data;
}

static int by_time(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

typedef struct sample_set { const float *pixels; const int64_t *digits; int64_t count; } sample_set;

/* Runs scans [first, first + count) as one batch; outputs are the session's memory. Returns the logits. */
static const float *run_scans(sluice_context *context, sluice_session *session, const sample_set *set, int64_t first, int64_t count, DLTensor *outputs, int32_t output_count) {
    int64_t shape[2] = {count, PIXELS};
    DLTensor input = {.data = (void *)(uintptr_t)(set->pixels + first * PIXELS), .device = {1, 0}, .ndim = 2, .dtype = {2, 32, 1}, .shape = shape};
    memset(outputs, 0, sizeof *outputs * (size_t)output_count);
    if (sluice_session_run(session, &input, 1, outputs, output_count) != SLUICE_OK) give_up("run", sluice_last_error(context));
    return outputs[0].data;
}

static int64_t largest(const float *logits) {
    int64_t best = 0;
    for (int64_t c = 1; c < CLASSES; c++)
        if (logits[c] > logits[best]) best = c;
    return best;
}

static void print_bar(const char *label, int64_t value, int64_t of) {
    printf("    %-18s %4lld  ", label, (long long)value);
    for (int64_t i = 0; i < 40 * value / (of > 0 ? of : 1); i++) printf("#");
    printf("\n");
}

/* Exits: a scan leaves where it does not go on. Branch k of the report is the rest of the net behind exit k. */
static void print_exits(sluice_session *session, int64_t count) {
    static const char *const names[] = {"after stage 1", "after stage 2", "after stage 3", "after stage 4"};
    int64_t here = count;
    int32_t exits = sluice_session_branch_count(session);
    printf("  exits taken\n");
    for (int32_t i = 0; i <= exits && i < 4; i++) {
        sluice_branch_counter on = {0};
        if (i < exits && sluice_session_branch(session, i, &on) != SLUICE_OK) return;
        print_bar(names[i], here - on.rows, count);
        here = on.rows;
    }
}

static void print_experts(sluice_session *session, int64_t count) {
    printf("  load of the experts  (scans that each got; 2 experts for each scan)\n");
    for (int32_t i = 0; i < sluice_session_branch_count(session); i++) {
        sluice_branch_counter expert;
        char label[32];
        if (sluice_session_branch(session, i, &expert) != SLUICE_OK) return;
        snprintf(label, sizeof label, "expert %d", (int)expert.index + 1);
        print_bar(label, expert.rows, count);
    }
}

/* What the last run of a counting session did, against the same with nothing skipped. */
static void print_work(sluice_session *session, int64_t count) {
    int64_t work = 0, dense = 0;
    for (int32_t k = 0; k < sluice_session_counter_count(session); k++) {
        sluice_counter counter;
        if (sluice_session_counter(session, k, &counter) != SLUICE_OK || !counter.products) continue;
        work += counter.work;
        dense += counter.dense_work;
    }
    if (work == dense) printf("  work                 %lld multiply-adds a scan, nothing to skip\n", (long long)(dense / count));
    else printf("  work                 %lld of %lld multiply-adds a scan: %.1f %% saved\n", (long long)(work / count), (long long)(dense / count), 100.0 * (double)(dense - work) / (double)dense);
}

static int run_model(sluice_context *context, const char *folder, const char *name, const char *what, const sample_set *set) {
    char path[4096], file[256];
    snprintf(path, sizeof path, "%s/%s.json", folder, name);
    double start = microseconds();
    sluice_program *program;
    if (sluice_compile_file(context, path, NULL, &program) != SLUICE_OK) give_up(path, sluice_last_error(context));
    double compiled = microseconds() - start;
    sluice_session_options options;
    sluice_session_options_init(&options);
    options.threads = 1;
    sluice_session *fast, *counting;
    if (sluice_session_create(program, &options, &fast) != SLUICE_OK) give_up(name, sluice_last_error(context));
    options.counters = 1;
    if (sluice_session_create(program, &options, &counting) != SLUICE_OK) give_up(name, sluice_last_error(context));

    size_t bytes;
    snprintf(file, sizeof file, "%s_expected.npy", name);
    int64_t *expected = load_npy(folder, file, &bytes), right = 0, different = 0, other_bits = 0;
    if (bytes != sizeof(int64_t) * (size_t)set->count) give_up(file, "wrong number of predictions");
    int32_t output_count = sluice_program_output_count(program);
    DLTensor outputs[MOST_OUTPUTS];
    if (output_count > MOST_OUTPUTS) give_up(name, "more outputs than expected");
    double *times = malloc(sizeof *times * (size_t)set->count), batch_times[BATCH_RUNS];
    float *alone = malloc(sizeof *alone * CLASSES * (size_t)set->count);
    if (!times || !alone) give_up(name, "no memory");

    run_scans(context, fast, set, 0, 1, outputs, output_count);   /* warm-up */
    for (int64_t i = 0; i < set->count; i++) {
        double before = microseconds();
        const float *logits = run_scans(context, fast, set, i, 1, outputs, output_count);
        times[i] = microseconds() - before;
        memcpy(alone + i * CLASSES, logits, sizeof *alone * CLASSES);
        right += largest(logits) == set->digits[i];
        different += largest(logits) != expected[i];
    }
    run_scans(context, fast, set, 0, set->count, outputs, output_count);
    for (int i = 0; i < BATCH_RUNS; i++) {
        double before = microseconds();
        run_scans(context, fast, set, 0, set->count, outputs, output_count);
        batch_times[i] = microseconds() - before;
    }
    const float *batch = run_scans(context, counting, set, 0, set->count, outputs, output_count);
    for (int64_t i = 0; i < set->count; i++) other_bits += memcmp(batch + i * CLASSES, alone + i * CLASSES, sizeof *alone * CLASSES) != 0;

    qsort(times, (size_t)set->count, sizeof *times, by_time);
    qsort(batch_times, BATCH_RUNS, sizeof *batch_times, by_time);
    printf("%s (%s)\n", name, what);
    printf("  compiled in          %.0f ms\n", compiled / 1e3);
    printf("  accuracy             %.2f %% (%lld of %lld held-out scans); %lld predictions differ from the training framework's\n", 100.0 * (double)right / (double)set->count, (long long)right,
           (long long)set->count, (long long)different);
    printf("  time of a scan       %.1f us alone (median; %.1f at the 95th percentile), %.1f us in a batch of %lld; %s\n", times[set->count / 2], times[set->count * 95 / 100],
           batch_times[BATCH_RUNS / 2] / (double)set->count, (long long)set->count, other_bits ? "SOME LOGITS DIFFER" : "all logits the same, bit by bit");
    print_work(counting, set->count);
    if (strcmp(name, "conv_exits") == 0) print_exits(counting, set->count);
    if (strcmp(name, "moe") == 0) print_experts(counting, set->count);
    printf("\n");
    free(times);
    free(alone);
    free(expected);
    sluice_session_destroy(fast);
    sluice_session_destroy(counting);
    sluice_program_destroy(program);
    return different != 0 || other_bits != 0;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: digits FOLDER\n");
        return 2;
    }
    sluice_context *context;
    if (sluice_context_create(NULL, &context) != SLUICE_OK) give_up("context", "no memory");
    size_t pixel_bytes, digit_bytes;
    sample_set set;
    set.pixels = load_npy(argv[1], "heldout_x.npy", &pixel_bytes);
    set.digits = load_npy(argv[1], "heldout_y.npy", &digit_bytes);
    set.count = (int64_t)(digit_bytes / sizeof *set.digits);
    if (pixel_bytes != sizeof(float) * PIXELS * (size_t)set.count) give_up("heldout_x.npy", "does not fit heldout_y.npy");
    int failed = 0;
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) failed |= run_model(context, argv[1], models[i][0], models[i][1], &set);
    free((void *)(uintptr_t)set.pixels);
    free((void *)(uintptr_t)set.digits);
    sluice_context_destroy(context);
    if (failed) fprintf(stderr, "digits: some predictions differ from the training framework's, or depend on the batch\n");
    return failed;
}
