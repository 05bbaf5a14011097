/* import_matmul.c: products: MatMul, Gemm, Einsum and com.microsoft's fused forms, all as tensor.contract with transposes only where the result's
 * order of dims asks for one. */
#include "import_internal.h"
#include <ctype.h>
#include <string.h>

void im_op_matmul(im_node *n) { im_out(n, 0, im_matmul(n, im_in(n, 0), im_in(n, 1), SL_ELEMENT_COUNT)); }

static sl_value *scaled(im_node *n, sl_value *x, double factor) { return factor == 1 ? x : im_binary_with(n, SL_OP_arith_mul, x, factor); }

/* The sides' transposition goes into the contraction: no copy is made. */
void im_op_gemm(im_node *n)
{
    sl_value *a = im_in(n, 0), *b = im_in(n, 1);
    im_need_rank(n, a, "A", 2, 2);
    im_need_rank(n, b, "B", 2, 2);
    int a_sum = im_bool(n, "transA", false) ? 0 : 1, b_sum = im_bool(n, "transB", false) ? 1 : 0;
    int64_t ak = sl_type_static_dim(sl_value_type(a), a_sum), bk = sl_type_static_dim(sl_value_type(b), b_sum);
    if (ak >= 0 && bk >= 0 && ak != bk) im_fail(n, "the inner dims of the product differ: %lld (A) and %lld (B)", (long long)ak, (long long)bk);
    im_contraction how = {.result = SL_ELEMENT_COUNT, .sum_count = 1, .left_sum = {a_sum}, .right_sum = {b_sum}};
    sl_value *y = scaled(n, im_contract(n, a, b, &how), im_float(n, "alpha", 1));
    double beta = im_float(n, "beta", 1);
    if (im_has(n, 2) && beta != 0) y = im_add(n, y, scaled(n, im_in(n, 2), beta));
    im_out(n, 0, y);
}

/* com.microsoft FusedMatMul: transposed sides, scaled. */
void im_op_fused_matmul(im_node *n)
{
    sl_value *a = im_in(n, 0), *b = im_in(n, 1);
    if (im_bool(n, "transBatchA", false) || im_bool(n, "transBatchB", false)) im_fail(n, "transposed batch dims are not supported");
    if (im_bool(n, "transA", false) && im_rank(a) > 1) a = im_swap(n, a, im_rank(a) - 1, im_rank(a) - 2);
    if (im_bool(n, "transB", false) && im_rank(b) > 1) b = im_swap(n, b, im_rank(b) - 1, im_rank(b) - 2);
    im_out(n, 0, scaled(n, im_matmul(n, a, b, SL_ELEMENT_COUNT), im_float(n, "alpha", 1)));
}

/* ---- Einsum: operands are contracted from left to right; a dim that no later operand and not the result has is summed as early as possible ----
 * Labels: letters, and 1, 2, ... for the dims of the ellipsis, right-aligned (so that the last one is 1). */

typedef struct term { sl_value *value; int count; int labels[SL_MAX_RANK]; } term;

static int find_label(const term *t, int label)
{
    for (int i = 0; i < t->count; i++)
        if (t->labels[i] == label) return i;
    return -1;
}

static void drop_label(term *t, int at)
{
    memmove(t->labels + at, t->labels + at + 1, sizeof(int) * (size_t)(t->count - at - 1));
    t->count--;
}

static void parse_labels(im_node *n, const char **text, int ellipsis, term *t)
{
    t->count = 0;
    for (; **text && **text != ',' && strncmp(*text, "->", 2) != 0; ++*text) {
        if (isspace((unsigned char)**text)) continue;
        int more = 1;
        if (**text == '.') {
            if (strncmp(*text, "...", 3) != 0) im_fail(n, "the equation has a lone '.'");
            *text += 2;
            more = ellipsis;
        } else if (!isalpha((unsigned char)**text)) {
            im_fail(n, "the equation has an unexpected '%c'", **text);
        }
        if (t->count + more > SL_MAX_RANK) im_fail(n, "a term of the equation has more than %d dims", SL_MAX_RANK);
        for (int i = more; i > 0; i--) t->labels[t->count++] = **text == '.' ? i : **text;
    }
}

/* Counts the letters of the next term, to know how many dims an ellipsis stands for. */
static int count_letters(const char *text, bool *ellipsis)
{
    int letters = 0;
    *ellipsis = false;
    for (; *text && *text != ',' && strncmp(text, "->", 2) != 0; text++) {
        letters += isalpha((unsigned char)*text) != 0;
        *ellipsis |= *text == '.';
    }
    return letters;
}

static void transpose_labels(im_node *n, term *t, const int *order, int count)
{
    int perm[SL_MAX_RANK];
    for (int i = 0; i < count; i++) perm[i] = find_label(t, order[i]);
    t->value = im_transpose(n, t->value, perm);
    memcpy(t->labels, order, sizeof(int) * (size_t)count);
}

/* A label that stands twice in one term selects the diagonal: both axes last, made one, every (n + 1)th element. */
static void take_diagonals(im_node *n, term *t)
{
    for (int i = 0; i < t->count; i++)
        for (int k = i + 1; k < t->count; k++) {
            if (t->labels[k] != t->labels[i]) continue;
            int label = t->labels[i], rank = t->count, perm[SL_MAX_RANK], at = 0;
            for (int d = 0; d < rank; d++)
                if (d != i && d != k) perm[at++] = d;
            perm[at] = i;
            perm[at + 1] = k;
            t->value = im_transpose(n, t->value, perm);
            int64_t size = im_static_dim(n, t->value, rank - 1, "the diagonal");
            if (im_static_dim(n, t->value, rank - 2, "the diagonal") != size) im_fail(n, "label '%c' has two sizes", label);
            sl_expr dims[SL_MAX_RANK];
            for (int d = 0; d < rank - 2; d++) dims[d] = im_dim(t->value, d);
            dims[rank - 2] = im_expr(n, size * size);
            t->value = im_slice_axis(n, im_reshape(n, t->value, rank - 1, dims), rank - 2, im_expr(n, 0), im_expr(n, size), size + 1);
            drop_label(t, k);
            drop_label(t, i);
            t->labels[t->count++] = label;
            take_diagonals(n, t);
            return;
        }
}

/* Sums over the labels for which neither the other term (may be NULL), nor the terms behind, nor the result have a use. */
static void sum_unused(im_node *n, term *t, const term *other, const term *rest, int rest_count, const term *result)
{
    int64_t axes[SL_MAX_RANK] = {0};
    int count = 0;
    for (int i = 0; i < t->count; i++) {
        bool used = find_label(result, t->labels[i]) >= 0 || (other && find_label(other, t->labels[i]) >= 0);
        for (int r = 0; r < rest_count && !used; r++) used = find_label(&rest[r], t->labels[i]) >= 0;
        if (!used) axes[count++] = i;
    }
    t->value = im_reduce(n, t->value, "sum", count, axes, false);
    for (int i = count - 1; i >= 0; i--) drop_label(t, (int)axes[i]);
}

static term contract_pair(im_node *n, term a, term b, const term *rest, int rest_count, const term *result)
{
    /* A dim of size 1 against a larger one (ellipsis broadcast) is dropped: the larger one stays as a free dim. */
    for (int i = a.count - 1; i >= 0; i--) {
        int k = find_label(&b, a.labels[i]);
        if (k < 0 || im_dim(a.value, i) == im_dim(b.value, k)) continue;
        if (im_is_one(im_dim(a.value, i))) a.value = im_squeeze(n, a.value, i), drop_label(&a, i);
        else if (im_is_one(im_dim(b.value, k))) b.value = im_squeeze(n, b.value, k), drop_label(&b, k);
    }
    sum_unused(n, &a, &b, rest, rest_count, result);
    sum_unused(n, &b, &a, rest, rest_count, result);
    im_contraction how = {.result = SL_ELEMENT_COUNT};
    term y = {0};
    bool a_free[SL_MAX_RANK] = {false}, b_free[SL_MAX_RANK] = {false};
    for (int i = 0; i < a.count; i++) {
        int k = find_label(&b, a.labels[i]);
        a_free[i] = k < 0;
        if (k < 0) continue;
        bool kept = find_label(result, a.labels[i]) >= 0;
        for (int r = 0; r < rest_count && !kept; r++) kept = find_label(&rest[r], a.labels[i]) >= 0;
        if (kept) {
            how.left_batch[how.batch_count] = i;
            how.right_batch[how.batch_count++] = k;
            y.labels[y.count++] = a.labels[i];
        } else {
            how.left_sum[how.sum_count] = i;
            how.right_sum[how.sum_count++] = k;
        }
    }
    for (int k = 0; k < b.count; k++) b_free[k] = find_label(&a, b.labels[k]) < 0;
    int total = y.count;
    for (int i = 0; i < a.count; i++) total += a_free[i];
    for (int k = 0; k < b.count; k++) total += b_free[k];
    if (total > SL_MAX_RANK) im_fail(n, "an intermediate result would have %d dims, at most %d are possible", total, SL_MAX_RANK);
    for (int i = 0; i < a.count; i++)
        if (a_free[i]) y.labels[y.count++] = a.labels[i];
    for (int k = 0; k < b.count; k++)
        if (b_free[k]) y.labels[y.count++] = b.labels[k];
    y.value = im_contract(n, a.value, b.value, &how);
    return y;
}

void im_op_einsum(im_node *n)
{
    const char *equation = im_string(n, "equation", NULL);
    if (!equation) im_fail(n, "attribute 'equation' is missing");
    int count = n->input_count, ellipsis = 0;
    if (count < 1 || count > 64) im_fail(n, "between 1 and 64 operands are possible");
    const char *text = equation;
    for (int i = 0; i < count; i++) {
        bool has;
        int letters = count_letters(text, &has), rank = im_rank(im_in(n, i));
        if (has ? rank < letters : rank != letters) im_fail(n, "term %d of '%s' has %d labels, the operand has rank %d", i, equation, letters, rank);
        if (has && rank - letters > ellipsis) ellipsis = rank - letters;
        text += strcspn(text, ",-");
        if (i + 1 < count && *text++ != ',') im_fail(n, "the equation '%s' has fewer terms than operands", equation);
    }
    if (*text == ',') im_fail(n, "the equation '%s' has more terms than operands", equation);
    bool explicit_result = !strncmp(text, "->", 2);
    term terms[64], result = {0};
    const char *at = equation;
    for (int i = 0; i < count; i++) {
        bool has;
        int letters = count_letters(at, &has);
        terms[i].value = im_in(n, i);
        parse_labels(n, &at, has ? im_rank(terms[i].value) - letters : 0, &terms[i]);
        if (*at == ',') at++;
    }
    if (explicit_result) {
        const char *output = text + 2;
        parse_labels(n, &output, ellipsis, &result);
        if (*output) im_fail(n, "the equation '%s' goes on after its result", equation);
    } else {                                                      /* the ellipsis, then all labels that stand once, by alphabet */
        for (int i = ellipsis; i > 0; i--) result.labels[result.count++] = i;
        for (int letter = 'A'; letter <= 'z'; letter++) {
            int seen = 0;
            for (int i = 0; i < count; i++)
                for (int k = 0; k < terms[i].count; k++) seen += terms[i].labels[k] == letter;
            if (seen != 1) continue;
            if (result.count == SL_MAX_RANK) im_fail(n, "the result has more than %d dims", SL_MAX_RANK);
            result.labels[result.count++] = letter;
        }
    }
    for (int i = 0; i < count; i++) take_diagonals(n, &terms[i]);
    term y = terms[0];
    if (count == 1) sum_unused(n, &y, NULL, NULL, 0, &result);
    for (int i = 1; i < count; i++) y = contract_pair(n, y, terms[i], terms + i + 1, count - i - 1, &result);
    for (int i = 0; i < result.count; i++)
        if (find_label(&y, result.labels[i]) < 0) im_fail(n, "the result of '%s' has a label that no operand has", equation);
    if (y.count != result.count) im_fail(n, "the result of '%s' repeats a label", equation);
    transpose_labels(n, &y, result.labels, result.count);
    im_out(n, 0, y.value);
}
