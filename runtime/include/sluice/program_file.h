/* program_file.h: compiled programs as files (.slp): written by the compiler (codegen/program_writer.c), loaded by the runtime alone.
 *
 *     header    256 bytes: sl_program_file_header
 *     meta      who compiled it, for what, from what; the table's descriptions; the image's words. Integers are u64, texts a length, bytes and a NUL
 *     code      the image: machine code and read-only data, position-independent (sluice/image.h)
 *     checked   integer constants: code may use them as indices without a check
 *     bulk      all other constants, 64-byte aligned each, starting on a page: they are used where they lie, mapped and shared between processes
 *
 * Every section has a checksum. Header, meta, code and checked are verified whenever a file is loaded; bulk too, unless the caller knows that it was verified
 * since the file was last changed (see driver/program_cache.c). Everything is little-endian. A file holds machine code: load only what you would execute. */
#ifndef SLUICE_PROGRAM_FILE_H
#define SLUICE_PROGRAM_FILE_H

#include "sluice/image.h"
#include "sluice/runtime.h"

#define SL_PROGRAM_FILE_MAGIC "SLUICE-PROGRAM\r\n"   /* 16 bytes; the line end finds transfers as text */
enum { SL_PROGRAM_FILE_VERSION = 1 };
enum { SL_SECTION_META, SL_SECTION_CODE, SL_SECTION_CHECKED, SL_SECTION_BULK, SL_SECTION_COUNT };

typedef struct sl_program_file_section { uint64_t offset, size, checksum; } sl_program_file_section;   /* size: a multiple of 64 */
typedef struct sl_program_file_header {
    char magic[16];
    uint32_t version, abi_version, machine, interface;   /* interface: sl_program_interface() */
    uint64_t file_size;
    sl_program_file_section sections[SL_SECTION_COUNT];
    uint8_t reserved[256 - 16 - 16 - 8 - 24 * SL_SECTION_COUNT - 8];
    uint64_t checksum;             /* of all above */
} sl_program_file_header;
_Static_assert(sizeof(sl_program_file_header) == 256, "layout of program files");

/* A file that the program was made from, and what told its contents then. */
typedef struct sl_program_source { const char *path, *identity; } sl_program_source;

/* Where a program comes from: for caches, and for the reader of a file. */
typedef struct sl_program_origin {
    const char *compiler;          /* version and build */
    const char *triple, *features; /* what the code needs: as sl_machine's */
    const char *key;               /* all that the program depends on, but for the contents of sources */
    const char *diagnostics;       /* what compiling printed: remarks, warnings */
    int64_t source_count;
    const sl_program_source *sources;
} sl_program_origin;

/* A program compiled but not loaded. */
typedef struct sl_compiled_constant { int64_t bytes; bool checked; } sl_compiled_constant;
typedef struct sl_compiled {
    const sl_program_table *table;              /* prepare and run NULL */
    const sl_compiled_constant *constants;      /* one for each of the table's */
    const sl_image *image;
    int64_t prepare, run;                       /* offsets in the image */
} sl_compiled;

/* What numbers in compiled code mean (routines, element types), as one number: differs between runtimes that do not understand each other. */
uint32_t sl_program_interface(void);

/* ---- loading ---- */

typedef struct sl_program_file {
    sl_arena *arena;                            /* the mapping and all below; NULL when closed */
    const uint8_t *data;
    int64_t size;
    const sl_program_file_header *header;
    sl_program_origin origin;
    const uint8_t *at;                          /* rest of meta */
} sl_program_file;

/* Maps a file (data NULL), or takes memory that outlives the program; checks header and meta. On failure nothing is left. */
SL_MUST_USE sl_status sl_program_file_open(const sl_allocator *allocator, const char *path, const void *data, int64_t size, sl_program_file *file);
void sl_program_file_close(sl_program_file *file);
/* Verifies the rest and makes the program, which takes the file over: close it in any case. */
typedef enum sl_program_verify { SL_VERIFY_ALL, SL_VERIFY_ALL_BUT_BULK } sl_program_verify;
SL_MUST_USE sl_status sl_program_file_load(sl_program_file *file, sl_program_verify verify, sluice_program **program);

#endif
