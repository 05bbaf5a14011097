/* import_recurrent.c: RNN, GRU, LSTM with all options.
 *
 * One direction is: the input projection of all time steps as one contraction, then a tensor.loop over time with the recurrent contraction and the
 * gates. The state is batch x hidden. A reverse direction walks time backwards and flips the stacked outputs. With sequence_lens a step behind the
 * end of a row keeps the row's state and outputs zero; backwards that leaves the state alone until the row's last element is reached. */
#include "import_internal.h"
#include <math.h>
#include <string.h>
#include <strings.h>

typedef enum cell { RNN, GRU, LSTM } cell;

enum { MAX_STATE = 2 };

typedef struct direction {
    cell kind;
    sl_expr steps, batch, hidden;
    sl_element element;
    sl_value *input;                       /* steps x batch x gates*hidden, biases added where that is allowed */
    sl_value *recurrent;                   /* gates*hidden x hidden */
    sl_value *recurrent_bias;              /* GRU with linear_before_reset: hidden, of the new gate; else NULL */
    sl_value *peephole;                    /* 3*hidden or NULL */
    sl_value *lengths;                     /* batch, i64, or NULL */
    sl_value *start[MAX_STATE];            /* batch x hidden */
    bool reverse, linear_before_reset, input_forget;
    double clip;
    const char *activations[3];
    double alpha[3], beta[3];
} direction;

static sl_value *part(im_node *n, sl_value *x, int axis, int index, sl_expr hidden)
{
    return im_slice_axis(n, x, axis, sl_expr_mul(n->context, hidden, im_expr(n, index)), hidden, 1);
}

static sl_value *activate(im_node *n, const direction *d, int which, sl_value *x)
{
    if (d->clip > 0) x = im_clamp(n, x, -d->clip, d->clip);
    return im_activation(n, d->activations[which], d->alpha[which], d->beta[which], x);
}

static sl_value *recur(im_node *n, sl_value *state, sl_value *weights) { return im_linear(n, state, weights, 1); }

static void step_rnn(im_node *n, const direction *d, sl_value *x, sl_value *const *state, sl_value **next)
{
    next[0] = activate(n, d, 0, im_add(n, x, recur(n, state[0], d->recurrent)));
}

/* Gates z (update), r (reset), h (new). */
static void step_gru(im_node *n, const direction *d, sl_value *x, sl_value *const *state, sl_value **next)
{
    sl_expr h = d->hidden, two = sl_expr_mul(n->context, h, im_expr(n, 2));
    sl_value *before = state[0], *new_gate;
    sl_value *x_gates = im_slice_axis(n, x, 1, im_expr(n, 0), two, 1), *x_new = part(n, x, 1, 2, h);
    if (d->linear_before_reset) {
        sl_value *all = recur(n, before, d->recurrent);
        sl_value *gates = im_add(n, x_gates, im_slice_axis(n, all, 1, im_expr(n, 0), two, 1));
        sl_value *z = activate(n, d, 0, part(n, gates, 1, 0, h)), *r = activate(n, d, 0, part(n, gates, 1, 1, h));
        sl_value *inner = part(n, all, 1, 2, h);
        if (d->recurrent_bias) inner = im_add(n, inner, d->recurrent_bias);
        new_gate = activate(n, d, 1, im_add(n, x_new, im_mul(n, r, inner)));
        next[0] = im_add(n, im_mul(n, im_sub(n, im_like(n, z, 1), z), new_gate), im_mul(n, z, before));
        return;
    }
    sl_value *gates = im_add(n, x_gates, recur(n, before, im_slice_axis(n, d->recurrent, 0, im_expr(n, 0), two, 1)));
    sl_value *z = activate(n, d, 0, part(n, gates, 1, 0, h)), *r = activate(n, d, 0, part(n, gates, 1, 1, h));
    new_gate = activate(n, d, 1, im_add(n, x_new, recur(n, im_mul(n, r, before), part(n, d->recurrent, 0, 2, h))));
    next[0] = im_add(n, im_mul(n, im_sub(n, im_like(n, z, 1), z), new_gate), im_mul(n, z, before));
}

/* Gates i (input), o (output), f (forget), c (cell); peepholes i, o, f. */
static void step_lstm(im_node *n, const direction *d, sl_value *x, sl_value *const *state, sl_value **next)
{
    sl_expr h = d->hidden;
    sl_value *gates = im_add(n, x, recur(n, state[0], d->recurrent)), *before = state[1];
    sl_value *i = part(n, gates, 1, 0, h), *o = part(n, gates, 1, 1, h), *f = part(n, gates, 1, 2, h), *c = part(n, gates, 1, 3, h);
    if (d->peephole) {
        i = im_add(n, i, im_mul(n, part(n, d->peephole, 0, 0, h), before));
        f = im_add(n, f, im_mul(n, part(n, d->peephole, 0, 2, h), before));
    }
    i = activate(n, d, 0, i);
    f = d->input_forget ? im_sub(n, im_like(n, i, 1), i) : activate(n, d, 0, f);
    c = activate(n, d, 1, c);
    sl_value *after = im_add(n, im_mul(n, f, before), im_mul(n, i, c));
    if (d->peephole) o = im_add(n, o, im_mul(n, part(n, d->peephole, 0, 1, h), after));
    o = activate(n, d, 0, o);
    next[0] = im_mul(n, o, im_activation(n, d->activations[2], d->alpha[2], d->beta[2], after));
    next[1] = after;
}

/* Results: all outputs (steps x batch x hidden, in time order), then the last states. */
static void run_direction(im_node *n, const direction *d, sl_value **outputs, sl_value **last)
{
    int states = d->kind == LSTM ? 2 : 1;
    sl_type state_type = im_tensor_type(n, d->element, 2, (sl_expr[]){d->batch, d->hidden});
    sl_type stack_type = im_tensor_type(n, d->element, 3, (sl_expr[]){d->steps, d->batch, d->hidden});
    sl_value *operands[2 + MAX_STATE] = {im_from_dim(n, d->steps), im_scalar_int(n, SL_ELEMENT_i1, 1)};
    for (int i = 0; i < states; i++) operands[2 + i] = im_broadcast(n, d->start[i], 2, (sl_expr[]){d->batch, d->hidden});
    im_attrs attrs = {0};
    im_attr(&attrs, "carried", sl_attr_int(n->context, states));
    im_attr(&attrs, "trip_count", sl_attr_expr(n->context, d->steps));
    sl_type types[MAX_STATE + 1];
    for (int i = 0; i < states; i++) types[i] = state_type;
    types[states] = stack_type;
    sl_op *loop = sl_build(n->builder, SL_OP_tensor_loop, 2 + states, operands, states + 1, types, attrs.count, attrs.list);
    sl_block *block = sl_op_body(loop, 0);
    sl_value *iteration = sl_block_add_argument(block, sl_type_tensor(n->context, SL_ELEMENT_i64, 0, NULL));
    sl_block_add_argument(block, sl_type_tensor(n->context, SL_ELEMENT_i1, 0, NULL));
    sl_value *state[MAX_STATE], *next[MAX_STATE] = {NULL};
    for (int i = 0; i < states; i++) state[i] = sl_block_add_argument(block, state_type);
    sl_builder saved = *n->builder;
    n->builder->block = block;
    n->builder->before = NULL;
    sl_value *at = d->reverse ? im_sub(n, im_from_dim(n, sl_expr_sub(n->context, d->steps, im_expr(n, 1))), iteration) : iteration;
    sl_value *x = im_take(n, d->input, at, 0);
    switch (d->kind) {
    case RNN: step_rnn(n, d, x, state, next); break;
    case GRU: step_gru(n, d, x, state, next); break;
    case LSTM: step_lstm(n, d, x, state, next); break;
    }
    sl_value *output = next[0];
    if (d->lengths) {
        sl_value *inside = im_unsqueeze(n, im_compare(n, "lt", at, d->lengths), 1);
        for (int i = 0; i < states; i++) next[i] = im_select(n, inside, next[i], state[i]);
        output = im_select(n, inside, output, im_like(n, output, 0));
    }
    sl_value *yields[MAX_STATE + 2] = {im_scalar_int(n, SL_ELEMENT_i1, 1)};
    for (int i = 0; i < states; i++) yields[1 + i] = im_broadcast(n, next[i], 2, (sl_expr[]){d->batch, d->hidden});
    yields[1 + states] = im_broadcast(n, output, 2, (sl_expr[]){d->batch, d->hidden});
    *n->builder = saved;
    im_yield(n, block, states + 2, yields);
    for (int i = 0; i < states; i++) last[i] = sl_op_result(loop, i);
    *outputs = sl_op_result(loop, states);
    if (d->reverse) *outputs = im_flip(n, *outputs, 0);
}

static sl_value *of_direction(im_node *n, sl_value *x, int index)
{
    return im_squeeze(n, im_slice_axis(n, x, 0, im_expr(n, index), im_expr(n, 1), 1), 0);
}

static void read_activations(im_node *n, cell kind, int direction_index, direction *d)
{
    static const char *const defaults[3][3] = {{"Tanh"}, {"Sigmoid", "Tanh"}, {"Sigmoid", "Tanh", "Tanh"}};
    static const int counts[3] = {1, 2, 3};
    const sl_param *names = im_param(n, "activations"), *alpha = im_param(n, "activation_alpha"), *beta = im_param(n, "activation_beta");
    int count = counts[kind];
    /* alpha and beta hold values only for the functions that take them, in order over all directions. */
    int64_t next_alpha = 0, next_beta = 0;
    for (int i = 0; i < count; i++) d->activations[i] = defaults[kind][i], d->alpha[i] = d->beta[i] = NAN;
    if (!names || names->kind != SL_PARAM_STRINGS) return;
    for (int k = 0; k <= direction_index; k++)
        for (int i = 0; i < count; i++) {
            int64_t at = (int64_t)k * count + i;
            if (at >= names->count) {
                if (k == direction_index && at - (int64_t)k * count < names->count) d->activations[i] = names->strings[i].bytes;
                continue;
            }
            const char *name = names->strings[at].bytes;
            bool takes_alpha = !strcasecmp(name, "Affine") || !strcasecmp(name, "LeakyRelu") || !strcasecmp(name, "ThresholdedRelu") ||
                               !strcasecmp(name, "ScaledTanh") || !strcasecmp(name, "HardSigmoid") || !strcasecmp(name, "Elu");
            bool takes_beta = !strcasecmp(name, "Affine") || !strcasecmp(name, "ScaledTanh") || !strcasecmp(name, "HardSigmoid");
            double a = NAN, b = NAN;
            if (takes_alpha && alpha && next_alpha < alpha->count) a = alpha->floats[next_alpha++];
            if (takes_beta && beta && next_beta < beta->count) b = beta->floats[next_beta++];
            if (k < direction_index) continue;
            d->activations[i] = name;
            d->alpha[i] = a;
            d->beta[i] = b;
        }
}

static void recurrent(im_node *n, cell kind)
{
    sl_value *x = im_in(n, 0), *w = im_in(n, 1), *r = im_in(n, 2), *bias = im_optional(n, 3), *lengths = im_optional(n, 4);
    sl_value *start[MAX_STATE] = {im_optional(n, 5), kind == LSTM ? im_optional(n, 6) : NULL}, *peephole = kind == LSTM ? im_optional(n, 7) : NULL;
    im_need_rank(n, x, "X", 3, 3);
    im_need_rank(n, w, "W", 3, 3);
    im_need_rank(n, r, "R", 3, 3);
    bool batch_first = im_bool(n, "layout", false);
    const char *name = im_string(n, "direction", "forward");
    bool both = !strcasecmp(name, "bidirectional"), reverse = !strcasecmp(name, "reverse");
    if (!both && !reverse && strcasecmp(name, "forward") != 0) im_fail(n, "direction '%s' is not supported", name);
    int gates = kind == RNN ? 1 : kind == GRU ? 3 : 4, directions = both ? 2 : 1, states = kind == LSTM ? 2 : 1;
    if (batch_first) {
        x = im_swap(n, x, 0, 1);
        for (int i = 0; i < states; i++)
            if (start[i]) start[i] = im_swap(n, start[i], 0, 1);
    }
    sl_expr hidden = im_dim(r, 2), batch = im_dim(x, 1);
    if (im_param(n, "hidden_size") && sl_expr_is_const(hidden, NULL) && !sl_expr_equals_const(hidden, im_int(n, "hidden_size", 0)))
        im_fail(n, "attribute 'hidden_size' does not fit R");
    if (lengths) lengths = im_cast(n, lengths, SL_ELEMENT_i64);
    sl_value *outputs[2], *last[2][MAX_STATE];
    for (int k = 0; k < directions; k++) {
        direction d = {.kind = kind, .steps = im_dim(x, 0), .batch = batch, .hidden = hidden, .element = im_element(x), .lengths = lengths};
        d.reverse = reverse || k == 1;
        d.linear_before_reset = kind == GRU && im_bool(n, "linear_before_reset", false);
        d.input_forget = kind == LSTM && im_bool(n, "input_forget", false);
        d.clip = im_float(n, "clip", 0);
        d.recurrent = of_direction(n, r, k);
        if (peephole) d.peephole = of_direction(n, peephole, k);
        read_activations(n, kind, k, &d);
        d.input = im_linear(n, x, of_direction(n, w, k), 1);
        if (bias) {
            sl_expr width = sl_expr_mul(n->context, hidden, im_expr(n, gates));
            sl_value *b = of_direction(n, bias, k), *wb = im_slice_axis(n, b, 0, im_expr(n, 0), width, 1), *rb = im_slice_axis(n, b, 0, width, width, 1);
            if (d.linear_before_reset) {
                d.recurrent_bias = part(n, rb, 0, 2, hidden);
                sl_expr two = sl_expr_mul(n->context, hidden, im_expr(n, 2));
                sl_value *zero = im_broadcast(n, im_like(n, b, 0), 1, &hidden);
                rb = im_concat(n, 0, 2, (sl_value *[]){im_slice_axis(n, rb, 0, im_expr(n, 0), two, 1), zero});
            }
            d.input = im_add(n, d.input, im_add(n, wb, rb));
        }
        for (int i = 0; i < states; i++) d.start[i] = start[i] ? of_direction(n, start[i], k) : im_like(n, x, 0);
        run_direction(n, &d, &outputs[k], last[k]);
        outputs[k] = im_unsqueeze(n, outputs[k], batch_first ? 2 : 1);
        for (int i = 0; i < states; i++) last[k][i] = im_unsqueeze(n, last[k][i], 0);
    }
    /* Y: steps x directions x batch x hidden, batch first: batch x steps x directions x hidden. States: directions x batch x hidden, or batch first. */
    if (im_wants(n, 0)) {
        sl_value *y = im_concat(n, batch_first ? 2 : 1, directions, outputs);
        im_out(n, 0, batch_first ? im_swap(n, y, 0, 1) : y);
    }
    for (int i = 0; i < states; i++) {
        if (!im_wants(n, i + 1)) continue;
        sl_value *parts[2] = {last[0][i], directions == 2 ? last[1][i] : NULL}, *y = im_concat(n, 0, directions, parts);
        im_out(n, i + 1, batch_first ? im_swap(n, y, 0, 1) : y);
    }
}

void im_op_rnn(im_node *n) { recurrent(n, RNN); }
void im_op_gru(im_node *n) { recurrent(n, GRU); }
void im_op_lstm(im_node *n) { recurrent(n, LSTM); }
