/* check_graph.c: what holds for a model whatever format it came in: every name of a graph is defined once, every use has a definition (in the graph or in
 * one around it), and the nodes stand in an order in which definitions come first.
 *
 * A graph's free names (used, but defined around it) are handed to the graph around, where they count as uses by the node that holds the body; so a node
 * also comes after what its bodies capture. Nodes already in order stay as they are; otherwise they are sorted by a depth-first walk in file order. A node
 * met again on the walk's own path closes a cycle. Names are interned, so they compare as pointers. */
#include "read_internal.h"
#include <string.h>

typedef struct name_entry { const char *name; int node; sl_place place; } name_entry;   /* node -1: input or initializer */
typedef struct name_map { name_entry *entries; size_t count, capacity; } name_map;
typedef struct free_name { const char *name; const sl_place *user; } free_name;
typedef SL_VEC(free_name) free_names;
typedef SL_VEC(int) int_list;

static size_t slot_of(const name_map *map, const char *name) {
    size_t slot = ((uintptr_t)name >> 3) * 0x9E3779B97F4A7C15u >> 16 & (map->capacity - 1);
    while (map->entries[slot].name && map->entries[slot].name != name) slot = (slot + 1) & (map->capacity - 1);
    return slot;
}

static name_entry *find_name(const name_map *map, const char *name) {
    if (!map->capacity) return NULL;
    name_entry *entry = &map->entries[slot_of(map, name)];
    return entry->name ? entry : NULL;
}

static void add_name(sl_arena *arena, name_map *map, const char *name, int node, const sl_place *place) {
    if (map->count * 2 >= map->capacity) {
        name_map larger = {.capacity = map->capacity ? map->capacity * 2 : 64, .count = map->count};
        larger.entries = SL_NEW_ARRAY(arena, name_entry, larger.capacity);
        for (size_t i = 0; i < map->capacity; i++)
            if (map->entries[i].name) larger.entries[slot_of(&larger, map->entries[i].name)] = map->entries[i];
        *map = larger;
    }
    map->entries[slot_of(map, name)] = (name_entry){name, node, *place};
    map->count++;
}

static void define(sl_reader *reader, name_map *map, const char *name, int node, const sl_place *place) {
    const name_entry *before = find_name(map, name);
    if (!before) {
        add_name(reader->arena, map, name, node, place);
        return;
    }
    const char *by = before->place.node ? sl_arena_printf(reader->arena, ", first by node '%s'", before->place.node)
                     : before->place.line ? sl_arena_printf(reader->arena, ", first on line %d", before->place.line) : "";
    sl_reader_error(reader, place, "the name '%.200s' is defined twice in one graph%s", name, by);
}

static void check_graph(sl_reader *reader, sl_graph *graph, const char *const *inputs, int input_count, free_names *frees);

static void use(sl_reader *reader, const name_map *map, const char *name, const sl_place *user, int_list *needs, name_map *seen, free_names *frees) {
    if (!*name) return;
    const name_entry *entry = find_name(map, name);
    if (entry) {
        if (entry->node >= 0 && needs) SL_PUSH(reader->arena, needs, entry->node);
    } else if (!find_name(seen, name)) {   /* each free name once, for its first user */
        add_name(reader->arena, seen, name, -1, user);
        SL_PUSH(reader->arena, frees, (free_name){name, user});
    }
}

static void use_in_bodies(sl_reader *reader, const name_map *map, const sl_node *node, int_list *needs, name_map *seen, free_names *frees) {
    for (int p = 0; p < node->param_count; p++) {
        const sl_param *param = &node->params[p];
        int64_t count = param->kind == SL_PARAM_GRAPH ? param->graph != NULL : param->kind == SL_PARAM_GRAPHS ? param->count : 0;
        for (int64_t g = 0; g < count; g++) {
            free_names inner = {0};
            check_graph(reader, param->kind == SL_PARAM_GRAPH ? param->graph : param->graphs[g], NULL, 0, &inner);
            for (size_t i = 0; i < inner.count; i++) use(reader, map, inner.data[i].name, inner.data[i].user, needs, seen, frees);
        }
    }
}

typedef struct walk_frame { int node; size_t next; } walk_frame;

static void report_cycle(sl_reader *reader, const sl_graph *graph, const walk_frame *path, size_t count, int again) {
    size_t start = count;
    while (start > 0 && path[start - 1].node != again) start--;
    sl_text names;
    sl_text_init(&names, reader->arena);
    /* The path goes from users to definitions; a reader of the message follows the data the other way round. */
    for (size_t i = count; i >= start && i > 0; i--) {
        if (count - i == 8 && i > start + 1) {
            sl_text_append(&names, "... -> ");
            i = start + 1;
        }
        sl_text_append(&names, "'%.100s' -> ", graph->nodes[path[i - 1].node].name);
        if (i == start) break;
    }
    sl_text_append(&names, "'%.100s'", graph->nodes[path[count - 1].node].name);
    sl_reader_error(reader, &graph->nodes[again].place, "the nodes form a cycle: %s", names.data);
}

/* Puts the nodes in order; false (reported) on a cycle. */
static bool sort_nodes(sl_reader *reader, sl_graph *graph, const int_list *needs) {
    bool sorted = true;
    for (int n = 0; n < graph->node_count && sorted; n++)
        for (size_t i = 0; i < needs[n].count && sorted; i++) sorted = needs[n].data[i] < n;
    if (sorted) return true;
    sl_arena *arena = reader->arena;
    enum { UNSEEN, ON_PATH, DONE };
    uint8_t *state = SL_NEW_ARRAY(arena, uint8_t, (size_t)graph->node_count);
    walk_frame *path = SL_NEW_ARRAY(arena, walk_frame, (size_t)graph->node_count);
    sl_node *order = SL_NEW_ARRAY(arena, sl_node, (size_t)graph->node_count);
    int placed = 0;
    for (int n = 0; n < graph->node_count; n++) {
        size_t depth = 0;
        if (state[n] != UNSEEN) continue;
        path[depth++] = (walk_frame){n, 0};
        state[n] = ON_PATH;
        while (depth) {
            walk_frame *top = &path[depth - 1];
            if (top->next == needs[top->node].count) {
                state[top->node] = DONE;
                order[placed++] = graph->nodes[top->node];
                depth--;
                continue;
            }
            int wanted = needs[top->node].data[top->next++];
            if (state[wanted] == ON_PATH) {
                report_cycle(reader, graph, path, depth, wanted);
                return false;
            }
            if (state[wanted] == UNSEEN) {
                state[wanted] = ON_PATH;
                path[depth++] = (walk_frame){wanted, 0};
            }
        }
    }
    graph->nodes = order;
    return true;
}

/* `inputs`: names of a function's inputs, which have no value infos. */
static void check_graph(sl_reader *reader, sl_graph *graph, const char *const *inputs, int input_count, free_names *frees) {
    name_map map = {0}, initializers = {0}, seen = {0};
    sl_place file = sl_reader_place(reader);
    for (int i = 0; i < input_count; i++) define(reader, &map, inputs[i], -1, &file);
    for (int i = 0; i < graph->input_count; i++) define(reader, &map, graph->inputs[i].name, -1, &graph->inputs[i].place);
    for (int i = 0; i < graph->initializer_count; i++) {
        const sl_graph_tensor *tensor = graph->initializers[i];
        define(reader, &initializers, tensor->name, -1, &tensor->place);
        if (!find_name(&map, tensor->name)) add_name(reader->arena, &map, tensor->name, -1, &tensor->place);   /* else an input's default */
    }
    for (int n = 0; n < graph->node_count; n++)
        for (int i = 0; i < graph->nodes[n].output_count; i++)
            if (*graph->nodes[n].outputs[i]) define(reader, &map, graph->nodes[n].outputs[i], n, &graph->nodes[n].place);
    int_list *needs = SL_NEW_ARRAY(reader->arena, int_list, (size_t)graph->node_count);
    for (int n = 0; n < graph->node_count; n++) {
        const sl_node *node = &graph->nodes[n];
        for (int i = 0; i < node->input_count; i++) use(reader, &map, node->inputs[i], &node->place, &needs[n], &seen, frees);
        use_in_bodies(reader, &map, node, &needs[n], &seen, frees);
    }
    for (int i = 0; i < graph->output_count; i++) use(reader, &map, graph->outputs[i].name, &graph->outputs[i].place, NULL, &seen, frees);
    sort_nodes(reader, graph, needs);
}

static void report_frees(sl_reader *reader, const char *where, const free_names *frees) {
    for (size_t i = 0; i < frees->count; i++) {
        const sl_place *user = frees->data[i].user;
        if (user->node) sl_reader_error(reader, user, "its input '%.200s' is defined nowhere%s", frees->data[i].name, where);
        else sl_reader_error(reader, user, "the output '%.200s' is defined nowhere%s", frees->data[i].name, where);
    }
}

bool sl_model_check(sl_reader *reader, sl_model *model) {
    free_names frees = {0};
    check_graph(reader, model->graph, NULL, 0, &frees);
    report_frees(reader, "", &frees);
    for (int i = 0; i < model->function_count; i++) {
        sl_graph_function *function = (sl_graph_function *)&model->functions[i];
        sl_graph body = {.node_count = function->node_count, .nodes = function->nodes};
        free_names inner = {0};
        sl_value_info *outputs = SL_NEW_ARRAY(reader->arena, sl_value_info, (size_t)function->output_count);
        for (int k = 0; k < function->output_count; k++) outputs[k] = (sl_value_info){.name = function->outputs[k], .place = sl_reader_place(reader)};
        body.output_count = function->output_count;
        body.outputs = outputs;
        check_graph(reader, &body, function->inputs, function->input_count, &inner);
        report_frees(reader, sl_arena_printf(reader->arena, " in function '%.200s'", function->name), &inner);
        function->nodes = body.nodes;
    }
    return reader->error_count == 0;
}
