/* load.h: objects in memory to running code of this process. */
#ifndef SLUICE_LOAD_H
#define SLUICE_LOAD_H

#include "unit.h"

typedef struct sl_loaded sl_loaded;   /* loaded code; destroyed once nothing runs in it */

/* Loads the units' objects (takes them). `allocator` is for the handle itself. */
SL_MUST_USE sl_status sl_loaded_create(sl_batch *batch, const sl_allocator *allocator, sl_loaded **code);
/* Links what the symbol needs and gives its address. */
SL_MUST_USE sl_status sl_loaded_find(sl_loaded *code, const char *symbol, void **address);
void sl_loaded_destroy(sl_loaded *code);

#endif
