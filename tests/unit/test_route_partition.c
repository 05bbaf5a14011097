/* test_route_partition.c: the sort behind routed rows when there are many: split over the session's threads it gives what one thread gives, names the first wrong key, and allocates nothing after the first run. */
#include "route_model.h"

enum { ROWS = 9001, WIDTH = 4, BRANCHES = 7, MOST_CHOICES = 3 };

/* Row-wise bodies that can't be done for all rows in one go: what a row lies below its largest value, times the branch's factor. */
static const char *build(route_model *m, int choices) {
    add_input(m, "keys", "i64", choices > 1 ? name_of("'rows', %d", choices, 0) : "'rows'"), add_input(m, "x", "f32", "'rows', 4");
    add_constant(m, "axis", "i64", "[1]");
    open_route(&m->nodes, "many", "'keys', 'x'", "y");
    for (int b = 0; b < BRANCHES; b++) {
        add_constant(m, name_of("f%d", b, 0), "f32", name_of("[%d.5]", b, 0));
        open_body(&m->nodes, "{'name': 'r'}");
        put_node(&m->nodes, "ReduceMax", "'r', 'axis'", "'t'", "'keepdims': 1");
        put_node(&m->nodes, "Sub", "'r', 't'", "'d'", NULL);
        put_node(&m->nodes, "Mul", name_of("'d', 'f%d'", b, 0), "'o'", NULL);
        close_body(&m->nodes, "'o'");
    }
    close_route(&m->nodes, choices > 1 ? "'merge': 'add'" : NULL);
    return model_text(m, "'y'");
}

static int64_t keys[ROWS * MOST_CHOICES];
static float x[ROWS * WIDTH], want[ROWS * WIDTH];

static void fill_keys(int choices, int load) {
    for (int i = 0; i < ROWS * choices; i++) {
        uint64_t draw = ((uint64_t)i + 5) * 2654435761u >> 9;
        int64_t key = load == 1 ? 3 : (int64_t)(draw % BRANCHES);
        keys[i] = load == 2 && i < ROWS ? -1 : draw % 11 == 0 ? -1 : key;      /* load 2: the first ranges go nowhere */
    }
}

static void expect(int choices) {
    for (int r = 0; r < ROWS; r++) {
        float most = x[r * WIDTH];
        for (int j = 1; j < WIDTH; j++) most = x[r * WIDTH + j] > most ? x[r * WIDTH + j] : most;
        for (int j = 0; j < WIDTH; j++) {
            want[r * WIDTH + j] = 0;
            for (int c = 0; c < choices; c++)
                if (keys[r * choices + c] >= 0) want[r * WIDTH + j] += (x[r * WIDTH + j] - most) * ((float)keys[r * choices + c] + 0.5f);
        }
    }
}

static void test_threads(int choices) {
    route_model m = {0};
    const char *text = build(&m, choices);
    route_value values[] = {{"keys", 'i', choices > 1 ? 2 : 1, {ROWS, choices}, keys}, {"x", 'f', 2, {ROWS, WIDTH}, x}};
    fill_rows(x, ROWS * WIDTH, 4);
    for (int threads = 1; threads <= 5; threads++) {
        route_run run;
        run_open(&run, text, threads);
        for (int load = 0; load < 3; load++) {
            fill_keys(choices, load);
            expect(choices);
            CHECK_INT(run_once(&run, values, 2), SLUICE_OK);
            CHECK(memcmp(run.output.data, want, sizeof want) == 0);       /* eighths: sums are exact in any order */
            int64_t rows[BRANCHES] = {0};
            for (int i = 0; i < ROWS * choices; i++)
                if (keys[i] >= 0) rows[keys[i]]++;
            for (int b = 0; b < BRANCHES; b++) CHECK_INT(branch(&run, b).rows, rows[b]);
        }
        keys[choices * 20] = BRANCHES, keys[choices * (ROWS - 1)] = BRANCHES + 1;
        CHECK_INT(run_once(&run, values, 2), SLUICE_RUN_TIME);
        CHECK(strstr(sluice_last_error(run.context), "row 20 goes to branch 7, but there are 7") != NULL);
        keys[choices * 20] = 0;
        CHECK_INT(run_once(&run, values, 2), SLUICE_RUN_TIME);
        CHECK(strstr(sluice_last_error(run.context), "row 9000 goes to branch 8, but there are 7") != NULL);
        run_close(&run);
    }
    model_free(&m);
}

static void test_no_allocations(void) {
    route_model m = {0};
    route_run run;
    route_value values[] = {{"keys", 'i', 2, {ROWS, 2}, keys}, {"x", 'f', 2, {ROWS, WIDTH}, x}};
    int64_t allocations = 0;
    run_open_counting(&run, build(&m, 2), 3, &allocations);
    fill_keys(2, 0);
    CHECK_INT(run_once(&run, values, 2), SLUICE_OK);
    int64_t before = allocations;
    for (int load = 0; load < 3; load++) {
        fill_keys(2, load);
        CHECK_INT(run_once(&run, values, 2), SLUICE_OK);
    }
    CHECK(before > 0);
    CHECK_INT(allocations, before);
    run_close(&run);
    model_free(&m);
}

int main(void) {
    test_threads(1);
    test_threads(3);
    test_no_allocations();
    return check_result();
}
