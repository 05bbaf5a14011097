/* load.c: see load.h. */
#include "load.h"

sl_status sl_batch_link(sl_batch *batch, sl_arena *arena, sl_linked *linked) {
    sl_link_object *objects = SL_NEW_ARRAY(batch->arena, sl_link_object, batch->units.count + 1);
    for (size_t i = 0; i < batch->units.count; ++i) {
        const sl_unit *unit = batch->units.data[i];
        objects[i] = (sl_link_object){(const uint8_t *)LLVMGetBufferStart(unit->object), LLVMGetBufferSize(unit->object), unit->name};
    }
    return sl_status_annotate(sl_link(arena, objects, batch->units.count, linked), "linking");
}

sl_status sl_loaded_create(sl_batch *batch, sl_loaded *code) {
    SL_TRY(sl_batch_link(batch, batch->arena, &code->linked));
    return sl_image_load(&code->linked.image, &code->code);
}

sl_status sl_loaded_find(const sl_loaded *code, const char *symbol, void **address) {
    int64_t offset = sl_linked_find(&code->linked, symbol);
    *address = offset < 0 ? NULL : code->code.base + offset;
    return offset < 0 ? SL_ERROR(SL_INTERNAL, "the compiled code lacks '%s'", symbol) : NULL;
}

void sl_loaded_destroy(sl_loaded *code) { sl_image_unload(&code->code); }
