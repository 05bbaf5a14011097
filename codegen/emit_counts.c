/* emit_counts.c: counters of work that was skipped: what launches behind a kernel.if would have done without it.
 *
 * After the outermost kernel.if (of those with no loop between them) host code adds, when the session counts, for every launch inside: one run, and its `work` as it would be
 * if nothing were skipped: symbols that a kernel.bind gives a `dense` value are replaced by it. A launch whose work depends on anything else that was bound inside can't be
 * known from outside: it counts as what was done. So does a launch in a loop inside of a branch. The same for kernel.branch inside of branches. */
#include "host.h"
#include "sluice/abi.h"

#define B e->builder

static sl_expr dense_of(void *self, sl_expr symbol) {
    sl_emitter *e = self;
    for (size_t i = 0; i < e->host->binds.count; ++i) {
        sl_op *bind = e->host->binds.data[i];
        if (sl_attr_get_expr(sl_op_attr(bind, "symbol")) != symbol) continue;
        return sl_expr_substitute(sl_module_context(e->host->module), sl_attr_get_expr(sl_op_attr(bind, "dense")), NULL, 0, dense_of, e);
    }
    return symbol;
}

typedef struct inside { sl_emitter *e; const sl_op *top; sl_expr symbol; bool bound; } inside;

static bool binds_symbol(void *self, sl_op *op) {
    inside *search = self;
    if (sl_op_get_kind(op) == SL_OP_kernel_bind && sl_attr_get_expr(sl_op_attr(op, "symbol")) == search->symbol) search->bound = true;
    if (sl_op_get_kind(op) == SL_OP_kernel_call)
        for (int i = 0; i < sl_op_result_count(op); ++i) {
            sl_type type = sl_value_type(sl_op_result(op, i));
            for (int d = 0; d < sl_type_rank(type); ++d) search->bound |= sl_expr_uses_symbol(sl_type_dim(type, d), search->symbol);
        }
    return !search->bound;
}

static void check_symbol(void *self, sl_expr symbol) {
    inside *search = self;
    if (search->bound || !sl_expr_is_fresh(symbol)) return;
    search->symbol = symbol;
    sl_op_walk((sl_op *)search->top, binds_symbol, search);
}

/* The expression without skipping; NULL when it can't be told outside of `top`. */
static sl_expr dense_expr(sl_emitter *e, const sl_op *top, sl_expr expr) {
    sl_expr dense = sl_expr_substitute(sl_module_context(e->host->module), expr, NULL, 0, dense_of, e);
    inside search = {e, top, NULL, false};
    sl_expr_visit_symbols(dense, check_symbol, &search);
    return search.bound ? NULL : dense;
}

static void add_to(sl_emitter *e, LLVMValueRef counts, int64_t index, LLVMValueRef value) {
    LLVMValueRef place = sl_abi_element(e, e->i64, counts, index);
    LLVMBuildStore(B, LLVMBuildAdd(B, LLVMBuildLoad2(B, e->i64, place, ""), value, ""), place);
}

/* Opens a block that runs when the session counts; returns where to go on. */
static LLVMBasicBlockRef open_counting(sl_emitter *e, LLVMValueRef counts) {
    LLVMBasicBlockRef count = sl_emit_block(e, "count"), next = sl_emit_block(e, "counted");
    LLVMBuildCondBr(B, LLVMBuildICmp(B, LLVMIntNE, counts, LLVMConstNull(e->pointer), ""), count, next);
    LLVMPositionBuilderAtEnd(B, count);
    return next;
}

static void close_counting(sl_emitter *e, LLVMBasicBlockRef next) {
    LLVMBuildBr(B, next);
    LLVMPositionBuilderAtEnd(B, next);
}

/* The place among the branches: a new one, or that of a schedule of the same work. */
static int64_t find_site(const sl_host *host, const sl_op *op) {
    for (size_t i = 0; i < host->branches.count && sl_op_attr(op, "site"); ++i) {
        const sl_op *other = host->branches.data[i].op;
        if (sl_op_attr(other, "site") && sl_op_int(other, "site", 0) == sl_op_int(op, "site", 0) && sl_op_int(other, "index", 0) == sl_op_int(op, "index", 0)) return (int64_t)i;
    }
    return (int64_t)host->branches.count;
}

void sl_host_branch_site(sl_emitter *e, sl_op *op) {
    sl_host *host = e->host;
    int64_t site = find_site(host, op);
    sl_host_branch branch = {op, host->branch};
    if (site == (int64_t)host->branches.count) SL_PUSH(e->arena, &host->branches, branch);
    host->next_branch = (int)site;
    LLVMValueRef counts = sl_abi_load(e, SL_STRUCT_frame, host->frame, SL_FIELD_frame_branches);
    LLVMBasicBlockRef next = open_counting(e, counts);
    LLVMValueRef rows = sl_emit_host_expr(e, sl_attr_get_expr(sl_op_attr(op, "rows")), NULL);
    LLVMValueRef some = LLVMBuildZExt(B, LLVMBuildICmp(B, LLVMIntSGT, rows, sl_emit_i64(e, 0), ""), e->i64, "");
    add_to(e, counts, site * SL_ABI_BRANCH_FIELDS + SL_ABI_BRANCH_RUNS, some);
    add_to(e, counts, site * SL_ABI_BRANCH_FIELDS + SL_ABI_BRANCH_ROWS, rows);
    if (host->depth == 0) add_to(e, counts, site * SL_ABI_BRANCH_FIELDS + SL_ABI_BRANCH_DENSE, sl_emit_host_expr(e, sl_attr_get_expr(sl_op_attr(op, "dense")), NULL));
    close_counting(e, next);
}

/* Expression attribute when it is no constant. */
static sl_expr varying(const sl_op *op, const char *name) {
    sl_attr attr = sl_op_attr(op, name);
    return attr && !sl_expr_is_const(sl_attr_get_expr(attr), NULL) ? sl_attr_get_expr(attr) : NULL;
}

void sl_host_launch_counts(sl_emitter *e, sl_op *op) {
    sl_host *host = e->host;
    int64_t site = ((int64_t)host->launches.count - 1) * SL_ABI_DENSE_FIELDS;
    sl_expr bytes = varying(op, "bytes"), work = varying(op, "work"), dense_work = NULL, dense_bytes = NULL;
    if (host->depth == 0) {    /* behind a kernel.if the outermost one counts what was skipped */
        sl_context *context = sl_module_context(host->module);
        if (work) dense_work = sl_expr_substitute(context, work, NULL, 0, dense_of, e);
        if (bytes) dense_bytes = sl_expr_substitute(context, bytes, NULL, 0, dense_of, e);
    }
    bool skips = (work && dense_work && dense_work != work) || (bytes && dense_bytes && dense_bytes != bytes);
    if (!bytes && !skips) return;
    LLVMValueRef counts = sl_abi_load(e, SL_STRUCT_frame, host->frame, SL_FIELD_frame_dense);
    LLVMBasicBlockRef next = open_counting(e, counts);
    if (bytes) add_to(e, counts, site + SL_ABI_BYTES, sl_emit_host_expr(e, bytes, NULL));
    if (skips) {
        host->sites.data[host->sites.count - 1].conditional = true;
        sl_attr all = sl_op_attr(op, "work");
        if (all) add_to(e, counts, site + SL_ABI_DENSE_WORK, sl_emit_host_expr(e, dense_work ? dense_work : sl_attr_get_expr(all), NULL));
        add_to(e, counts, site + SL_ABI_DENSE_RUNS, sl_emit_i64(e, 1));
        if (bytes) add_to(e, counts, site + SL_ABI_DENSE_BYTES, sl_emit_host_expr(e, dense_bytes, NULL));
    }
    close_counting(e, next);
}

/* Whether a loop stands between op and the kernel.if `top` around it. */
static bool is_looped(const sl_op *op, const sl_op *top) {
    for (const sl_op *parent = sl_op_parent(op); parent && parent != top; parent = sl_op_parent(parent))
        if (sl_op_get_kind(parent) == SL_OP_kernel_while) return true;
    return false;
}

/* A branch that no row would take without skipping: what skipped rows owe to states. Nothing in it counts as dense. */
static bool is_owed(const sl_host *host, int branch) {
    for (; branch >= 0; branch = host->branches.data[branch].parent)
        if (sl_expr_equals_const(sl_attr_get_expr(sl_op_attr(host->branches.data[branch].op, "dense")), 0)) return true;
    return false;
}

/* Whether op is in the first region of a kernel.if over two schedules of the same work: there the second one is what counts as the whole. */
static bool is_other_way(const sl_op *op) {
    for (const sl_op *at = op, *parent; (parent = sl_op_parent(at)) != NULL; at = parent)
        if (sl_op_get_kind(parent) == SL_OP_kernel_if && sl_op_bool(parent, "schedule", false) && sl_op_block(at) == sl_op_body(parent, 0)) return true;
    return false;
}

static void count_skipped(sl_emitter *e, const sl_op *top, size_t first_launch, size_t first_branch) {
    sl_host *host = e->host;
    LLVMValueRef counts = sl_abi_load(e, SL_STRUCT_frame, host->frame, SL_FIELD_frame_dense);
    LLVMBasicBlockRef next = open_counting(e, counts);
    for (size_t i = first_launch; i < host->launches.count; ++i) {
        sl_op *launch = host->launches.data[i];
        if (host->sites.data[i].conditional || is_looped(launch, top)) continue;
        if (is_owed(host, host->sites.data[i].branch) || is_other_way(launch)) {
            host->sites.data[i].conditional = true;
            continue;
        }
        sl_attr work = sl_op_attr(launch, "work");
        sl_expr dense = work ? dense_expr(e, top, sl_attr_get_expr(work)) : sl_expr_const(sl_module_context(host->module), 0);
        if (!dense) continue;
        host->sites.data[i].conditional = true;
        add_to(e, counts, (int64_t)i * SL_ABI_DENSE_FIELDS + SL_ABI_DENSE_WORK, sl_emit_host_expr(e, dense, NULL));
        add_to(e, counts, (int64_t)i * SL_ABI_DENSE_FIELDS + SL_ABI_DENSE_RUNS, sl_emit_i64(e, 1));
        sl_expr bytes = varying(launch, "bytes"), dense_bytes = bytes ? dense_expr(e, top, bytes) : NULL;
        if (dense_bytes) add_to(e, counts, (int64_t)i * SL_ABI_DENSE_FIELDS + SL_ABI_DENSE_BYTES, sl_emit_host_expr(e, dense_bytes, NULL));
    }
    LLVMValueRef branches = sl_abi_load(e, SL_STRUCT_frame, host->frame, SL_FIELD_frame_branches);
    for (size_t i = first_branch; i < host->branches.count; ++i) {
        sl_op *branch = host->branches.data[i].op;
        if (is_looped(branch, top)) continue;
        sl_expr dense = dense_expr(e, top, sl_attr_get_expr(sl_op_attr(branch, "dense")));
        if (dense) add_to(e, branches, (int64_t)i * SL_ABI_BRANCH_FIELDS + SL_ABI_BRANCH_DENSE, sl_emit_host_expr(e, dense, NULL));
    }
    close_counting(e, next);
}

void sl_host_counted_if(sl_emitter *e, sl_op *op) {
    sl_host *host = e->host;
    size_t first_launch = host->launches.count, first_branch = host->branches.count;
    int around = host->branch;
    if (host->next_branch >= 0) host->branch = host->next_branch;
    host->next_branch = -1;
    ++host->depth;
    sl_emit_if(e, op);
    --host->depth;
    host->branch = around;
    if (host->depth == 0 && (host->launches.count > first_launch || host->branches.count > first_branch)) count_skipped(e, op, first_launch, first_branch);
}
