/* linker.h: objects to an image (sluice/image.h): the linker. */
#ifndef SLUICE_LINKER_H
#define SLUICE_LINKER_H

#include "sluice/image.h"

typedef struct sl_link_object { const uint8_t *data; size_t size; const char *name; } sl_link_object;
typedef struct sl_link_symbol { const char *name; int64_t offset; } sl_link_symbol;
typedef struct sl_linked {
    sl_image image;
    const sl_link_symbol *symbols;   /* functions that objects export */
    size_t symbol_count;
} sl_linked;

/* Links relocatable ELF objects of one architecture. Everything is in `arena`; the objects may go afterwards. Undefined symbols become imports. */
SL_MUST_USE sl_status sl_link(sl_arena *arena, const sl_link_object *objects, size_t count, sl_linked *linked);
/* Offset of an exported function, -1 when there is none. */
int64_t sl_linked_find(const sl_linked *linked, const char *symbol);

#endif
