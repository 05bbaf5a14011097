/* print.c: the generic text form (grammar: docs/ir.md). What it prints the parser reads back to an equal module, and printing that gives the same text
 * again.
 *
 * Names: a value's hint (its tensor name in the model) with characters outside of [A-Za-z0-9_.] replaced by `_`; made unique in its top-level op by
 * a suffix _1, _2, ...; values without a hint are numbered %0, %1, ... in the order of printing. Memory comes from the text's arena.
 */
#include "op_internal.h"
#include <string.h>

typedef struct used_name {
    const char *name;         /* NULL: free slot */
    int next_suffix;
} used_name;

typedef struct blob_entry { sl_attr attr; int number; } blob_entry;

typedef struct printer {
    sl_text *out;
    sl_arena *arena;
    const sl_print_options *options;
    const char **names;       /* by value id */
    used_name *used;          /* open addressing; names of the current top-level op */
    size_t used_count, used_capacity;
    int next_number;
    blob_entry *blobs;        /* open addressing by attribute */
    size_t blob_count, blob_capacity;
    SL_VEC(sl_attr) blob_order;
} printer;

void sl_print_options_init(sl_print_options *options) { *options = (sl_print_options){.inline_data_limit = 64, .blobs = true}; }

/* ---- value names ---- */

static used_name *used_slot(used_name *used, size_t capacity, const char *name) {
    size_t at = sl_hash_bytes(name, strlen(name), 0) & (capacity - 1);
    while (used[at].name && strcmp(used[at].name, name) != 0) at = (at + 1) & (capacity - 1);
    return &used[at];
}

static void forget_names(printer *p) {
    if (p->used_count) memset(p->used, 0, p->used_capacity * sizeof(*p->used));
    p->used_count = 0;
    p->next_number = 0;
}

/* Room first: the caller keeps pointers to slots. */
static void reserve_name(printer *p) {
    if ((p->used_count + 2) * 2 < p->used_capacity) return;
    size_t capacity = p->used_capacity ? p->used_capacity * 2 : 64;
    used_name *used = SL_NEW_ARRAY(p->arena, used_name, capacity);
    for (size_t i = 0; i < p->used_capacity; i++)
        if (p->used[i].name) *used_slot(used, capacity, p->used[i].name) = p->used[i];
    p->used = used;
    p->used_capacity = capacity;
}

static bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_'; }

/* A dot stays where a word goes on behind it, as the lexer wants it. A leading digit would read as a number. */
static char *sanitised(printer *p, const char *hint) {
    bool number = *hint >= '0' && *hint <= '9';
    char *name = sl_arena_printf(p->arena, "%s%s", number ? "_" : "", hint);
    for (char *c = name; *c; c++)
        if (!is_word(*c) && !(*c == '.' && c > name && c[-1] != '.' && is_word(c[1]))) *c = '_';
    return name;
}

static void name_value(printer *p, const sl_value *value) {
    const char *name;
    if (!value->name) {
        name = sl_arena_printf(p->arena, "%d", p->next_number++);
    } else {
        reserve_name(p);
        name = sanitised(p, value->name);
        used_name *slot = used_slot(p->used, p->used_capacity, name);
        while (slot->name) {
            const char *tried = sl_arena_printf(p->arena, "%s_%d", name, ++slot->next_suffix);
            used_name *other = used_slot(p->used, p->used_capacity, tried);
            if (other->name) continue;
            name = tried;
            slot = other;
        }
        slot->name = name;
        p->used_count++;
    }
    p->names[value->id] = name;
}

static void name_op(printer *p, const sl_op *op) {
    for (int i = 0; i < op->result_count; i++) name_value(p, &op->results[i]);
    for (int r = 0; r < op->region_count; r++) {
        const sl_block *block = op->regions[r]->block;
        for (size_t i = 0; i < block->arguments.count; i++) name_value(p, block->arguments.data[i]);
        for (const sl_op *inner = block->first; inner; inner = inner->next) name_op(p, inner);
    }
}

static void print_value(printer *p, const sl_value *value) {
    const char *name = p->names[value->id];
    sl_text_append(p->out, "%%%s", name ? name : "<outside>");
}

/* ---- attributes ---- */

static bool is_blob(const printer *p, sl_attr attr) {
    if (sl_attr_get_kind(attr) != SL_ATTR_DATA || sl_attr_data_is_splat(attr)) return false;
    return sl_type_static_count(sl_attr_get_type(attr)) > p->options->inline_data_limit;
}

static blob_entry *blob_slot(blob_entry *blobs, size_t capacity, sl_attr attr) {
    size_t at = ((uintptr_t)attr >> 4) & (capacity - 1);
    while (blobs[at].attr && blobs[at].attr != attr) at = (at + 1) & (capacity - 1);
    return &blobs[at];
}

static int blob_number(printer *p, sl_attr attr) {
    if ((p->blob_count + 1) * 2 > p->blob_capacity) {
        size_t capacity = p->blob_capacity ? p->blob_capacity * 2 : 64;
        blob_entry *blobs = SL_NEW_ARRAY(p->arena, blob_entry, capacity);
        for (size_t i = 0; i < p->blob_capacity; i++)
            if (p->blobs[i].attr) *blob_slot(blobs, capacity, p->blobs[i].attr) = p->blobs[i];
        p->blobs = blobs;
        p->blob_capacity = capacity;
    }
    blob_entry *slot = blob_slot(p->blobs, p->blob_capacity, attr);
    if (!slot->attr) {
        *slot = (blob_entry){attr, (int)p->blob_count++};
        SL_PUSH(p->arena, &p->blob_order, attr);
    }
    return slot->number;
}

/* As sl_attr_print, with large data by name. */
static void print_attr(printer *p, sl_attr attr) {
    if (is_blob(p, attr)) {
        sl_text_append(p->out, "data<");
        sl_type_print(p->out, sl_attr_get_type(attr));
        sl_text_append(p->out, ">@\"blob%d\"", blob_number(p, attr));
    } else if (sl_attr_get_kind(attr) == SL_ATTR_ARRAY) {
        sl_text_append(p->out, "[");
        for (int i = 0; i < sl_attr_count(attr); i++) {
            if (i) sl_text_append(p->out, ", ");
            print_attr(p, sl_attr_item(attr, i));
        }
        sl_text_append(p->out, "]");
    } else {
        sl_attr_print(p->out, attr);
    }
}

static void print_attrs(printer *p, const sl_op *op, bool without_symbol) {
    bool first = true;
    for (int i = 0; i < op->attr_count; i++) {
        if (without_symbol && strcmp(op->attrs[i].name, "sym_name") == 0) continue;
        sl_text_append(p->out, "%s%s = ", first ? " {" : ", ", op->attrs[i].name);
        print_attr(p, op->attrs[i].attr);
        first = false;
    }
    if (!first) sl_text_append(p->out, "}");
}

static void print_blobs(printer *p) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < p->blob_order.count; i++) {
        sl_attr attr = p->blob_order.data[i];
        const uint8_t *bytes = sl_attr_data_bytes(attr);
        sl_text_append(p->out, "blob \"blob%zu\" = hex \"", i);
        for (int64_t at = 0, size = sl_attr_data_size(attr); at < size;) {
            char chunk[512];
            size_t length = 0;
            for (; at < size && length < sizeof(chunk); at++) {
                chunk[length++] = digits[bytes[at] >> 4];
                chunk[length++] = digits[bytes[at] & 15];
            }
            sl_text_append_bytes(p->out, chunk, length);
        }
        sl_text_append(p->out, "\"\n");
    }
}

/* ---- ops ---- */

static void print_op(printer *p, const sl_op *op, int indent);

static void print_indent(printer *p, int indent) {
    for (int i = 0; i < indent; i++) sl_text_append_bytes(p->out, "  ", 2);
}

static void print_arguments(printer *p, const sl_block *block) {
    sl_text_append(p->out, "(");
    for (size_t i = 0; i < block->arguments.count; i++) {
        if (i) sl_text_append(p->out, ", ");
        print_value(p, block->arguments.data[i]);
        sl_text_append(p->out, ": ");
        sl_type_print(p->out, block->arguments.data[i]->type);
    }
    sl_text_append(p->out, ")");
}

static void print_types(printer *p, int count, sl_type (*type_at)(const sl_op *op, int index), const sl_op *op) {
    sl_text_append(p->out, "(");
    for (int i = 0; i < count; i++) {
        if (i) sl_text_append(p->out, ", ");
        sl_type_print(p->out, type_at(op, i));
    }
    sl_text_append(p->out, ")");
}

static sl_type operand_type(const sl_op *op, int index) { return op->operands[index].value->type; }
static sl_type result_type(const sl_op *op, int index) { return op->results[index].type; }

static void print_ops(printer *p, const sl_block *block, int indent) {
    for (const sl_op *op = block->first; op; op = op->next) {
        print_indent(p, indent);
        print_op(p, op, indent);
        sl_text_append(p->out, "\n");
    }
}

static void print_loc(printer *p, const sl_op *op) {
    if (!p->options->locations) return;
    sl_text_append(p->out, " ");
    sl_loc_print(p->out, op->loc);
}

/* A name for @: plain when the lexer would read it as one word. */
static void print_symbol(printer *p, const char *name) {
    bool plain = *name != '\0';
    for (const char *c = name; *c; c++) plain &= is_word(*c) || (*c == '.' && c > name && is_word(c[1]));
    sl_text_append(p->out, "@");
    if (plain) sl_text_append(p->out, "%s", name);
    else sl_text_append_quoted(p->out, name);
}

/* Functions: those with a name, one region and neither operands nor results. */
static void print_symbol_op(printer *p, const sl_op *op, int indent) {
    const sl_block *body = op->regions[0]->block;
    sl_text_append(p->out, "%s ", op->info->full_name);
    print_symbol(p, sl_op_string(op, "sym_name", ""));
    print_arguments(p, body);
    if (body->last && body->last->info->kind == SL_OP_core_return && body->last->operand_count) {
        sl_text_append(p->out, " -> ");
        print_types(p, body->last->operand_count, operand_type, body->last);
    }
    print_attrs(p, op, true);
    sl_text_append(p->out, " {\n");
    print_ops(p, body, indent + 1);
    print_indent(p, indent);
    sl_text_append(p->out, "}");
    print_loc(p, op);
}

static void print_regions(printer *p, const sl_op *op, int indent) {
    for (int r = 0; r < op->region_count; r++) {
        const sl_block *block = op->regions[r]->block;
        sl_text_append(p->out, r ? ", {" : " ({");
        if (block->arguments.count) {
            sl_text_append(p->out, " ^");
            print_arguments(p, block);
            sl_text_append(p->out, ":");
        }
        sl_text_append(p->out, "\n");
        print_ops(p, block, indent + 1);
        print_indent(p, indent);
        sl_text_append(p->out, "}");
    }
    if (op->region_count) sl_text_append(p->out, ")");
}

static void print_op(printer *p, const sl_op *op, int indent) {
    bool symbol = op->info->traits & SL_TRAIT_SYMBOL && op->region_count == 1 && !op->operand_count && !op->result_count;
    if (symbol && sl_op_string(op, "sym_name", NULL)) {
        print_symbol_op(p, op, indent);
        return;
    }
    for (int i = 0; i < op->result_count; i++) {
        if (i) sl_text_append(p->out, ", ");
        print_value(p, &op->results[i]);
    }
    sl_text_append(p->out, "%s%s", op->result_count ? " = " : "", op->info->full_name);
    if (op->operand_count) {
        sl_text_append(p->out, "(");
        for (int i = 0; i < op->operand_count; i++) {
            if (i) sl_text_append(p->out, ", ");
            print_value(p, op->operands[i].value);
        }
        sl_text_append(p->out, ")");
    }
    print_attrs(p, op, false);
    if (op->operand_count || op->result_count) {
        sl_text_append(p->out, " : ");
        print_types(p, op->operand_count, operand_type, op);
    }
    if (op->result_count == 1) {
        sl_text_append(p->out, " -> ");
        sl_type_print(p->out, op->results[0].type);
    } else if (op->result_count > 1) {
        sl_text_append(p->out, " -> ");
        print_types(p, op->result_count, result_type, op);
    }
    print_regions(p, op, indent);
    print_loc(p, op);
}

static printer printer_for(sl_text *out, const sl_module *module, const sl_print_options *options) {
    printer p = {.out = out, .arena = out->arena, .options = options};
    p.names = SL_NEW_ARRAY(p.arena, const char *, (size_t)module->next_value_id + 1);
    return p;
}

void sl_module_print(sl_text *out, sl_module *module, const sl_print_options *options) {
    sl_print_options defaults;
    sl_print_options_init(&defaults);
    printer p = printer_for(out, module, options ? options : &defaults);
    /* Only modules that are not valid have values outside of functions; then names are unique throughout, so that such a module, too, reads back. */
    bool loose_values = false;
    for (const sl_op *op = sl_module_body(module)->first; op; op = op->next) loose_values |= op->result_count > 0;
    for (const sl_op *op = sl_module_body(module)->first; op; op = op->next) {
        if (!loose_values) forget_names(&p);
        name_op(&p, op);
        print_op(&p, op, 0);
        sl_text_append(out, "\n");
        if (op->next && op->region_count) sl_text_append(out, "\n");
    }
    if (p.options->blobs && p.blob_order.count) {
        sl_text_append(out, "\n");
        print_blobs(&p);
    }
}

void sl_op_print(sl_text *out, sl_op *op, const sl_print_options *options) {
    sl_print_options defaults;
    sl_print_options_init(&defaults);
    if (op == op->module->op) {
        sl_module_print(out, op->module, options);
        return;
    }
    printer p = printer_for(out, op->module, options ? options : &defaults);
    /* Names as they are in the print of the whole: from the op just below the module, or the outermost one of a detached tree. */
    const sl_op *top = op;
    for (const sl_op *parent = sl_op_parent(top); parent && parent != op->module->op; parent = sl_op_parent(parent)) top = parent;
    name_op(&p, top);
    print_op(&p, op, 0);
}
