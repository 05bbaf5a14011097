/* program_writer.h: compiled programs to files that the runtime loads (sluice/program_file.h). */
#ifndef SLUICE_PROGRAM_WRITER_H
#define SLUICE_PROGRAM_WRITER_H

#include "sluice/program_file.h"

/* What identifies this compiler: version, LLVM's version, the build. */
const char *sl_compiler_id(sl_arena *arena);

/* Writes the program file to an open descriptor, from where it stands. */
SL_MUST_USE sl_status sl_program_write(sl_arena *arena, int descriptor, const char *path, const sl_compiled *compiled, const sl_program_origin *origin);
/* An ELF object for the program's machine that holds the program file as data: symbols <name>_program, <name>_program_end. */
SL_MUST_USE sl_status sl_program_write_object(sl_arena *arena, int descriptor, const char *path, const sl_compiled *compiled, const sl_program_origin *origin,
                                              const char *name);

#endif
