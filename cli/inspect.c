/* inspect.c: `sluice inspect` and `sluice ops`: what a model holds, what Sluice knows. */
#include "execute.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct op_tally { const char *name; int64_t count; } op_tally;
typedef struct summary {
    sl_arena *arena;
    sl_context *context;
    SL_VEC(op_tally) ops;
    int64_t parameters, parameter_bytes, zeros, constants;
    sl_expr work;                /* multiply-adds outside of loops with unknown trip counts, the larger branch of an if counted fully */
    int64_t ifs, loops, switches, branches;
} summary;

static void count_name(summary *into, const char *name) {
    for (size_t i = 0; i < into->ops.count; i++) {
        if (strcmp(into->ops.data[i].name, name) != 0) continue;
        into->ops.data[i].count++;
        return;
    }
    SL_PUSH(into->arena, &into->ops, (op_tally){name, 1});
}

static void count_graph(summary *into, const sl_graph *graph) {
    for (int i = 0; i < graph->node_count; i++) {
        const sl_node *node = &graph->nodes[i];
        count_name(into, *node->domain ? sl_arena_printf(into->arena, "%s.%s", node->domain, node->op) : node->op);
        for (int p = 0; p < node->param_count; p++) {
            if (node->params[p].kind == SL_PARAM_GRAPH) count_graph(into, node->params[p].graph);
            for (int64_t g = 0; node->params[p].kind == SL_PARAM_GRAPHS && g < node->params[p].count; g++) count_graph(into, node->params[p].graphs[g]);
        }
    }
}

static bool visit(void *self, sl_op *op) {
    summary *into = self;
    sl_context *context = into->context;
    switch (sl_op_get_kind(op)) {
    case SL_OP_tensor_if: into->ifs++; into->branches += 2; break;
    case SL_OP_tensor_loop: into->loops++; break;
    case SL_OP_route_switch: into->switches++; into->branches += sl_op_region_count(op); break;
    case SL_OP_core_constant: {
        sl_attr data = sl_op_attr(op, "value");
        sl_type type = sl_attr_get_type(data);
        int64_t count = sl_type_static_count(type);
        if (!sl_type_is_tensor(type) || count < 2) break;
        into->constants++;
        into->parameters += count;
        into->parameter_bytes += sl_element_bytes(sl_type_element(type), count);
        if (sl_attr_data_is_splat(data)) {
            into->zeros += sl_attr_data_float(data, 0) == 0 ? count : 0;
            break;
        }
        sl_element element = sl_type_element(type);
        if (element == SL_ELEMENT_f32) {
            const float *values = sl_attr_data_bytes(data);
            for (int64_t i = 0; i < count; i++) {
                float value;
                memcpy(&value, &values[i], sizeof value);
                into->zeros += value == 0;
            }
        } else if (element != SL_ELEMENT_str) {
            for (int64_t i = 0; i < count; i++) into->zeros += sl_attr_data_float(data, i) == 0;
        }
        break;
    }
    case SL_OP_tensor_contract: {
        int sums;
        const int64_t *axes = sl_op_ints(op, "left_sum", &sums);
        sl_type left = sl_value_type(sl_op_operand(op, 0)), result = sl_value_type(sl_op_result(op, 0));
        sl_expr work = sl_type_count(context, result);
        for (int i = 0; i < sums; i++) work = sl_expr_mul(context, work, sl_type_dim(left, (int)axes[i]));
        into->work = sl_expr_add(context, into->work, work);
        break;
    }
    case SL_OP_tensor_conv: {
        sl_type weights = sl_value_type(sl_op_operand(op, 1)), result = sl_value_type(sl_op_result(op, 0));
        sl_expr work = sl_type_count(context, result);
        for (int d = 1; d < sl_type_rank(weights); d++) work = sl_expr_mul(context, work, sl_type_dim(weights, d));
        into->work = sl_expr_add(context, into->work, work);
        break;
    }
    default: break;   /* of no interest here */
    }
    return true;
}

static int by_count(const void *a, const void *b) {
    const op_tally *left = a, *right = b;
    if (left->count != right->count) return left->count > right->count ? -1 : 1;
    return strcmp(left->name, right->name);
}

static const char *shape_of(sl_arena *arena, const sluice_value_description *value) {
    sl_text text;
    sl_text_init(&text, arena);
    sl_element element;
    sl_text_append(&text, "%s[", cli_element_of(value->dtype, &element) ? sl_element_name(element) : "?");
    for (int d = 0; d < value->rank; d++) {
        sl_text_append(&text, "%s", d ? ", " : "");
        if (value->dims[d] >= 0) sl_text_append(&text, "%lld", (long long)value->dims[d]);
        else sl_text_append(&text, "%s", value->symbols[d]);
    }
    sl_text_append(&text, value->rank < 0 ? "any rank]" : "]");
    return text.data;
}

static const char *expr_text(sl_arena *arena, sl_expr expr) {
    sl_text text;
    sl_text_init(&text, arena);
    sl_expr_print(&text, expr);
    return text.data;
}

static void print_summary(cli_model *model, const char *path, summary *of) {
    const sl_model *file = model->compilation.model;
    printf("%s\n", path);
    if (file) {
        if (file->producer && *file->producer) printf("  producer    %s\n", file->producer);
        for (int i = 0; i < file->opset_count; i++) printf("  opset       %s %lld\n", *file->opsets[i].domain ? file->opsets[i].domain : "ai.onnx", (long long)file->opsets[i].version);
    }
    for (int i = 0; i < model->input_count; i++) printf("  input       %s: %s\n", model->inputs[i].name, shape_of(model->arena, &model->inputs[i]));
    for (int i = 0; i < model->output_count; i++) printf("  output      %s: %s\n", model->outputs[i].name, shape_of(model->arena, &model->outputs[i]));
    printf("  parameters  %lld in %lld tensors, %.2f MiB, %.1f %% zeros\n", (long long)of->parameters, (long long)of->constants, (double)of->parameter_bytes / 1048576.0,
           of->parameters ? 100.0 * (double)of->zeros / (double)of->parameters : 0.0);
    printf("  work        %s multiply-adds a run (all branches, one loop iteration)\n", expr_text(model->arena, of->work));
    printf("  control     %lld if, %lld loop, %lld switch; %lld branches\n", (long long)of->ifs, (long long)of->loops, (long long)of->switches, (long long)of->branches);
    if (of->ops.count) {
        int64_t nodes = 0;
        for (size_t i = 0; i < of->ops.count; i++) nodes += of->ops.data[i].count;
        printf("  nodes       %lld:", (long long)nodes);
        for (size_t i = 0; i < of->ops.count; i++) printf(" %s %lld%s", of->ops.data[i].name, (long long)of->ops.data[i].count, i + 1 < of->ops.count ? "," : "");
        printf("\n");
    }
}

static const char *quoted(sl_arena *arena, const char *string) {
    sl_text text;
    sl_text_init(&text, arena);
    sl_text_append_quoted(&text, string ? string : "");
    return text.data;
}

static void print_json(cli_model *model, const char *path, summary *of) {
    printf("{\"model\": %s", quoted(model->arena, path));
    for (int side = 0; side < 2; side++) {
        int count = side ? model->output_count : model->input_count;
        const sluice_value_description *values = side ? model->outputs : model->inputs;
        printf(", \"%s\": [", side ? "outputs" : "inputs");
        for (int i = 0; i < count; i++) printf("%s{\"name\": %s, \"type\": %s}", i ? ", " : "", quoted(model->arena, values[i].name), quoted(model->arena, shape_of(model->arena, &values[i])));
        printf("]");
    }
    printf(", \"parameters\": %lld, \"parameter_bytes\": %lld, \"zeros\": %lld, \"multiply_adds\": %s, \"ifs\": %lld, \"loops\": %lld, \"switches\": %lld, \"branches\": %lld, \"nodes\": {",
           (long long)of->parameters, (long long)of->parameter_bytes, (long long)of->zeros, quoted(model->arena, expr_text(model->arena, of->work)), (long long)of->ifs, (long long)of->loops,
           (long long)of->switches, (long long)of->branches);
    for (size_t i = 0; i < of->ops.count; i++) printf("%s%s: %lld", i ? ", " : "", quoted(model->arena, of->ops.data[i].name), (long long)of->ops.data[i].count);
    printf("}}\n");
}

int cli_inspect(const cli_options *options) {
    if (options->file_count != 1) return cli_error("inspect needs one model; see `sluice inspect --help`"), EXIT_USAGE;
    cli_model model;
    sl_status status = cli_model_open(&model, options->files[0], options, true, false);
    sl_guard guard;
    if (!status && SL_GUARD_ENTER(&guard)) {
        summary of = {.arena = model.arena, .context = model.compilation.context};
        of.work = sl_expr_const(of.context, 0);
        if (model.compilation.model) count_graph(&of, model.compilation.model->graph);
        sl_block_walk(sl_module_body(model.compilation.module), visit, &of);
        if (of.ops.count) qsort(of.ops.data, of.ops.count, sizeof *of.ops.data, by_count);
        if (options->json) print_json(&model, options->files[0], &of);
        else print_summary(&model, options->files[0], &of);
        sl_guard_leave(&guard);
    }
    int code = cli_fail(status);
    cli_model_close(&model);
    return code;
}

static void print_range_json(const char *what, sl_count_range range) { printf(", \"%s\": [%d, %d]", what, range.least, range.most); }

/* Ranges are [least, most]; most -1: any number. Regions -1: any number. */
static void print_op_json(sl_arena *arena, const sl_op_info *info, bool first) {
    printf("%s{\"op\": \"%s\", \"traits\": %u, \"doc\": %s, \"regions\": %d", first ? "[" : ",\n ", info->full_name, info->traits, quoted(arena, info->doc), info->regions);
    print_range_json("operands", info->operands);
    print_range_json("results", info->results);
    printf(", \"attributes\": [");
    for (int i = 0; i < info->attr_count; i++)
        printf("%s{\"name\": \"%s\", \"required\": %s, \"doc\": %s}", i ? ", " : "", info->attrs[i].name, info->attrs[i].required ? "true" : "false", quoted(arena, info->attrs[i].doc));
    printf("], \"constraints\": [");
    for (int i = 0; i < info->constraint_count; i++) printf("%s%s", i ? ", " : "", quoted(arena, info->constraints[i]->sentence));
    printf("]}");
}

static void print_ops(const cli_options *options, sl_arena *arena) {
    for (int kind = 0; kind < SL_OP_COUNT; kind++) {
        const sl_op_info *info = sl_op_info_get((sl_op_kind)kind);
        if (options->json) {
            print_op_json(arena, info, kind == 0);
            continue;
        }
        printf("%s\n    %s\n", info->full_name, info->doc);
        for (int i = 0; i < info->attr_count; i++) printf("      %s%s: %s\n", info->attrs[i].name, info->attrs[i].required ? "" : " (optional)", info->attrs[i].doc);
    }
    if (options->json) printf("]\n");
}

int cli_ops(const cli_options *options) {
    if (options->file_count != 0) return cli_error("ops takes no files, but '%s' was given; see `sluice ops --help`", options->files[0]), EXIT_USAGE;
    if (options->onnx) {
        for (int i = 0; i < sl_import_table_size(); i++) {
            sl_import_info row = sl_import_table_row(i);
            if (options->json) {
                printf("%s{\"op\": \"%s\", \"domain\": \"%s\", \"since\": %d, \"until\": %d}", i ? ",\n " : "[", row.op, row.domain, row.since, row.until);
                continue;
            }
            printf("%-28s %-14s opset %d to ", row.op, *row.domain ? row.domain : "ai.onnx", row.since);
            if (row.until) printf("%-7d", row.until);
            else printf("newest ");
            printf(" %s\n", row.note ? row.note : "");
        }
        if (options->json) printf("]\n");
        return EXIT_OK;
    }
    sl_allocator system = sl_allocator_system();
    sl_arena *arena = sl_arena_create(&system, 0);
    sl_guard guard;
    if (!arena || !SL_GUARD_ENTER(&guard)) return cli_error("no memory"), EXIT_SYSTEM;
    print_ops(options, arena);
    sl_guard_leave(&guard);
    sl_arena_destroy(arena);
    return EXIT_OK;
}
