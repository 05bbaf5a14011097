/* digits.c: a host program on Sluice's public headers: compiles the four digit models, runs every held-out scan through each, one at a time, and prints
 * accuracy, time per scan and what was executed. Exits 1 when a prediction differs from the training framework's.
 *
 *     digits FOLDER            (the folder of this file: models, held-out scans, expected predictions)
 */
#include <sluice/sluice_compiler.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PIXELS = 64, CLASSES = 10, MOST_KERNELS = 512 };

static const char *const models[][2] = {
    {"mlp", "dense MLP 64-128-64-10"},
    {"conv_exits", "convolutions with two early exits"},
    {"moe", "mixture of 8 experts, top-2"},
    {"pruned", "MLP 64-256-128-10, 90 % of the weights zero"},
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

/* Runs one scan; outputs are the session's memory. */
static int64_t classify(sluice_context *context, sluice_session *session, const float *pixels, DLTensor *outputs, int32_t output_count) {
    int64_t shape[2] = {1, PIXELS};
    DLTensor input = {.data = (void *)(uintptr_t)pixels, .device = {1, 0}, .ndim = 2, .dtype = {2, 32, 1}, .shape = shape};
    memset(outputs, 0, sizeof *outputs * (size_t)output_count);
    if (sluice_session_run(session, &input, 1, outputs, output_count) != SLUICE_OK) give_up("run", sluice_last_error(context));
    const float *logits = outputs[0].data;
    int64_t best = 0;
    for (int64_t c = 1; c < CLASSES; c++)
        if (logits[c] > logits[best]) best = c;
    return best;
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
    int64_t *expected = load_npy(folder, file, &bytes);
    if (bytes != sizeof(int64_t) * (size_t)set->count) give_up(file, "wrong number of predictions");
    int32_t output_count = sluice_program_output_count(program), detail = 1;
    DLTensor outputs[4];
    if (output_count > 4) give_up(name, "more outputs than expected");
    double *times = malloc(sizeof *times * (size_t)set->count);
    if (!times) give_up(name, "no memory");
    int64_t right = 0, different = 0, histogram[16] = {0}, work = 0, dense = 0, kernels_run = 0;
    classify(context, fast, set->pixels, outputs, output_count);   /* warm-up */
    for (int64_t i = 0; i < set->count; i++) {
        double before = microseconds();
        int64_t digit = classify(context, fast, set->pixels + i * PIXELS, outputs, output_count);
        times[i] = microseconds() - before;
        right += digit == set->digits[i];
        different += digit != expected[i];
        if (output_count > detail) {
            const int64_t *values = outputs[detail].data;
            int64_t values_count = 1;
            for (int32_t d = 0; d < outputs[detail].ndim; d++) values_count *= outputs[detail].shape[d];
            for (int64_t k = 0; k < values_count; k++)
                if (values[k] >= 0 && values[k] < 16) histogram[values[k]]++;
        }
        classify(context, counting, set->pixels + i * PIXELS, outputs, output_count);
        for (int32_t k = 0; k < sluice_session_counter_count(counting); k++) {
            sluice_counter counter;
            if (sluice_session_counter(counting, k, &counter) != SLUICE_OK) continue;
            work += counter.work;
            dense += counter.dense_work;
            kernels_run += counter.runs;
        }
    }
    qsort(times, (size_t)set->count, sizeof *times, by_time);
    printf("%s (%s)\n", name, what);
    printf("  compiled in         %.0f ms\n", compiled / 1e3);
    printf("  accuracy            %.2f %% (%lld of %lld held-out scans), predictions that differ from the training framework: %lld\n", 100.0 * (double)right / (double)set->count,
           (long long)right, (long long)set->count, (long long)different);
    printf("  time per scan       %.1f us median, %.1f us at the 95th percentile\n", times[set->count / 2], times[set->count * 95 / 100]);
    printf("  executed            %.1f kernels and %.0f operations a scan, %.1f %% of the %.0f with every branch run\n", (double)kernels_run / (double)set->count,
           (double)work / (double)set->count, dense ? 100.0 * (double)work / (double)dense : 100.0, (double)dense / (double)set->count);
    if (strcmp(name, "conv_exits") == 0)
        printf("  exits taken         first %lld, second %lld, end of the net %lld\n", (long long)histogram[0], (long long)histogram[1], (long long)histogram[2]);
    if (strcmp(name, "moe") == 0) {
        printf("  expert load        ");
        for (int e = 0; e < 8; e++) printf(" %lld", (long long)histogram[e]);
        printf("\n");
    }
    free(times);
    free(expected);
    sluice_session_destroy(fast);
    sluice_session_destroy(counting);
    sluice_program_destroy(program);
    return different != 0;
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
    if (failed) fprintf(stderr, "digits: some predictions differ from the training framework's\n");
    return failed;
}
