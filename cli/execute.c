/* execute.c: opening and running models; comparing tensors. */
#include "execute.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sl_status from_host(sluice_context *host, sluice_code code) { return code == SLUICE_OK ? NULL : SL_ERROR((sl_code)code, "%s", sluice_last_error(host)); }

/* Descriptions from the imported function, for the evaluator. */
static void describe_function(cli_model *model) {
    sl_op *function = sl_module_find(model->compilation.module, "main");
    sl_block *block = function ? sl_op_body(function, 0) : NULL;
    sl_op *end = block ? sl_block_terminator(block) : NULL;
    if (!end) return;
    sl_arena *arena = model->arena;
    for (int side = 0; side < 2; side++) {
        int count = side ? sl_op_operand_count(end) : sl_block_argument_count(block);
        sl_attr names = sl_op_attr(function, side ? "output_names" : "input_names");
        sluice_value_description *values = SL_NEW_ARRAY(arena, sluice_value_description, (size_t)count);
        for (int i = 0; i < count; i++) {
            sl_type type = sl_value_type(side ? sl_op_operand(end, i) : sl_block_argument(block, i));
            sl_tensor probe = {.element = sl_type_element(type)};
            values[i].dtype = cli_tensor_view(&probe).dtype;
            values[i].name = names && i < sl_attr_count(names) ? sl_attr_get_string(sl_attr_item(names, i)) : sl_arena_printf(arena, "%s%d", side ? "output" : "input", i);
            values[i].rank = sl_type_is_ranked(type) ? sl_type_rank(type) : -1;
            if (values[i].rank < 0) continue;
            int64_t *dims = SL_NEW_ARRAY(arena, int64_t, (size_t)values[i].rank);
            const char **symbols = SL_NEW_ARRAY(arena, const char *, (size_t)values[i].rank);
            for (int d = 0; d < values[i].rank; d++) {
                dims[d] = sl_type_static_dim(type, d);
                if (dims[d] >= 0) continue;
                sl_text text;
                sl_text_init(&text, arena);
                sl_expr_print(&text, sl_type_dim(type, d));
                symbols[d] = text.data;
            }
            values[i].dims = dims;
            values[i].symbols = symbols;
        }
        if (side) {
            model->outputs = values;
            model->output_count = count;
        } else {
            model->inputs = values;
            model->input_count = count;
        }
    }
}

static sl_status describe_program(cli_model *model) {
    model->input_count = sluice_program_input_count(model->program);
    model->output_count = sluice_program_output_count(model->program);
    model->inputs = SL_NEW_ARRAY(model->arena, sluice_value_description, (size_t)model->input_count);
    model->outputs = SL_NEW_ARRAY(model->arena, sluice_value_description, (size_t)model->output_count);
    for (int i = 0; i < model->input_count; i++) SL_TRY(from_host(model->host, sluice_program_input(model->program, i, &model->inputs[i])));
    for (int i = 0; i < model->output_count; i++) SL_TRY(from_host(model->host, sluice_program_output(model->program, i, &model->outputs[i])));
    return NULL;
}

static void print_text(void *self, const char *text) {
    (void)self;
    fputs(text, stderr);
}

static sl_status find_schedule(const char *name, int32_t *schedule) {
    static const char *const names[] = {"auto", "loop", "grouped", "padded"};
    for (int i = 0; name && i < SLUICE_SCHEDULE_COUNT; i++)
        if (strcmp(name, names[i]) == 0) return *schedule = i, NULL;
    return name ? SL_ERROR(SL_INVALID_ARGUMENT, "--schedule %s: expected auto, loop, grouped or padded", name) : NULL;
}

static sl_status open_model(cli_model *model, const char *path, const cli_options *options, bool counters) {
    static sluice_compile_options compile;        /* borrowed by the compilation */
    static const char *bindings[CLI_MAX_LIST + 1];
    cli_compile_options(options, &compile, bindings);
    compile.print = print_text;
    double start = cli_now_milliseconds();
    SL_TRY(sl_compilation_begin(&model->compilation, model->host, &compile));
    if (model->reference) {
        SL_TRY(sl_compilation_load(&model->compilation, path, NULL, 0));
        describe_function(model);
        return NULL;
    }
    SL_TRY(sl_compilation_program(&model->compilation, path, NULL, 0, &model->program));
    model->compile_milliseconds = cli_now_milliseconds() - start;
    SL_TRY(describe_program(model));
    sluice_session_options session;
    sluice_session_options_init(&session);
    session.threads = (int32_t)options->threads;
    session.counters = counters;
    SL_TRY(find_schedule(options->schedule, &session.schedule));
    return from_host(model->host, sluice_session_create(model->program, &session, &model->session));
}

sl_status cli_model_open(cli_model *model, const char *path, const cli_options *options, bool reference, bool counters) {
    memset(model, 0, sizeof *model);
    model->host = cli_context_create();
    model->reference = reference;
    model->arena = sl_arena_create(sl_host_allocator(model->host), 0);
    if (!model->arena) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory");
    return open_model(model, path, options, counters);
}

void cli_model_close(cli_model *model) {
    sluice_session_destroy(model->session);
    sluice_program_destroy(model->program);
    sl_compilation_end(&model->compilation);
    if (model->arena) sl_arena_destroy(model->arena);
    sluice_context_destroy(model->host);
}

/* What a session checks, for the evaluator. */
static sl_status check_input(const sluice_value_description *value, const DLTensor *input) {
    if (memcmp(&input->dtype, &value->dtype, sizeof input->dtype) != 0) {
        sl_element wanted;
        return SL_ERROR(SL_INVALID_MODEL, "input '%s' must be %s, but is DLPack type code %d with %d bits", value->name,
                        cli_element_of(value->dtype, &wanted) ? sl_element_name(wanted) : "of another type", input->dtype.code, input->dtype.bits);
    }
    if (value->rank < 0) return NULL;
    if (input->ndim != value->rank) return SL_ERROR(SL_INVALID_MODEL, "input '%s' must have rank %d, but has rank %d", value->name, value->rank, input->ndim);
    for (int d = 0; d < value->rank; d++) {
        if (value->dims[d] < 0 || value->dims[d] == input->shape[d]) continue;
        return SL_ERROR(SL_INVALID_MODEL, "input '%s': axis %d must be %lld, but is %lld", value->name, d, (long long)value->dims[d], (long long)input->shape[d]);
    }
    return NULL;
}

static sl_status evaluate(cli_model *model, const DLTensor *inputs, DLTensor *outputs) {
    const sl_tensor **tensors = SL_NEW_ARRAY(model->arena, const sl_tensor *, (size_t)model->input_count);
    sl_tensor **results = SL_NEW_ARRAY(model->arena, sl_tensor *, (size_t)model->output_count);
    for (int i = 0; i < model->input_count; i++) {
        sl_tensor *tensor = SL_NEW(model->arena, sl_tensor);
        SL_TRY(check_input(&model->inputs[i], &inputs[i]));
        if (!cli_element_of(inputs[i].dtype, &tensor->element) || inputs[i].ndim > SL_MAX_RANK) return SL_ERROR(SL_INVALID_ARGUMENT, "input '%s' has an unusable type or rank", model->inputs[i].name);
        tensor->rank = inputs[i].ndim;
        memcpy(tensor->shape, inputs[i].shape, sizeof(int64_t) * (size_t)tensor->rank);
        tensor->data = inputs[i].data;
        tensor->size = sl_element_bytes(tensor->element, sl_tensor_count(tensor));
        tensors[i] = tensor;
    }
    sl_eval_options options;
    sl_eval_options_init(&options);
    SL_TRY(sl_eval_function(model->compilation.module, "main", model->arena, &options, model->input_count, tensors, model->output_count, results));
    for (int i = 0; i < model->output_count; i++) outputs[i] = cli_tensor_view(results[i]);
    return NULL;
}

sl_status cli_model_run(cli_model *model, const DLTensor *inputs, DLTensor *outputs) {
    if (!model->reference) {
        sluice_code code = sluice_session_run(model->session, inputs, model->input_count, outputs, model->output_count);
        /* What the library calls a bad argument is a bad input file here: the command line was right. */
        return from_host(model->host, code == SLUICE_INVALID_ARGUMENT ? SLUICE_INVALID_MODEL : code);
    }
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory to evaluate the model");
    sl_status status = evaluate(model, inputs, outputs);
    sl_guard_leave(&guard);
    return sl_compilation_explain(&model->compilation, status);
}

int cli_model_find_input(const cli_model *model, const char *name) {
    for (int i = 0; i < model->input_count; i++)
        if (strcmp(model->inputs[i].name, name) == 0) return i;
    return -1;
}

bool cli_compare(const DLTensor *got, const sl_tensor *want, double rtol, double atol, char *why, size_t size) {
    sl_element element;
    if (!cli_element_of(got->dtype, &element) || element != want->element) {
        snprintf(why, size, "element type is %s, expected %s", cli_element_of(got->dtype, &element) ? sl_element_name(element) : "?", sl_element_name(want->element));
        return false;
    }
    bool same = got->ndim == want->rank;
    for (int d = 0; same && d < want->rank; d++) same = got->shape[d] == want->shape[d];
    if (!same) {
        size_t used = (size_t)snprintf(why, size, "shape is [");
        for (int d = 0; d < got->ndim && used < size; d++) used += (size_t)snprintf(why + used, size - used, "%s%lld", d ? ", " : "", (long long)got->shape[d]);
        if (used < size) used += (size_t)snprintf(why + used, size - used, "], expected [");
        for (int d = 0; d < want->rank && used < size; d++) used += (size_t)snprintf(why + used, size - used, "%s%lld", d ? ", " : "", (long long)want->shape[d]);
        if (used < size) snprintf(why + used, size - used, "]");
        return false;
    }
    int64_t count = sl_tensor_count(want), wrong = 0, first = -1;
    double worst = 0, first_got = 0, first_want = 0;
    /* Two units in the last place of a half-width type: the published results were rounded after every step. */
    if (element == SL_ELEMENT_bf16 && rtol < 0x1p-6) rtol = 0x1p-6;
    if (element == SL_ELEMENT_f16 && rtol < 0x1p-9) rtol = 0x1p-9;
    const void *data = (const uint8_t *)got->data + got->byte_offset;
    for (int64_t i = 0; i < count; i++) {
        double a, b;
        bool close;
        if (sl_element_is_float(element)) {
            a = sl_element_load_float(element, data, i);
            b = sl_element_load_float(element, want->data, i);
            close = a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= atol + rtol * fabs(b);
        } else {
            int64_t left = sl_element_load_int(element, data, i), right = sl_element_load_int(element, want->data, i);
            close = left == right;
            a = (double)left;
            b = (double)right;
        }
        if (close) continue;
        if (first < 0) {
            first = i;
            first_got = a;
            first_want = b;
        }
        wrong++;
        if (fabs(a - b) > worst) worst = fabs(a - b);
    }
    if (wrong) snprintf(why, size, "%lld of %lld elements differ (largest difference %g); element %lld is %.9g, expected %.9g", (long long)wrong, (long long)count, worst, (long long)first, first_got, first_want);
    return wrong == 0;
}
