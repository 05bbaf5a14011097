/* test_program_file.c: program files against damage. Every byte that the loader reads is under a checksum: whatever is flipped or cut off, loading fails with words or the
 * program is the same. Behind right checksums (a hostile writer) descriptions may be anything: loading them must not crash. The checksum itself is pinned. */
#include "api_model.h"
#include "sluice/program_file.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char model[] = JSON_GRAPH(
    JSON_INPUT("x", "f32", "\"n\", 8"), "\"y\", \"z\"",
    "\"w\": {\"type\": \"f32\", \"shape\": [8, 5], \"data\": [1,2,3,4,5, 6,7,8,9,10, 1,1,1,1,1, 2,2,2,2,2, 3,3,3,3,3, 4,4,4,4,4, 5,5,5,5,5, 6,6,6,6,6]},"
    "\"t\": {\"type\": \"f32\", \"shape\": [4, 2], \"data\": [1,2,3,4,5,6,7,8]}, \"i\": {\"type\": \"i64\", \"shape\": [2], \"data\": [3, 1]}",
    JSON_NODE("MatMul", "\"x\", \"w\"", "\"p\"") ", " JSON_NODE("Softmax", "\"p\"", "\"y\"") ", " JSON_NODE("Gather", "\"t\", \"i\"", "\"z\""));

typedef struct file { uint8_t *data; size_t size; } file;

static file read_all(const char *path) {
    file f = {0};
    FILE *open = fopen(path, "rb");
    CHECK(open != NULL);
    if (!open) return f;
    fseek(open, 0, SEEK_END);
    f.size = (size_t)ftell(open);
    rewind(open);
    f.data = aligned_alloc(64, (f.size + 127) / 64 * 64);
    CHECK(fread(f.data, 1, f.size, open) == f.size);
    fclose(open);
    return f;
}

static bool run(sluice_context *context, sluice_program *program, float *y) {
    sluice_session *session;
    CHECK_INT(sluice_session_create(program, NULL, &session), SLUICE_OK);
    float x[16];
    for (int i = 0; i < 16; i++) x[i] = (float)(i % 7) * 0.25f;
    int64_t shape[2] = {2, 8};
    DLTensor in = api_tensor(x, api_f32, 2, shape), out[2] = {{0}};
    sluice_code code = sluice_session_run(session, &in, 1, out, 2);
    if (code) fprintf(stderr, "%s\n", sluice_last_error(context));
    CHECK_INT(code, SLUICE_OK);
    if (!code) {
        memcpy(y, out[0].data, 10 * sizeof *y);
        memcpy(y + 10, out[1].data, 4 * sizeof *y);
    }
    sluice_session_destroy(session);
    return code == SLUICE_OK;
}

/* Loading `f` fails and says why, or gives the program that computes `want`. */
static int load_damaged(sluice_context *context, file f, const float *want) {
    sluice_program *program = NULL;
    sluice_code code = sluice_program_load_memory(context, f.data, f.size, &program);
    CHECK((code == SLUICE_OK) == (program != NULL));
    if (code) {
        CHECK((code == SLUICE_INVALID_MODEL || code == SLUICE_UNSUPPORTED) && *sluice_last_error(context));
        return 1;
    }
    float got[14] = {0};
    CHECK(run(context, program, got) && memcmp(got, want, sizeof got) == 0);
    sluice_program_destroy(program);
    return 0;
}

static void seal(file f) {
    sl_program_file_header *header = (sl_program_file_header *)(void *)f.data;
    for (int i = 0; i < SL_SECTION_COUNT; i++) {
        sl_program_file_section *section = &header->sections[i];
        if (section->offset <= f.size && section->size <= f.size - section->offset) section->checksum = sl_checksum_of(f.data + section->offset, section->size);
    }
    header->checksum = sl_checksum_of(header, sizeof *header - 8);
}

static void test_checksum(void) {
    uint8_t data[256];
    for (int i = 0; i < 256; i++) data[i] = (uint8_t)(i * 37 + 11);
    uint64_t sound = sl_checksum_of(data, sizeof data);
    for (int bit = 0; bit < 256 * 8; bit++) {
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
        CHECK(sl_checksum_of(data, sizeof data) != sound);
        data[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    /* Two signs of floats in one lane, which products alone would not tell from none. */
    data[63] ^= 0x80, data[127] ^= 0x80;
    CHECK(sl_checksum_of(data, sizeof data) != sound);
    data[63] ^= 0x80, data[127] ^= 0x80;
    sl_checksum pieces;
    sl_checksum_init(&pieces);
    sl_checksum_add(&pieces, data, 64);
    sl_checksum_add(&pieces, data + 64, 192);
    CHECK(sl_checksum_value(&pieces) == sound);
    CHECK(sl_checksum_of(data, 200) != sl_checksum_of(data, 192) && sl_checksum_of(NULL, 0) == sl_checksum_of(data, 0));
}

int main(void) {
    test_checksum();
    char folder[] = "/tmp/sluice-test-program-XXXXXX", source[64], path[64];
    CHECK(mkdtemp(folder) != NULL);
    snprintf(source, sizeof source, "%s/m.json", folder);
    snprintf(path, sizeof path, "%s/m.slp", folder);
    FILE *open = fopen(source, "w");
    fputs(model, open);
    fclose(open);
    sluice_context *context;
    CHECK_INT(sluice_context_create(NULL, &context), SLUICE_OK);
    CHECK_INT(sluice_compile_program(context, source, path, NULL, NULL, NULL), SLUICE_OK);

    /* The same numbers from the file, from memory, and as compiled in this process. */
    float want[14], got[14];
    sluice_program *program = NULL;
    CHECK_INT(sluice_compile_file(context, source, NULL, &program), SLUICE_OK);
    if (program) run(context, program, want);
    sluice_program_destroy(program);
    CHECK_INT(sluice_program_load(context, path, &program), SLUICE_OK);
    if (program) {
        run(context, program, got);
        CHECK(memcmp(got, want, sizeof got) == 0);
        CHECK_INT(sluice_program_find_output(program, "z"), 1);
        sluice_value_description description;
        CHECK_INT(sluice_program_input(program, 0, &description), SLUICE_OK);
        CHECK(strcmp(description.symbols[0], "n") == 0 && description.dims[1] == 8);
    }
    sluice_program_destroy(program);
    file sound = read_all(path), bad = {aligned_alloc(64, (sound.size + 127) / 64 * 64), sound.size};
    memcpy(bad.data, sound.data, sound.size);
    CHECK_INT(load_damaged(context, bad, want), 0);
    CHECK_INT(sluice_program_load_memory(context, bad.data + 1, bad.size - 1, &program), SLUICE_INVALID_ARGUMENT);

    /* One bit anywhere: all of the header and descriptions, a sample of the rest. */
    const sl_program_file_header *header = (const sl_program_file_header *)(const void *)sound.data;
    size_t dense = header->sections[SL_SECTION_CODE].offset;
    int refused = 0, tried = 0, harmless = 0;
    uint32_t random = 12345;
    for (size_t at = 0; at < sound.size; at += at < dense ? 1 : 1 + random % 97) {
        random = random * 1664525u + 1013904223u;
        bad.data[at] ^= (uint8_t)(1u << (random >> 29));
        int bad_here = load_damaged(context, bad, want);
        bool covered = at < sizeof *header;
        for (int i = 0; i < SL_SECTION_COUNT; i++) covered = covered || (at >= header->sections[i].offset && at < header->sections[i].offset + header->sections[i].size);
        if (covered != (bad_here == 1)) fprintf(stderr, "byte %zu\n", at);
        CHECK(covered == (bad_here == 1));
        refused += bad_here;
        harmless += !bad_here;
        tried++;
        bad.data[at] = sound.data[at];
    }
    CHECK(refused > 1000 && tried == refused + harmless);

    /* Cut anywhere. */
    for (size_t size = 0; size < sound.size; size += 1 + size / 16) CHECK_INT(load_damaged(context, (file){bad.data, size}, want), 1);

    /* Descriptions changed behind right checksums. */
    const sl_program_file_section *meta = &header->sections[SL_SECTION_META];
    int loaded = 0;
    for (int round = 0; round < 3000; round++) {
        memcpy(bad.data, sound.data, dense);
        for (int k = 0; k <= round % 3; k++) {
            random = random * 1664525u + 1013904223u;
            size_t at = round % 7 ? meta->offset + (random >> 4) % meta->size : 16 + (random >> 4) % 240;
            random = random * 1664525u + 1013904223u;
            static const uint8_t values[] = {0, 1, 0x7F, 0x80, 0xFF, 8, 64};
            bad.data[at] = random >> 31 ? values[(random >> 8) % sizeof values] : (uint8_t)(random >> 8);
        }
        seal(bad);
        program = NULL;
        loaded += sluice_program_load_memory(context, bad.data, bad.size, &program) == SLUICE_OK;
        sluice_program_destroy(program);
    }
    CHECK(loaded > 0 && loaded < 3000);

    free(sound.data);
    free(bad.data);
    unlink(path);
    unlink(source);
    rmdir(folder);
    sluice_context_destroy(context);
    return check_result();
}
