/* test_cache.c: the object cache: what is compiled once is found again, by content and target and nothing else; damaged entries are compiled again; a place that
 * can't be written to costs the cache and not the compilation. */
#include "codegen_check.h"
#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

static const char kernel[] =
    "kernel.func @%s(%%x: buffer<? x f32>, %%y: buffer<? x f32>, %%first: i64, %%end: i64, %%worker: i64) {\n  %%one = core.constant {value = data<i64>[1]} : () -> i64\n"
    "  %%k = core.constant {value = data<f32>[%s]} : () -> f32\n  kernel.for(%%first, %%end, %%one) : (i64, i64, i64) ({ ^(%%i: i64):\n"
    "    %%v = kernel.load(%%x, %%i) : (buffer<? x f32>, i64) -> f32\n    %%r = arith.mul(%%v, %%k) : (f32, f32) -> f32\n"
    "    kernel.store(%%r, %%y, %%i) : (f32, buffer<? x f32>, i64)\n    kernel.yield\n  })\n  kernel.yield\n}\n";

/* Compiles x * factor, checks that it computes that, and says how many objects came from the cache. */
static int compile(const char *name, const char *factor, const char *machine, const char *directory) {
    bench b;
    bench_open(&b, machine);
    const char *text = sl_arena_printf(b.arena, kernel, name, factor);
    int cached = -1;
    if (bench_compile(&b, text, directory)) {
        float x[3] = {1, 2, -3}, y[3];
        cached = sl_kernels_cached(b.kernels);
        bench_run(&b, name, (void *[]){x, y}, NULL, 3);
        for (int i = 0; i < 3; ++i) CHECK(y[i] == x[i] * (float)atof(factor));
    }
    bench_close(&b);
    return cached;
}

/* Calls change on each entry; returns how many there are. */
static int each_entry(const char *directory, void (*change)(const char *path)) {
    DIR *open = opendir(directory);
    int count = 0;
    for (struct dirent *entry; open && (entry = readdir(open));) {
        if (entry->d_name[0] == '.') continue;
        char path[512];
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        CHECK(strlen(entry->d_name) == 36 && strcmp(entry->d_name + 32, ".slo") == 0);
        if (change) change(path);
        count++;
    }
    if (open) closedir(open);
    return count;
}

static void truncate_file(const char *path) {
    struct stat info;
    CHECK(!stat(path, &info) && !truncate(path, info.st_size / 2));
}

static void empty_file(const char *path) { CHECK(!truncate(path, 0)); }

static void flip_byte(const char *path) {
    FILE *file = fopen(path, "r+b");
    CHECK(file != NULL);
    if (!file) return;
    fseek(file, -200, SEEK_END);
    int byte = fgetc(file);
    fseek(file, -200, SEEK_END);
    fputc(byte ^ 0x10, file);
    fclose(file);
}

static void remove_file(const char *path) { unlink(path); }

int main(void) {
    char base[] = "/tmp/sluice-test-cache-XXXXXX", directory[128], file[128];
    CHECK(mkdtemp(base) != NULL);
    snprintf(directory, sizeof directory, "%s/a/b", base);
    snprintf(file, sizeof file, "%s/file", base);

    CHECK_INT(compile("k", "2.5", "host", directory), 0);
    CHECK_INT(each_entry(directory, NULL), 1);
    CHECK_INT(compile("k", "2.5", "host", directory), 1);
    CHECK_INT(compile("another_name", "2.5", "host", directory), 1);
    CHECK_INT(compile("k", "3.5", "host", directory), 0);
#if defined(__x86_64__)
    CHECK_INT(compile("k", "2.5", "x86-64", directory), 0);
    CHECK_INT(each_entry(directory, NULL), 3);
#endif
    void (*const damages[])(const char *) = {truncate_file, empty_file, flip_byte};
    for (int i = 0; i < 3; ++i) {
        each_entry(directory, damages[i]);
        CHECK_INT(compile("k", "2.5", "host", directory), 0);
        CHECK_INT(compile("k", "2.5", "host", directory), 1);
    }
    /* Places that can't hold entries: below a file, on a full device, where the user may not write. */
    fclose(fopen(file, "w"));
    char below[160];
    snprintf(below, sizeof below, "%s/cache", file);
    CHECK_INT(compile("k", "2.5", "host", below), 0);
    CHECK_INT(compile("k", "2.5", "host", "/dev/full"), 0);
    CHECK_INT(compile("k", "2.5", "host", "/proc/no/such/place"), 0);
    chmod(directory, 0500);
    CHECK(compile("k", "4.5", "host", directory) >= 0);
    chmod(directory, 0700);

    each_entry(directory, remove_file);
    rmdir(directory);
    snprintf(directory, sizeof directory, "%s/a", base);
    rmdir(directory);
    unlink(file);
    rmdir(base);
    return check_result();
}
