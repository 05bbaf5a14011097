/* replay.c: runs a fuzz target on files, on all files of folders, or on made-up bytes, without libFuzzer.
 *
 *     replay PATH...                         each input once
 *     replay --random COUNT [--seed SEED]    COUNT pseudo-random inputs of up to 512 bytes; names the seed of the input before it runs it, when verbose
 */
#include "fuzz.h"
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static long run_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "can't read %s\n", path);
        exit(2);
    }
    uint8_t *data = NULL;
    size_t size = 0, room = 0;
    for (size_t got = 1; got > 0;) {
        if (size == room) {
            room = room ? room * 2 : 1 << 16;
            data = realloc(data, room);
            if (!data) exit(2);
        }
        got = fread(data + size, 1, room - size, file);
        size += got;
    }
    fclose(file);
    uint8_t *exact = malloc(size ? size : 1);   /* so that a sanitizer sees reads behind the end */
    if (!exact) exit(2);
    memcpy(exact, data, size);
    free(data);
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return 1;
}

static long run_path(const char *path) {
    struct stat info;
    if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode)) return run_file(path);
    struct dirent **names;
    int count = scandir(path, &names, NULL, alphasort);
    long runs = 0;
    for (int i = 0; i < count; i++) {
        char full[4096];
        snprintf(full, sizeof full, "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.') runs += run_path(full);
        free(names[i]);
    }
    if (count >= 0) free(names);
    return runs;
}

static uint64_t next(uint64_t *state) {
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static long run_random(long count, uint64_t seed) {
    for (long i = 0; i < count; i++) {
        uint64_t state = seed + (uint64_t)i;
        uint8_t data[512];
        size_t size = 16 + next(&state) % (sizeof data - 16);
        for (size_t k = 0; k < size; k++) data[k] = (uint8_t)(next(&state) >> 56);
        fprintf(stderr, "seed %llu\n", (unsigned long long)(seed + (uint64_t)i));
        LLVMFuzzerTestOneInput(data, size);
    }
    return count;
}

int main(int argc, char **argv) {
    long runs = 0, random = 0;
    uint64_t seed = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--random") == 0 && i + 1 < argc) random = strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc) seed = strtoull(argv[++i], NULL, 10);
        else runs += run_path(argv[i]);
    }
    runs += run_random(random, seed);
    printf("%ld inputs\n", runs);
    return runs == 0;
}
