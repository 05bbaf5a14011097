/* test_route_schedules.c: a switch whose program holds several schedules: the counts of a run pick, by a threshold of the cost model; bits, rows in reports and what an expectation
 * may change are the same for all. Launches inside of the branch tell packed rows from the others. */
#include "route_model.h"

enum { ROWS = 64, WIDTH = 32, TANHS = 12 };

/* Key 0 keeps a row, 1 sends it through TANHS tanhs. */
static const char *light_model(route_model *m) {
    add_input(m, "key", "i64", "'rows'"), add_input(m, "x", "f32", "'rows', 32");
    open_route(&m->nodes, "light", "'key', 'x'", "y");
    open_body(&m->nodes, "{'name': 'r'}"), close_body(&m->nodes, "'r'");
    open_body(&m->nodes, "{'name': 'r'}");
    for (int i = 0; i < TANHS; i++) put_node(&m->nodes, "Tanh", i ? name_of("'t%d'", i - 1, 0) : "'r'", name_of("'t%d'", i, 0), NULL);
    close_body(&m->nodes, name_of("'t%d'", TANHS - 1, 0));
    close_route(&m->nodes, NULL);
    return model_text(m, "'y'");
}

static void run_keys(route_run *run, int64_t *keys, float *x, int64_t rows) {
    route_value values[] = {{"key", 'i', 1, {rows}, keys}, {"x", 'f', 2, {rows, WIDTH}, x}};
    check_run(run, values, 2);
    CHECK(evaluator_difference(run, values, 2) <= 1e-6);
}

static void spread_keys(int64_t *keys, int ones) {
    for (int i = 0; i < ROWS; i++) keys[i] = 0;
    for (int i = 0; i < ones; i++) keys[i * 37 % ROWS] = 1;
}

static void check_counts(route_run *run, int ones, bool packed) {
    CHECK_INT(sluice_session_branch_count(run->session), 1);
    CHECK_INT(branch(run, 0).rows, ones);
    CHECK_INT(branch(run, 0).dense_rows, ROWS);
    CHECK_INT(launches(run, 0) > 0, packed && ones > 0);
}

/* Few rows run packed, most of them on all rows, all of them in place; each row has the bits that it has alone. */
static void test_counts_pick(void) {
    route_model m = {0};
    route_run run;
    int64_t keys[ROWS];
    float x[ROWS * WIDTH], alone[2][ROWS * WIDTH];
    fill_rows(x, ROWS * WIDTH, 3);
    run_open(&run, light_model(&m), 2);
    for (int64_t key = 0; key < 2; key++)
        for (int r = 0; r < ROWS; r++) {
            run_keys(&run, &key, x + r * WIDTH, 1);
            memcpy(alone[key] + r * WIDTH, run.output.data, sizeof(float) * WIDTH);
        }
    static const int ones[] = {0, 1, 5, 62, 63, 64};
    for (int i = 0; i < 6; i++) {
        spread_keys(keys, ones[i]);
        run_keys(&run, keys, x, ROWS);
        check_counts(&run, ones[i], ones[i] < ROWS / 2);
        for (int r = 0; r < ROWS; r++) CHECK(memcmp((const float *)run.output.data + r * WIDTH, alone[keys[r]] + r * WIDTH, sizeof(float) * WIDTH) == 0);
    }
    keys[7] = 2;
    route_value values[] = {{"key", 'i', 1, {ROWS}, keys}, {"x", 'f', 2, {ROWS, WIDTH}, x}};
    CHECK_INT(run_once(&run, values, 2), SLUICE_RUN_TIME);
    CHECK(strstr(sluice_last_error(run.context), "row 7 goes to branch 2, but there are 2") != NULL);
    run_close(&run);
    model_free(&m);
}

/* Compiles anew for what the profile saw, and ends it. */
static void reopen(route_run *run, const char *text, sluice_profile *profile) {
    CHECK_INT(sluice_profile_write(profile, "schedules-profile.json"), SLUICE_OK);
    CHECK_INT(sluice_profile_write(profile, "/nowhere/profile.json"), SLUICE_NOT_FOUND);
    sluice_profile_destroy(profile);
    sluice_program *program;
    sluice_session_destroy(run->session);
    sluice_program_destroy(run->program);
    run->session = NULL, run->program = NULL;
    sluice_compile_options options;
    sluice_compile_options_init(&options);
    options.profile = "schedules-profile.json";
    CHECK_INT(sluice_compile_memory(run->context, "model.json", text, strlen(text), &options, &program), SLUICE_OK);
    sluice_session_options session;
    sluice_session_options_init(&session);
    session.counters = 1;
    CHECK_INT(sluice_session_create(program, &session, &run->session), SLUICE_OK);
    run->program = program;
}

/* Compiled for what a profile of runs with so many rows says; the output of a run with others. */
static void check_profile(const char *text, int seen, int ones, bool packed, float *x, const void *want) {
    int64_t keys[ROWS];
    route_run run;
    run_open(&run, text, 1);
    sluice_profile *profile;
    CHECK_INT(sluice_profile_create(run.context, &profile), SLUICE_OK);
    for (int i = 0; i < 3; i++) {
        spread_keys(keys, seen);
        run_keys(&run, keys, x, ROWS);
        CHECK_INT(sluice_profile_record(profile, run.session), SLUICE_OK);
    }
    reopen(&run, text, profile);
    spread_keys(keys, ones);
    run_keys(&run, keys, x, ROWS);
    check_counts(&run, ones, packed);
    CHECK(memcmp(run.output.data, want, sizeof(float) * ROWS * WIDTH) == 0);
    run_close(&run);
}

/* A profile that is wrong costs time, not bits: what it says never happens has no schedule of its own any more. */
static void test_profiles(void) {
    route_model m = {0};
    route_run run;
    int64_t keys[ROWS];
    float x[ROWS * WIDTH], few[ROWS * WIDTH], most[ROWS * WIDTH];
    fill_rows(x, ROWS * WIDTH, 4);
    const char *text = light_model(&m);
    run_open(&run, text, 1);
    spread_keys(keys, 4), run_keys(&run, keys, x, ROWS), memcpy(few, run.output.data, sizeof few);
    spread_keys(keys, 63), run_keys(&run, keys, x, ROWS), memcpy(most, run.output.data, sizeof most);
    run_close(&run);
    check_profile(text, 4, 4, true, x, few);
    check_profile(text, 4, 63, true, x, most);       /* packed only */
    model_free(&m);

    /* Not a profile. */
    sluice_context *context;
    sluice_program *program;
    CHECK_INT(sluice_context_create(NULL, &context), SLUICE_OK);
    sluice_compile_options options;
    sluice_compile_options_init(&options);
    static const char *const bad[][2] = {
        {"{", "is no JSON"}, {"{}", "is no profile"}, {"{\"format\": \"sluice-profile\", \"version\": 2}", "profiles of version 1"},
        {"{\"format\": \"sluice-profile\", \"version\": 1, \"branches\": 3}", "must be a list"},
        {"{\"format\": \"sluice-profile\", \"version\": 1, \"branches\": [{\"node\": \"n\", \"branch\": 0, \"runs\": 1, \"rows\": 9, \"of\": 8, \"whole_runs\": 0, \"least\": 0, \"most\": 1}]}", "entry 0"}};
    static const char model[] = "{\"format\": \"sluice-graph\", \"version\": 1, \"opset\": 21, \"inputs\": [{\"name\": \"x\", \"type\": \"f32\", \"shape\": [2]}], \"nodes\": [{\"op\": \"Neg\", \"inputs\": [\"x\"], \"outputs\": [\"y\"]}], \"outputs\": [\"y\"]}";
    for (int i = 0; i < 6; i++) {
        options.profile = i < 5 ? "bad-profile.json" : "no-such-profile.json";
        if (i < 5) {
            FILE *file = fopen(options.profile, "w");
            CHECK(file && fputs(bad[i][0], file) >= 0 && fclose(file) == 0);
        }
        CHECK_INT(sluice_compile_memory(context, "model.json", model, strlen(model), &options, &program), i < 5 ? SLUICE_INVALID_ARGUMENT : SLUICE_NOT_FOUND);
        if (i < 5) CHECK(strstr(sluice_last_error(context), bad[i][1]) != NULL);
    }
    sluice_context_destroy(context);
}

/* Bodies with products: the batch that goes one way as a whole is not merged; a single row always is such a batch. */
static void test_whole_batches(void) {
    route_model m = {0};
    route_run run;
    int64_t keys[ROWS];
    float x[ROWS * 16];
    fill_rows(x, ROWS * 16, 5);
    add_input(&m, "key", "i64", "'rows'"), add_input(&m, "x", "f32", "'rows', 16"), add_weight(&m, "w0", 16, 16, 1), add_weight(&m, "w1", 16, 16, 2);
    open_route(&m.nodes, "sides", "'key', 'x'", "y");
    for (int i = 0; i < 2; i++) {
        open_body(&m.nodes, "{'name': 'r'}");
        put_node(&m.nodes, "MatMul", name_of("'r', 'w%d'", i, 0), "'o'", NULL);
        if (i) put_node(&m.nodes, "Neg", "'o'", "'p'", NULL);
        close_body(&m.nodes, i ? "'p'" : "'o'");
    }
    close_route(&m.nodes, NULL);
    run_open(&run, model_text(&m, "'y'"), 1);
    static const int ones[] = {0, 1, 30, 63, 64};
    for (int i = 0; i < 5; i++) {
        spread_keys(keys, ones[i]);
        route_value values[] = {{"key", 'i', 1, {ROWS}, keys}, {"x", 'f', 2, {ROWS, 16}, x}};
        check_same(&run, values, 2);
        CHECK_INT(branch(&run, 0).rows, ROWS - ones[i]);
        CHECK_INT(branch(&run, 1).rows, ones[i]);
        CHECK_INT(products(&run, false), ROWS * 256);
        CHECK_INT(products(&run, true), 2 * ROWS * 256);
    }
    run_close(&run);
    model_free(&m);
}

/* A body with products on rows with key 1, the others stay. `mixes`: its rows are no longer on their own. */
static const char *product_model(route_model *m, bool mixes) {
    add_input(m, "key", "i64", "'rows'"), add_input(m, "x", "f32", "'rows', 32"), add_weight(m, "w", WIDTH, WIDTH, 1);
    open_route(&m->nodes, "block", "'key', 'x'", "y");
    open_body(&m->nodes, "{'name': 'r'}"), close_body(&m->nodes, "'r'");
    open_body(&m->nodes, "{'name': 'r'}");
    put_node(&m->nodes, "MatMul", "'r', 'w'", "'o'", NULL);
    put_node(&m->nodes, mixes ? "Softmax" : "Relu", "'o'", "'p'", mixes ? "'axis': 0" : NULL);
    close_body(&m->nodes, "'p'");
    close_route(&m->nodes, NULL);
    return model_text(m, "'y'");
}

/* Products on all rows: only where a profile has seen that nearly all rows need them, where each row is on its own, and in runs whose counts say so, too. */
static void check_products(bool mixes, const int *seen, int runs, int ones, int64_t rows_multiplied) {
    route_model m = {0};
    route_run run;
    int64_t keys[ROWS];
    float x[ROWS * WIDTH], want[ROWS * WIDTH];
    sluice_profile *profile;
    fill_rows(x, ROWS * WIDTH, 6);
    const char *text = product_model(&m, mixes);
    route_value values[] = {{"key", 'i', 1, {ROWS}, keys}, {"x", 'f', 2, {ROWS, WIDTH}, x}};
    run_open(&run, text, 1);
    CHECK_INT(sluice_profile_create(run.context, &profile), SLUICE_OK);
    for (int i = 0; i < runs; i++) {
        spread_keys(keys, seen[i]);
        check_run(&run, values, 2);
        CHECK_INT(products(&run, false), seen[i] * WIDTH * WIDTH);      /* without a profile never on other rows */
        CHECK_INT(sluice_profile_record(profile, run.session), SLUICE_OK);
    }
    spread_keys(keys, ones);
    check_run(&run, values, 2);
    memcpy(want, run.output.data, sizeof want);
    reopen(&run, text, profile);
    check_run(&run, values, 2);
    CHECK_INT(branch(&run, 0).rows, ones);
    CHECK_INT(branch(&run, 0).dense_rows, ROWS);
    CHECK_INT(products(&run, false), rows_multiplied * WIDTH * WIDTH);
    CHECK_INT(products(&run, true), ROWS * WIDTH * WIDTH);
    CHECK(memcmp(run.output.data, want, sizeof want) == 0);
    run_close(&run);
    model_free(&m);
}

static void test_products(void) {
    static const int high[] = {62, 63, 62}, mixed[] = {4, 63, 62}, low[] = {4, 9, 7};
    check_products(false, high, 3, 62, ROWS);
    check_products(false, high, 3, 4, ROWS);          /* packing was never asked for */
    check_products(false, mixed, 3, 62, ROWS);
    check_products(false, mixed, 3, 4, 4);
    check_products(false, low, 3, 62, 62);
    check_products(true, high, 3, 62, 62);
}

/* A flattened exit that nobody takes, by the profile of earlier runs: the late side runs for all rows, and packing them would only cost. Without a profile, and with one in which half of the rows leave, it
 * becomes a switch. Bits are the same. */
static void test_recovered_by_profile(void) {
    enum { EXIT_ROWS = 16 };
    int64_t leaves[EXIT_ROWS];
    float x[EXIT_ROWS * 32], want[2][EXIT_ROWS * 8];
    fill_rows(x, EXIT_ROWS * 32, 9);
    route_value values[] = {{"leaves", 'i', 1, {EXIT_ROWS}, leaves}, {"x", 'f', 2, {EXIT_ROWS, 32}, x}};
    route_model m = {0};
    route_text *t = &m.nodes;
    add_input(&m, "leaves", "i64", "'rows'"), add_input(&m, "x", "f32", "'rows', 32"), add_constant(&m, "one", "i64", "1"), add_constant(&m, "axis", "i64", "[1]");
    add_weight(&m, "head", 32, 8, 3), add_weight(&m, "block", 32, 64, 4), add_weight(&m, "late", 64, 8, 5);
    say(t, "sure = Equal leaves one"), say(t, "mask = Unsqueeze sure axis"), say(t, "early = MatMul x head"), say(t, "h = MatMul x block"), say(t, "a = Relu h"), say(t, "end = MatMul a late"), say(t, "y = Where mask early end");
    const char *text = model_text(&m, "'y'");
    for (int half = 0; half < 2; half++) {
        route_run run;
        run_open(&run, text, 1);
        for (int i = 0; i < EXIT_ROWS; i++) leaves[i] = half && i % 2;
        check_same(&run, values, 2);
        CHECK_INT(sluice_session_branch_count(run.session), 2);
        memcpy(want[half], run.output.data, sizeof want[half]);
        sluice_profile *profile;
        CHECK_INT(sluice_profile_create(run.context, &profile), SLUICE_OK);
        CHECK_INT(sluice_profile_record(profile, run.session), SLUICE_OK);
        CHECK_INT(sluice_profile_write(profile, "exits-profile.json"), SLUICE_OK);
        sluice_profile_destroy(profile);
        sluice_session_destroy(run.session);
        sluice_program_destroy(run.program);
        run.session = NULL, run.program = NULL;
        sluice_compile_options options;
        sluice_compile_options_init(&options);
        options.profile = "exits-profile.json";
        CHECK_INT(sluice_compile_memory(run.context, "model.json", text, strlen(text), &options, &run.program), SLUICE_OK);
        sluice_session_options session;
        sluice_session_options_init(&session);
        session.counters = 1;
        CHECK_INT(sluice_session_create(run.program, &session, &run.session), SLUICE_OK);
        check_run(&run, values, 2);
        CHECK_INT(sluice_session_branch_count(run.session), half ? 2 : 0);
        CHECK_INT(products(&run, false), half ? EXIT_ROWS / 2 * (256 + 2048 + 512) : EXIT_ROWS * (256 + 2048 + 512));
        CHECK(memcmp(run.output.data, want[half], sizeof want[half]) == 0);
        options.deny = "dense-fallback";
        sluice_program *denied = NULL;
        CHECK_INT(sluice_compile_memory(run.context, "model.json", text, strlen(text), &options, &denied) == SLUICE_OK, half);
        if (!half) CHECK_CONTAINS(sluice_last_error(run.context), "256 multiply-adds a row that the profile says would be saved are not worth moving");
        sluice_program_destroy(denied);
        run_close(&run);
    }
    model_free(&m);
}

int main(void) {
    test_recovered_by_profile();
    test_counts_pick();
    test_profiles();
    test_whole_batches();
    test_products();
    return check_result();
}
