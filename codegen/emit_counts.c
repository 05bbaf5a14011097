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

/* counts[index * fields + field] += value */
static void add_to(sl_emitter *e, LLVMValueRef counts, LLVMValueRef index, int fields, int field, LLVMValueRef value) {
    LLVMValueRef at = LLVMBuildAdd(B, LLVMBuildMul(B, index, sl_emit_i64(e, fields), ""), sl_emit_i64(e, field), "");
    LLVMValueRef place = LLVMBuildGEP2(B, e->i64, counts, &at, 1, "");
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
        if (host->members > 1) break;      /* inside of branches that share a body: places of their own */
        if (sl_op_attr(other, "site") && sl_op_int(other, "site", 0) == sl_op_int(op, "site", 0) && sl_op_int(other, "index", 0) == sl_op_int(op, "index", 0)) return (int64_t)i;
    }
    return (int64_t)host->branches.count;
}

/* The first site of a branch that was entered before, -1 for a new one. */
static int entered_before(const sl_host *host, const sl_op *op) {
    for (size_t i = 0; sl_op_attr(op, "entry") && i < host->branches.count; ++i)
        if (sl_op_int(host->branches.data[i].op, "entry", -1) == sl_op_int(op, "entry", -2)) return (int)i;
    return -1;
}

void sl_host_branch_site(sl_emitter *e, sl_op *op) {
    sl_host *host = e->host;
    int own = 0, known = entered_before(host, op);
    if (known >= 0) {
        host->next_branch = known;
        return;
    }
    int64_t first = find_site(host, op);
    const int64_t *numbers = sl_op_ints(op, "members", &own);
    for (int i = 0; i < host->members && first == (int64_t)host->branches.count - i; ++i) {
        int parent = host->branch < 0 ? -1 : host->branch + i / (host->members / host->branch_members);
        sl_host_branch branch = {op, parent, host->members, own ? (int)numbers[i % own] : (int)sl_op_int(op, "index", 0)};
        SL_PUSH(e->arena, &host->branches, branch);
    }
    host->next_branch = (int)first;
    LLVMValueRef site = sl_host_site_index(e, first), counts = sl_abi_load(e, SL_STRUCT_frame, host->frame, SL_FIELD_frame_branches);
    LLVMBasicBlockRef next = open_counting(e, counts);
    LLVMValueRef rows = sl_emit_host_expr(e, sl_attr_get_expr(sl_op_attr(op, "rows")), NULL);
    LLVMValueRef some = LLVMBuildZExt(B, LLVMBuildICmp(B, LLVMIntSGT, rows, sl_emit_i64(e, 0), ""), e->i64, "");
    add_to(e, counts, site, SL_ABI_BRANCH_FIELDS, SL_ABI_BRANCH_RUNS, some);
    add_to(e, counts, site, SL_ABI_BRANCH_FIELDS, SL_ABI_BRANCH_ROWS, rows);
    if (host->depth == 0) add_to(e, counts, site, SL_ABI_BRANCH_FIELDS, SL_ABI_BRANCH_DENSE, sl_emit_host_expr(e, sl_attr_get_expr(sl_op_attr(op, "dense")), NULL));
    close_counting(e, next);
}

/* Expression attribute when it is no constant. */
static sl_expr varying(const sl_op *op, const char *name) {
    sl_attr attr = sl_op_attr(op, name);
    return attr && !sl_expr_is_const(sl_attr_get_expr(attr), NULL) ? sl_attr_get_expr(attr) : NULL;
}

void sl_host_launch_counts(sl_emitter *e, sl_op *op) {
    sl_host *host = e->host;
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
    LLVMValueRef site = sl_host_site_index(e, (int64_t)host->launches.count - host->members);
    if (bytes) add_to(e, counts, site, SL_ABI_DENSE_FIELDS, SL_ABI_BYTES, sl_emit_host_expr(e, bytes, NULL));
    if (skips) {
        for (int m = 1; m <= host->members; ++m) host->sites.data[host->sites.count - (size_t)m].conditional = true;
        sl_attr all = sl_op_attr(op, "work");
        if (all) add_to(e, counts, site, SL_ABI_DENSE_FIELDS, SL_ABI_DENSE_WORK, sl_emit_host_expr(e, dense_work ? dense_work : sl_attr_get_expr(all), NULL));
        add_to(e, counts, site, SL_ABI_DENSE_FIELDS, SL_ABI_DENSE_RUNS, sl_emit_i64(e, 1));
        if (bytes) add_to(e, counts, site, SL_ABI_DENSE_FIELDS, SL_ABI_DENSE_BYTES, sl_emit_host_expr(e, dense_bytes, NULL));
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

/* A loop over the sites that a site with `members` ones stands for here, where fewer indices are set than inside: opens it, gives the index. */
typedef struct site_loop { LLVMValueRef index, phi; LLVMBasicBlockRef body; int64_t inner; } site_loop;

static LLVMValueRef open_sites(sl_emitter *e, site_loop *loop, int64_t first, int members) {
    sl_host *host = e->host;
    loop->inner = members / host->members;
    LLVMValueRef base = sl_emit_i64(e, first);
    if (host->member) base = LLVMBuildAdd(B, base, LLVMBuildMul(B, host->member, sl_emit_i64(e, loop->inner), ""), "");
    if (loop->inner == 1) return base;
    LLVMBasicBlockRef before = LLVMGetInsertBlock(B);
    loop->body = sl_emit_block(e, "sites");
    LLVMBuildBr(B, loop->body);
    LLVMPositionBuilderAtEnd(B, loop->body);
    LLVMValueRef zero = sl_emit_i64(e, 0);
    loop->phi = LLVMBuildPhi(B, e->i64, "");
    LLVMAddIncoming(loop->phi, &zero, &before, 1);
    return LLVMBuildAdd(B, base, loop->phi, "");
}

static void close_sites(sl_emitter *e, site_loop *loop) {
    if (loop->inner == 1) return;
    LLVMBasicBlockRef end = LLVMGetInsertBlock(B), after = sl_emit_block(e, "counted");
    LLVMValueRef next = LLVMBuildAdd(B, loop->phi, sl_emit_i64(e, 1), "");
    LLVMAddIncoming(loop->phi, &next, &end, 1);
    LLVMBuildCondBr(B, LLVMBuildICmp(B, LLVMIntSLT, next, sl_emit_i64(e, loop->inner), ""), loop->body, after);
    LLVMPositionBuilderAtEnd(B, after);
}

static void count_skipped(sl_emitter *e, const sl_op *top, size_t first_launch, size_t first_branch) {
    sl_host *host = e->host;
    LLVMValueRef counts = sl_abi_load(e, SL_STRUCT_frame, host->frame, SL_FIELD_frame_dense);
    LLVMBasicBlockRef next = open_counting(e, counts);
    site_loop loop;
    for (size_t i = first_launch; i < host->launches.count; i += (size_t)host->sites.data[i].members) {
        sl_op *launch = host->launches.data[i];
        if (host->sites.data[i].conditional || is_looped(launch, top)) continue;
        if (is_owed(host, host->sites.data[i].branch) || is_other_way(launch)) {
            host->sites.data[i].conditional = true;
            continue;
        }
        sl_attr work = sl_op_attr(launch, "work");
        sl_expr dense = work ? dense_expr(e, top, sl_attr_get_expr(work)) : sl_expr_const(sl_module_context(host->module), 0);
        if (!dense) continue;
        for (int m = 0; m < host->sites.data[i].members; ++m) host->sites.data[i + (size_t)m].conditional = true;
        sl_expr bytes = varying(launch, "bytes"), dense_bytes = bytes ? dense_expr(e, top, bytes) : NULL;
        LLVMValueRef value = sl_emit_host_expr(e, dense, NULL), read = dense_bytes ? sl_emit_host_expr(e, dense_bytes, NULL) : NULL;
        LLVMValueRef site = open_sites(e, &loop, (int64_t)i, host->sites.data[i].members);
        add_to(e, counts, site, SL_ABI_DENSE_FIELDS, SL_ABI_DENSE_WORK, value);
        add_to(e, counts, site, SL_ABI_DENSE_FIELDS, SL_ABI_DENSE_RUNS, sl_emit_i64(e, 1));
        if (read) add_to(e, counts, site, SL_ABI_DENSE_FIELDS, SL_ABI_DENSE_BYTES, read);
        close_sites(e, &loop);
    }
    LLVMValueRef branches = sl_abi_load(e, SL_STRUCT_frame, host->frame, SL_FIELD_frame_branches);
    for (size_t i = first_branch; i < host->branches.count; i += (size_t)host->branches.data[i].members) {
        sl_op *branch = host->branches.data[i].op;
        if (is_looped(branch, top)) continue;
        sl_expr dense = dense_expr(e, top, sl_attr_get_expr(sl_op_attr(branch, "dense")));
        if (!dense) continue;
        LLVMValueRef value = sl_emit_host_expr(e, dense, NULL), site = open_sites(e, &loop, (int64_t)i, host->branches.data[i].members);
        add_to(e, branches, site, SL_ABI_BRANCH_FIELDS, SL_ABI_BRANCH_DENSE, value);
        close_sites(e, &loop);
    }
    close_counting(e, next);
}

void sl_host_counted_if(sl_emitter *e, sl_op *op) {
    sl_host *host = e->host;
    size_t first_launch = host->launches.count, first_branch = host->branches.count;
    int around = host->branch, around_members = host->branch_members;
    if (host->next_branch >= 0) host->branch = host->next_branch, host->branch_members = host->members;
    host->next_branch = -1;
    ++host->depth;
    sl_emit_if(e, op);
    --host->depth;
    host->branch = around;
    host->branch_members = around_members;
    if (host->depth == 0 && (host->launches.count > first_launch || host->branches.count > first_branch)) count_skipped(e, op, first_launch, first_branch);
}
