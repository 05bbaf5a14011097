/* image.h: machine code as one relocated block, ready to be put anywhere in memory; made by codegen/linker.c or read from a program file. */
#ifndef SLUICE_IMAGE_H
#define SLUICE_IMAGE_H

#include "sluice/memory.h"

/* `bytes`: code and read-only data (code_bytes, a multiple of SL_IMAGE_PAGE), then words that depend on where things are (data_bytes). References inside are
 * relative and final. `imports`: words that get the address of a library function; `fixups`: words that hold an offset in the image and get its address. */
enum { SL_IMAGE_PAGE = 65536 };   /* the largest page of the targets */
typedef struct sl_image_import { int64_t word; const char *name; } sl_image_import;
typedef struct sl_image {
    uint32_t machine;              /* ELF's number: SL_IMAGE_X86_64, SL_IMAGE_AARCH64 */
    const uint8_t *bytes;
    int64_t code_bytes, data_bytes;
    int64_t import_count, fixup_count;
    const sl_image_import *imports;
    const int64_t *fixups;
} sl_image;
enum { SL_IMAGE_X86_64 = 62, SL_IMAGE_AARCH64 = 183 };
/* The running machine's number. */
uint32_t sl_image_host_machine(void);

/* Checks that every offset lies inside; loading relies on it. */
SL_MUST_USE sl_status sl_image_check(const sl_image *image);

/* Loaded code: pages of their own, readable and executable, its words read-only. */
typedef struct sl_loaded_image { uint8_t *base; size_t size; } sl_loaded_image;
SL_MUST_USE sl_status sl_image_load(const sl_image *image, sl_loaded_image *loaded);
void sl_image_unload(sl_loaded_image *loaded);

/* Everything outside of it that compiled code may call. NULL when there is no such function. */
void *sl_library_function(const char *name);

#endif
