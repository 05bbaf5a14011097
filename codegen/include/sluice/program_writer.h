/* program_writer.h: compiled programs to files that the runtime loads (sluice/program_file.h). */
#ifndef SLUICE_PROGRAM_WRITER_H
#define SLUICE_PROGRAM_WRITER_H

#include "sluice/program_file.h"

/* What identifies this compiler: version, LLVM's version, the build. */
const char *sl_compiler_id(sl_arena *arena);

/* What is going to be written, all memory taken. With `object_name` an ELF object for the program's machine that holds the program file as data, with symbols
 * <name>_program and <name>_program_end; else the program file itself. */
typedef struct sl_program_writer sl_program_writer;
sl_program_writer *sl_program_writer_create(sl_arena *arena, const sl_compiled *compiled, const sl_program_origin *origin, const char *object_name);
/* Writes it to an open file, from where that stands; `path` is for messages. Takes no memory. */
SL_MUST_USE sl_status sl_program_writer_write(const sl_program_writer *writer, int descriptor, const char *path);

#endif
