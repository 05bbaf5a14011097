/* profile.c: profiles of routed rows: what runs saw, kept by host programs and `sluice run --profile-out`, read back by later compilations.
 *
 * {"format": "sluice-profile", "version": 1, "branches": [
 *   {"node": "node 'exit' (Route)", "branch": 1, "runs": 20, "rows": 320, "of": 1280, "whole_runs": 0, "least": 0.125, "most": 0.5}]}
 *
 * `of` counts the rows that reached the node: those of the branch around it, or all. A run that none reached says nothing. */
#include "driver.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

struct sluice_profile {
    sluice_context *host;
    sl_arena *arena;
    SL_VEC(sl_profile_branch) branches;
};

sluice_code sluice_profile_create(sluice_context *context, sluice_profile **profile) {
    if (!context || !profile) return SLUICE_INVALID_ARGUMENT;
    *profile = NULL;
    sl_arena *arena = sl_arena_create(sl_host_allocator(context), 0);
    if (!arena) return sl_host_fail(context, SL_ERROR(SL_OUT_OF_MEMORY, "no memory for a profile"));
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) {
        sl_arena_destroy(arena);
        return sl_host_fail(context, SL_ERROR(SL_OUT_OF_MEMORY, "no memory for a profile"));
    }
    sluice_profile *made = SL_NEW(arena, sluice_profile);
    made->host = context, made->arena = arena;
    sl_guard_leave(&guard);
    *profile = made;
    return SLUICE_OK;
}

void sluice_profile_destroy(sluice_profile *profile) {
    if (profile) sl_arena_destroy(profile->arena);
}

static sl_profile_branch *find_branch(sluice_profile *profile, const char *node, int64_t branch) {
    for (size_t i = 0; i < profile->branches.count; i++)
        if (profile->branches.data[i].branch == branch && strcmp(profile->branches.data[i].node, node) == 0) return &profile->branches.data[i];
    sl_profile_branch fresh = {.node = sl_arena_strdup(profile->arena, node), .branch = branch, .least = 1, .most = 0};
    SL_PUSH(profile->arena, &profile->branches, fresh);
    return &profile->branches.data[profile->branches.count - 1];
}

sluice_code sluice_profile_record(sluice_profile *profile, const sluice_session *session) {
    if (!profile || !session) return SLUICE_INVALID_ARGUMENT;
    int32_t count = sluice_session_branch_count(session);
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return sl_host_fail(profile->host, SL_ERROR(SL_OUT_OF_MEMORY, "no memory for a profile"));
    sluice_code code = SLUICE_OK;
    for (int32_t i = 0; i < count && code == SLUICE_OK; i++) {
        sluice_branch_counter counter, parent;
        code = sluice_session_branch(session, i, &counter);
        if (code != SLUICE_OK) break;
        int64_t reached = counter.dense_rows;
        if (counter.parent >= 0 && (code = sluice_session_branch(session, counter.parent, &parent)) == SLUICE_OK && parent.rows < reached) reached = parent.rows;
        if (code != SLUICE_OK || reached <= 0) continue;
        sl_profile_branch *branch = find_branch(profile, counter.location, counter.index);
        double share = (double)counter.rows / (double)reached;
        branch->runs++, branch->rows += counter.rows, branch->dense_rows += reached;
        branch->whole += counter.rows == reached;
        if (share < branch->least) branch->least = share;
        if (share > branch->most) branch->most = share;
    }
    sl_guard_leave(&guard);
    return code;
}

static sl_status write_profile(const sluice_profile *profile, const char *path) {
    cJSON *root = cJSON_CreateObject(), *branches = root ? cJSON_AddStringToObject(root, "format", "sluice-profile") && cJSON_AddNumberToObject(root, "version", 1)
                                                               ? cJSON_AddArrayToObject(root, "branches") : NULL : NULL;
    bool ok = branches != NULL;
    for (size_t i = 0; i < profile->branches.count && ok; i++) {
        const sl_profile_branch *b = &profile->branches.data[i];
        cJSON *entry = cJSON_CreateObject();
        ok = entry && cJSON_AddItemToArray(branches, entry) && cJSON_AddStringToObject(entry, "node", b->node) && cJSON_AddNumberToObject(entry, "branch", (double)b->branch) &&
             cJSON_AddNumberToObject(entry, "runs", (double)b->runs) && cJSON_AddNumberToObject(entry, "rows", (double)b->rows) &&
             cJSON_AddNumberToObject(entry, "of", (double)b->dense_rows) && cJSON_AddNumberToObject(entry, "whole_runs", (double)b->whole) &&
             cJSON_AddNumberToObject(entry, "least", b->least) && cJSON_AddNumberToObject(entry, "most", b->most);
    }
    char *text = ok ? cJSON_Print(root) : NULL;
    cJSON_Delete(root);
    if (!text) return SL_ERROR(SL_OUT_OF_MEMORY, "no memory to write '%s'", path);
    sl_status status = sl_file_write_atomic(path, text, strlen(text));
    cJSON_free(text);
    return status;
}

sluice_code sluice_profile_write(const sluice_profile *profile, const char *path) {
    if (!profile || !path) return SLUICE_INVALID_ARGUMENT;
    sl_guard guard;
    if (!SL_GUARD_ENTER(&guard)) return sl_host_fail(profile->host, SL_ERROR(SL_OUT_OF_MEMORY, "no memory to write '%s'", path));
    sl_status status = write_profile(profile, path);
    sl_guard_leave(&guard);
    return sl_host_fail(profile->host, status);
}

/* ---- reading ---- */

/* A count: a whole number that is not negative. */
static bool get_count(const cJSON *entry, const char *name, int64_t *value) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(entry, name);
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= 9e15) || item->valuedouble != floor(item->valuedouble)) return false;
    *value = (int64_t)item->valuedouble;
    return true;
}

static bool get_share(const cJSON *entry, const char *name, double *value) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(entry, name);
    *value = cJSON_IsNumber(item) ? item->valuedouble : -1;
    return *value >= 0 && *value <= 1;
}

static sl_status read_branches(sl_arena *arena, const char *path, const cJSON *root, const sl_profile **profile) {
    const cJSON *format = cJSON_GetObjectItemCaseSensitive(root, "format"), *version = cJSON_GetObjectItemCaseSensitive(root, "version"),
                *list = cJSON_GetObjectItemCaseSensitive(root, "branches"), *entry;
    if (!cJSON_IsString(format) || strcmp(format->valuestring, "sluice-profile") != 0) return SL_ERROR(SL_INVALID_ARGUMENT, "'%s' is no profile: it needs \"format\": \"sluice-profile\"", path);
    if (!cJSON_IsNumber(version) || version->valuedouble != 1) return SL_ERROR(SL_INVALID_ARGUMENT, "'%s': this version reads profiles of version 1", path);
    if (!cJSON_IsArray(list)) return SL_ERROR(SL_INVALID_ARGUMENT, "'%s': \"branches\" must be a list", path);
    SL_VEC(sl_profile_branch) branches = {0};
    cJSON_ArrayForEach(entry, list) {
        sl_profile_branch b;
        const cJSON *node = cJSON_GetObjectItemCaseSensitive(entry, "node");
        bool ok = cJSON_IsString(node) && get_count(entry, "branch", &b.branch) && get_count(entry, "runs", &b.runs) && get_count(entry, "rows", &b.rows) && get_count(entry, "of", &b.dense_rows) &&
                  get_count(entry, "whole_runs", &b.whole) && get_share(entry, "least", &b.least) && get_share(entry, "most", &b.most);
        if (!ok || b.rows > b.dense_rows || b.whole > b.runs || b.least > b.most)
            return SL_ERROR(SL_INVALID_ARGUMENT, "'%s': entry %zu of \"branches\" needs node, branch, runs, rows, of, whole_runs, least and most that fit each other", path, branches.count);
        b.node = sl_arena_strdup(arena, node->valuestring);
        SL_PUSH(arena, &branches, b);
    }
    sl_profile *made = SL_NEW(arena, sl_profile);
    made->count = (int)branches.count, made->branches = branches.data;
    *profile = made;
    return NULL;
}

static void delete_tree(void *tree) { cJSON_Delete(tree); }

sl_status sl_profile_read(sl_arena *arena, const char *path, const sl_profile **profile) {
    const uint8_t *text;
    int64_t size;
    SL_TRY(sl_file_read(arena, path, INT64_C(1) << 26, &text, &size));
    cJSON *root = cJSON_ParseWithLength((const char *)text, (size_t)size);
    if (!root) return SL_ERROR(SL_INVALID_ARGUMENT, "'%s' is no JSON", path);
    sl_arena_on_destroy(arena, delete_tree, root);
    return read_branches(arena, path, root, profile);
}
