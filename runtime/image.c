/* image.c: linked machine code into the process: private pages, filled in, then made executable and never writable again. See image.h. */
#include "sluice/image.h"

#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/mman.h>

/* What code may call: the f64 functions, what LLVM makes of frem, fma and rounding where there is no instruction, and of copies. */
typedef struct library_function { const char *name; void *address; } library_function;
#define F64(name) {#name, (void *)(double (*)(double))name}
#define F32(name) {#name, (void *)(float (*)(float))name}
static const library_function library[] = {
    F64(exp), F64(log), F64(log1p), F64(expm1), F64(sin), F64(cos), F64(tan), F64(asin), F64(acos), F64(atan), F64(sinh), F64(cosh), F64(tanh), F64(asinh),
    F64(acosh), F64(atanh), F64(erf), F64(ceil), F64(floor), F64(trunc), F64(roundeven), F64(sqrt),
    F32(ceilf), F32(floorf), F32(truncf), F32(roundevenf), F32(sqrtf),
    {"pow", (void *)(double (*)(double, double))pow}, {"fmod", (void *)(double (*)(double, double))fmod},
    {"fmodf", (void *)(float (*)(float, float))fmodf}, {"fma", (void *)(double (*)(double, double, double))fma},
    {"fmaf", (void *)(float (*)(float, float, float))fmaf}, {"memcpy", (void *)memcpy}, {"memmove", (void *)memmove}, {"memset", (void *)memset},
};

void *sl_library_function(const char *name) {
    for (size_t i = 0; i < sizeof library / sizeof *library; ++i)
        if (!strcmp(library[i].name, name)) return library[i].address;
    return NULL;
}

uint32_t sl_image_host_machine(void) {
#if defined(__aarch64__)
    return SL_IMAGE_AARCH64;
#else
    return SL_IMAGE_X86_64;
#endif
}

static bool is_word(const sl_image *image, int64_t offset) {
    return offset >= image->code_bytes && offset % 8 == 0 && offset - image->code_bytes <= image->data_bytes - 8;
}

sl_status sl_image_check(const sl_image *image) {
    if (image->machine != sl_image_host_machine()) return SL_ERROR(SL_UNSUPPORTED, "the program is for another instruction set (ELF machine %u)", image->machine);
    bool good = image->code_bytes > 0 && image->code_bytes % SL_IMAGE_PAGE == 0 && image->data_bytes >= 0 && image->code_bytes <= INT64_C(1) << 31 &&
                image->data_bytes <= INT64_C(1) << 31;
    for (int64_t i = 0; good && i < image->import_count; ++i) good = is_word(image, image->imports[i].word);
    for (int64_t i = 0; good && i < image->fixup_count; ++i) {
        good = is_word(image, image->fixups[i]);
        uint64_t target;
        if (good) memcpy(&target, image->bytes + image->fixups[i], 8), good = target < (uint64_t)(image->code_bytes + image->data_bytes);
    }
    return good ? NULL : SL_ERROR(SL_INVALID_MODEL, "the program's code is damaged");
}

sl_status sl_image_load(const sl_image *image, sl_loaded_image *loaded) {
    SL_TRY(sl_image_check(image));
    size_t size = (size_t)(image->code_bytes + image->data_bytes);
    uint8_t *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory for %zu bytes of code: %s", size, strerror(errno));
    memcpy(base, image->bytes, size);
    sl_status status = NULL;
    for (int64_t i = 0; i < image->import_count && !status; ++i) {
        void *address = sl_library_function(image->imports[i].name);
        if (address) memcpy(base + image->imports[i].word, &address, sizeof address);
        else status = SL_ERROR(SL_UNSUPPORTED, "the program calls '%s', which this runtime lacks", image->imports[i].name);
    }
    for (int64_t i = 0; i < image->fixup_count; ++i) {
        uint64_t target;
        memcpy(&target, base + image->fixups[i], 8);
        target += (uint64_t)(uintptr_t)base;
        memcpy(base + image->fixups[i], &target, 8);
    }
    __builtin___clear_cache((char *)base, (char *)base + image->code_bytes);
    if (!status && (mprotect(base, (size_t)image->code_bytes, PROT_READ | PROT_EXEC) ||
                    (image->data_bytes && mprotect(base + image->code_bytes, (size_t)image->data_bytes, PROT_READ))))
        status = SL_ERROR(SL_IO, "the system refuses to make code executable: %s", strerror(errno));
    if (status) munmap(base, size);
    else *loaded = (sl_loaded_image){base, size};
    return status;
}

void sl_image_unload(sl_loaded_image *loaded) {
    if (loaded->base) munmap(loaded->base, loaded->size);
    *loaded = (sl_loaded_image){0};
}
