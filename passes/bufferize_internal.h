/* bufferize_internal.h: shared by the files of the pass bufferize. */
#ifndef SLUICE_BUFFERIZE_INTERNAL_H
#define SLUICE_BUFFERIZE_INTERNAL_H

#include "passes_internal.h"
#include "resolve_dynamic.h"

typedef struct sl_expr_list { sl_expr *data; size_t count, capacity; } sl_expr_list;

typedef struct sl_bufferizer {
    sl_pass_context *pass;
    sl_context *context;
    sl_module *module;
    uint8_t *bound;             /* by expr id: the symbol has a value at the point reached */
    size_t bound_capacity;
    int64_t dynamic_slots;      /* given out so far */
    int64_t entries;            /* names of branches given out */
    bool failed;
} sl_bufferizer;

/* bufferize.c */
void sl_bufferize_block(sl_bufferizer *bz, sl_block *block);
bool sl_bufferize_is_bound(const sl_bufferizer *bz, sl_expr symbol);
void sl_bufferize_set_bound(sl_bufferizer *bz, sl_expr symbol, bool bound);
bool sl_bufferize_all_bound(const sl_bufferizer *bz, sl_expr expr);
sl_type sl_buffer_type(sl_bufferizer *bz, sl_type tensor);
/* kernel.alloc of a buffer type; every dim must be bound. */
sl_value *sl_bufferize_alloc(sl_bufferizer *bz, sl_builder *builder, sl_type buffer);
sl_value *sl_bufferize_view(sl_builder *builder, sl_value *buffer, sl_type type);
void sl_bufferize_copy(sl_builder *builder, sl_value *from, sl_value *to);
sl_value *sl_bufferize_dim(sl_builder *builder, sl_expr expr);
sl_value *sl_bufferize_load(sl_builder *builder, sl_value *buffer);              /* the one element of a buffer */
void sl_bufferize_store(sl_builder *builder, sl_value *scalar, sl_value *buffer, int64_t offset);
void sl_bufferize_bind(sl_bufferizer *bz, sl_builder *builder, sl_expr symbol, sl_value *value);
/* The value without its views. */
sl_value *sl_bufferize_base(sl_value *value);
/* The plain alloc in `block` behind `value`, which may be given other memory; NULL when there is none. */
sl_op *sl_bufferize_local_alloc(sl_value *value, const sl_block *block);
/* Gives what `alloc` held the memory `memory`, and erases it. */
void sl_bufferize_redirect(sl_op *alloc, sl_value *memory);

/* bufferize_control.c, bufferize_loop.c */
void sl_bufferize_if(sl_bufferizer *bz, sl_op *op);
void sl_bufferize_loop(sl_bufferizer *bz, sl_op *op);
/* bufferize_route.c, bufferize_group.c */
typedef struct sl_dispatch {    /* one region of a route.dispatch */
    sl_op *op;
    sl_expr count, begin;       /* symbols: row number, first packed row */
    int member_count;           /* branches that it is for */
    const int64_t *members;
    sl_attr picks;              /* NULL with one member */
    sl_expr index;              /* symbol of the kernel.each over them; NULL with one member */
    int64_t entry;              /* name of its kernel.branch */
    bool owed;                  /* pays what skipped rows owe */
} sl_dispatch;
void sl_bufferize_dispatch(sl_bufferizer *bz, sl_op *op);
/* Binds the numbers of the branch at hand; a kernel.if on its rows, with an empty body. */
sl_op *sl_bufferize_enter(sl_bufferizer *bz, const sl_dispatch *d, sl_builder *b);
void sl_bufferize_end(sl_bufferizer *bz, const sl_op *op, sl_block *block);       /* kernel.yield of nothing */
sl_value *sl_bufferize_part(sl_bufferizer *bz, sl_builder *b, sl_value *whole, sl_expr offset, sl_type type);
sl_op *sl_bufferize_each(sl_bufferizer *bz, const sl_dispatch *d, sl_builder *b);
/* Takes the loop `each`, whose kernel.if is `made`, apart into launches over all branches, where it can be. */
void sl_bufferize_group(sl_bufferizer *bz, const sl_dispatch *d, sl_op *each, sl_op *made);
/* Makes the dims of `type` true of memory whose dims are `actual`: binds those that are unbound symbols (and lists them), guards the others. */
void sl_bufferize_match_dims(sl_bufferizer *bz, sl_builder *builder, sl_type type, sl_type actual, sl_expr_list *bound);

/* bufferize_slice.c: tensor.bind_slice. */
void sl_bufferize_bind_slice(sl_bufferizer *bz, sl_op *op);

/* bufferize_output.c: core.return. */
void sl_bufferize_return(sl_bufferizer *bz, sl_op *op);

/* bufferize_reuse.c: launches write over inputs that die there. Returns how many. */
int64_t sl_bufferize_reuse(sl_pass_context *pass, sl_op *func);

#endif
