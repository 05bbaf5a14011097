/* run_program.c: runs a compiled program on inputs from files, with the runtime alone: what the tests of other architectures cross-compile.
 *
 *     run_program PROGRAM.slp THREADS OUTPUT_FOLDER CODE,BITS,DIM,DIM,...=FILE ...       inputs in order; files hold row-major elements, CODE and BITS are DLPack's
 *
 * Writes each output's elements to OUTPUT_FOLDER/<number>, and prints its code, bits and dims. With MODEL_HEADER defined the program is the one that was linked in, and
 * PROGRAM.slp is not looked at. */
#include "sluice/sluice.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef MODEL_HEADER
#include MODEL_HEADER
#endif

enum { MOST = 32 };

static int fail(const sluice_context *context, const char *what) {
    fprintf(stderr, "%s: %s\n", what, sluice_last_error(context));
    return 1;
}

static int read_input(const char *text, DLTensor *tensor, int64_t *shape) {
    const char *equals = strchr(text, '=');
    int code, bits, used, rank = 0;
    if (!equals || sscanf(text, "%d,%d%n", &code, &bits, &used) != 2) return 1;
    int64_t count = 1;
    for (const char *at = text + used; *at == ',' && rank < 8; count *= shape[rank++]) shape[rank] = strtoll(at + 1, (char **)&at, 10);
    size_t bytes = (size_t)count * (size_t)bits / 8;
    /* Not where vectors would like it: programs must not assume more than an element's alignment. */
    char *memory = aligned_alloc(64, (bytes + 191) / 64 * 64);
    FILE *file = fopen(equals + 1, "rb");
    size_t shift = (size_t)bits / 8;
    if (!memory || !file || fread(memory + shift, 1, bytes, file) != bytes) return 1;
    fclose(file);
    *tensor = (DLTensor){.data = memory, .device = {1, 0}, .ndim = rank, .dtype = {(uint8_t)code, (uint8_t)bits, 1}, .shape = shape, .byte_offset = shift};
    return 0;
}

int main(int argc, char **argv) {
    static DLTensor inputs[MOST], outputs[MOST];
    static int64_t shapes[MOST][8];
    sluice_context *context;
    sluice_program *program;
    sluice_session *session;
    if (argc < 4 || argc - 4 > MOST || sluice_context_create(NULL, &context)) return 2;
#ifdef MODEL_HEADER
    if (linked_load(context, &program)) return fail(context, "loading the linked program");
#else
    if (sluice_program_load(context, argv[1], &program)) return fail(context, argv[1]);
#endif
    sluice_session_options options;
    sluice_session_options_init(&options);
    options.threads = atoi(argv[2]);
    if (sluice_session_create(program, &options, &session)) return fail(context, "session");
    for (int i = 4; i < argc; i++)
        if (read_input(argv[i], &inputs[i - 4], shapes[i - 4])) return fprintf(stderr, "bad input %s\n", argv[i]), 2;
    int count = sluice_program_output_count(program);
    for (int round = 0; round < 2; round++)      /* twice: the second run reuses what the first left */
        if (sluice_session_run(session, inputs, argc - 4, outputs, count)) return fail(context, "run");
    for (int i = 0; i < count; i++) {
        int64_t elements = 1;
        char path[4096];
        printf("%d %d", outputs[i].dtype.code, outputs[i].dtype.bits);
        for (int d = 0; d < outputs[i].ndim; d++) {
            printf(" %lld", (long long)outputs[i].shape[d]);
            elements *= outputs[i].shape[d];
        }
        printf("\n");
        snprintf(path, sizeof path, "%s/%d", argv[3], i);
        FILE *file = fopen(path, "wb");
        if (!file || fwrite((char *)outputs[i].data + outputs[i].byte_offset, outputs[i].dtype.bits / 8, (size_t)elements, file) != (size_t)elements || fclose(file)) return 2;
    }
    sluice_session_destroy(session);
    sluice_program_destroy(program);
    sluice_context_destroy(context);
    for (int i = 0; i < argc - 4; i++) free(inputs[i].data);
    return 0;
}
