/* load.h: compiled units to one image, and the image to running code of this process. */
#ifndef SLUICE_LOAD_H
#define SLUICE_LOAD_H

#include "linker.h"
#include "unit.h"

typedef struct sl_loaded { sl_linked linked; sl_loaded_image code; } sl_loaded;

/* Links the units' objects; in `arena`. */
SL_MUST_USE sl_status sl_batch_link(sl_batch *batch, sl_arena *arena, sl_linked *linked);
/* The same, loaded. sl_loaded_destroy once nothing runs in it (a zeroed one is fine). */
SL_MUST_USE sl_status sl_loaded_create(sl_batch *batch, sl_loaded *code);
SL_MUST_USE sl_status sl_loaded_find(const sl_loaded *code, const char *symbol, void **address);
void sl_loaded_destroy(sl_loaded *code);

#endif
