/* group.c: queued launches, which kernel.flush runs as one launch over the tasks of all (see kernel.each): the layers of many branches at once.
 *
 * Schedules, by the load that is queued; a task is the same whichever runs it, so results are, too:
 *   loop      one launch after the other, each split over the threads: for one launch, or when asked for
 *   padded    a grid with as many tasks for each launch as the largest one has; empty ones return at once. For even loads: finding a task is one division
 *   grouped   tasks in one row, launches with the longest tasks first; a range of tasks finds its launch by bisection, and threads that are done take over ranges of others
 *
 * The queue's memory belongs to the session, which is made with as much as the program can need (the table says how much). */
#include "runtime_internal.h"

#include <string.h>

typedef struct job {
    sl_kernel_fn function;
    int32_t kernel;
    int64_t buffers, scalars;         /* first words in the queue's arguments */
    int64_t tasks, work;
    int64_t first;                    /* grouped: number of its first task */
} job;

typedef struct group {
    const job *jobs;
    const int32_t *order;             /* of jobs in the row of tasks; NULL: as they are */
    void *const *words;
    int64_t count, deep;              /* jobs; padded: tasks for each job */
} group;

static sl_status reserve(sluice_session *session, int64_t launches, int64_t words) {
    sl_queue *queue = &session->queue;
    static const char what[] = "the queue of launches";
    SL_TRY(sl_session_grow(session, &queue->jobs, launches * (int64_t)sizeof(job), SL_GROW_KEEP, what));
    SL_TRY(sl_session_grow(session, &queue->order, launches * (int64_t)sizeof(int32_t), SL_GROW_KEEP, what));
    return sl_session_grow(session, &queue->words, words * 8, SL_GROW_KEEP, what);
}

sl_status sl_group_reserve(sluice_session *session, int64_t launches, int64_t words) {
    if (launches < 0 || words < 0 || launches > INT32_MAX || words > INT32_MAX) return SL_ERROR(SL_INVALID_ARGUMENT, "a queue of %lld launches", (long long)launches);
    return launches ? reserve(session, launches, words) : NULL;
}

sl_status sl_group_add(sluice_session *session, int32_t kernel, sl_kernel_fn function, void *const *buffers, const int64_t *scalars, int64_t tasks, int64_t work,
                       int32_t buffer_count, int32_t scalar_count) {
    sl_queue *queue = &session->queue;
    int64_t words = queue->word_count + buffer_count + scalar_count;
    SL_TRY(reserve(session, queue->job_count + 1, words));
    job *added = (job *)queue->jobs.data + queue->job_count++;
    *added = (job){function, kernel, queue->word_count, queue->word_count + buffer_count, tasks, work, 0};
    uint8_t *to = (uint8_t *)queue->words.data + queue->word_count * 8;
    memcpy(to, buffers, (size_t)buffer_count * 8);
    memcpy(to + (size_t)buffer_count * 8, scalars, (size_t)scalar_count * 8);
    queue->word_count = words;
    return NULL;
}

static void run_job(const group *g, const job *j, int64_t first, int64_t end, sl_abi_worker *worker) {
    j->function(g->words + j->buffers, (const int64_t *)(g->words + j->scalars), first, end, worker);
}

static void run_grouped(void *const *buffers, const int64_t *scalars, int64_t first, int64_t end, sl_abi_worker *worker) {
    const group *g = (const group *)buffers;
    int64_t low = 0, high = g->count - 1;
    (void)scalars;
    while (low < high) {                              /* the last job that begins at or before `first` */
        int64_t middle = (low + high + 1) / 2;
        if (g->jobs[g->order[middle]].first <= first) low = middle;
        else high = middle - 1;
    }
    for (; first < end; low++) {
        const job *j = &g->jobs[g->order[low]];
        int64_t stop = j->first + j->tasks < end ? j->first + j->tasks : end;
        if (first < stop) run_job(g, j, first - j->first, stop - j->first, worker);
        first = stop;
    }
}

static void run_padded(void *const *buffers, const int64_t *scalars, int64_t first, int64_t end, sl_abi_worker *worker) {
    const group *g = (const group *)buffers;
    (void)scalars;
    for (int64_t number = first / g->deep; first < end; number++) {
        const job *j = &g->jobs[number];
        int64_t base = number * g->deep, stop = base + g->deep < end ? base + g->deep : end, last = stop - base < j->tasks ? stop - base : j->tasks;
        if (first - base < last) run_job(g, j, first - base, last, worker);
        first = stop;
    }
}

static bool is_longer(const job *a, const job *b) {
    double left = (double)a->work * (double)b->tasks, right = (double)b->work * (double)a->tasks;
    return left != right ? left > right : a < b;      /* a total order */
}

/* Shell sort: no memory, no recursion. */
static void order_jobs(const job *jobs, int32_t *order, int64_t count) {
    for (int64_t i = 0; i < count; i++) order[i] = (int32_t)i;
    int64_t gap = 1;
    while (gap < count / 3) gap = gap * 3 + 1;
    for (; gap > 0; gap /= 3)
        for (int64_t i = gap; i < count; i++) {
            int32_t moved = order[i];
            int64_t at = i;
            for (; at >= gap && is_longer(&jobs[moved], &jobs[order[at - gap]]); at -= gap) order[at] = order[at - gap];
            order[at] = moved;
        }
}

/* Tasks worth a thread: about ten microseconds of multiply-adds. */
static int64_t grain_of(int64_t tasks, int64_t work) {
    int64_t each = work / (tasks > 0 ? tasks : 1);
    return each >= 200000 ? 1 : 200000 / (each > 0 ? each : 1);
}

/* A grid takes tasks as they lie, so it is for loads whose tasks are alike: `heaviest` is the work of the largest one. */
static sluice_schedule choose(const sluice_session *session, int64_t count, int64_t total, int64_t most, int64_t work, int64_t heaviest, int32_t padding) {
    sluice_schedule asked = (sluice_schedule)session->options.schedule;
    if (asked != SLUICE_SCHEDULE_AUTO) return asked;
    if (count == 1) return SLUICE_SCHEDULE_LOOP;
    bool even = (double)most * (double)count <= (double)total * (1 + padding / 100.0) && (double)heaviest * (double)total <= 2.0 * (double)work;
    return even ? SLUICE_SCHEDULE_PADDED : SLUICE_SCHEDULE_GROUPED;
}

sl_status sl_group_run(sluice_session *session, int32_t padding, const char **message) {
    enum { CHUNKS = 16 };                             /* of a thread's share: what the slowest thread may be late */
    sl_queue *queue = &session->queue;
    job *jobs = queue->jobs.data;
    int64_t count = queue->job_count, total = 0, most = 0, work = 0, heaviest = 0;
    *message = NULL;
    for (int64_t i = 0; i < count; i++) {
        if (jobs[i].tasks > most) most = jobs[i].tasks;
        total += jobs[i].tasks > 0 ? jobs[i].tasks : 0;
        work += jobs[i].work;
        if (jobs[i].tasks > 0 && jobs[i].work / jobs[i].tasks > heaviest) heaviest = jobs[i].work / jobs[i].tasks;
    }
    queue->job_count = queue->word_count = 0;
    if (total == 0) return NULL;
    sluice_schedule schedule = choose(session, count, total, most, work, heaviest, padding);
    session->schedules[schedule]++;
    group g = {.jobs = jobs, .words = queue->words.data, .count = count, .deep = most};
    if (schedule == SLUICE_SCHEDULE_LOOP) {
        for (int64_t i = 0; i < count; i++) {
            const char *failed = sl_pool_run(session->pool, jobs[i].function, g.words + jobs[i].buffers, (const int64_t *)(g.words + jobs[i].scalars), jobs[i].tasks,
                                             grain_of(jobs[i].tasks, jobs[i].work), CHUNKS);
            if (failed && !*message) *message = failed;
        }
        return NULL;
    }
    int64_t grain = grain_of(total, work);
    if (schedule == SLUICE_SCHEDULE_PADDED) {
        *message = sl_pool_run(session->pool, run_padded, (void *const *)&g, NULL, most * count, grain, CHUNKS);
        return NULL;
    }
    order_jobs(jobs, queue->order.data, count);
    g.order = queue->order.data;
    for (int64_t i = 0, at = 0; i < count; i++) {
        jobs[g.order[i]].first = at;
        at += jobs[g.order[i]].tasks;
    }
    *message = sl_pool_run(session->pool, run_grouped, (void *const *)&g, NULL, total, grain, CHUNKS);
    return NULL;
}

int32_t sl_group_first_kernel(const sluice_session *session) { return session->queue.job_count ? ((const job *)session->queue.jobs.data)->kernel : 0; }

/* Time of the group, shared out by work. */
void sl_group_count_time(sluice_session *session, int64_t count, int64_t nanoseconds) {
    const job *jobs = session->queue.jobs.data;
    double work = 0;
    for (int64_t i = 0; i < count; i++) work += (double)jobs[i].work + 1;
    for (int64_t i = 0; i < count; i++) session->counts[jobs[i].kernel].nanoseconds += (int64_t)((double)nanoseconds * ((double)jobs[i].work + 1) / work);
}
