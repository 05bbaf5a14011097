/* verify_types.c: what the verify hooks share (op_hooks.h): comparison with inferred types, terminators, attribute shapes. */
#include "op_hooks.h"
#include <string.h>

bool sl_verify_inferred(const sl_op *op) {
    sl_type types[SL_MAX_RANK];
    const char *message = NULL;
    if (!sl_op_infer(op, types, &message)) {
        sl_op_report(op, SL_SEVERITY_ERROR, "%s: %s", sl_op_name(op), message ? message : "its types do not fit together");
        return false;
    }
    bool ok = true;
    for (int i = 0; i < sl_op_result_count(op); i++) {
        sl_type type = sl_value_type(sl_op_result(op, i));
        if (!sl_types_conflict(type, types[i]))
            continue;
        sl_op_report(op, SL_SEVERITY_ERROR, "%s: result %d has type %s, expected %s", sl_op_name(op), i, sl_type_text(sl_op_context(op), type),
                     sl_type_text(sl_op_context(op), types[i]));
        ok = false;
    }
    return ok;
}

const sl_op *sl_verify_terminator(const sl_op *op, int region, sl_op_kind kind, sl_op_kind other) {
    const sl_block *block = sl_op_body(op, region);
    const sl_op *last = block ? sl_block_last(block) : NULL;
    if (last && (sl_op_get_kind(last) == kind || sl_op_get_kind(last) == other))
        return last;
    sl_op_report(op, SL_SEVERITY_ERROR, "%s: region %d must end with %s", sl_op_name(op), region, sl_op_info_get(kind)->full_name);
    return NULL;
}

bool sl_verify_word(const sl_op *op, const char *name, const char *words) {
    const char *value = sl_op_string(op, name, NULL);
    if (!value)
        return true;
    size_t length = strlen(value);
    for (const char *word = words; *word;) {
        size_t size = strcspn(word, " ");
        if (size == length && strncmp(word, value, length) == 0)
            return true;
        word += size + (word[size] == ' ');
    }
    sl_op_report(op, SL_SEVERITY_ERROR, "%s: `%s` is \"%s\", expected one of: %s", sl_op_name(op), name, value, words);
    return false;
}

bool sl_verify_ints(const sl_op *op, const char *name, int count, int64_t least) {
    int found;
    const int64_t *values = sl_op_ints(op, name, &found);
    if (found != count) {
        sl_op_report(op, SL_SEVERITY_ERROR, "%s: `%s` has %d entries, expected %d", sl_op_name(op), name, found, count);
        return false;
    }
    for (int i = 0; i < found; i++) {
        if (values[i] < least) {
            sl_op_report(op, SL_SEVERITY_ERROR, "%s: entry %d of `%s` is %lld, expected at least %lld", sl_op_name(op), i, name, (long long)values[i],
                         (long long)least);
            return false;
        }
    }
    return true;
}

static const char *attr_kind_noun(sl_attr_kind kind) {
    switch (kind) {
    case SL_ATTR_BOOL: return "a boolean";
    case SL_ATTR_INT: return "an integer";
    case SL_ATTR_FLOAT: return "a float";
    case SL_ATTR_STRING: return "a string";
    case SL_ATTR_TYPE: return "a type";
    case SL_ATTR_EXPR: return "an expression";
    case SL_ATTR_ARRAY: return "an array";
    case SL_ATTR_INTS: return "a list of integers";
    case SL_ATTR_MAP: return "a map";
    case SL_ATTR_DATA: return "data";
    case SL_ATTR_ENCODING: return "an encoding";
    }
    return "?";
}

bool sl_verify_array(const sl_op *op, const char *name, int count, sl_attr_kind kind) {
    sl_attr array = sl_op_attr(op, name);
    if (!array || sl_attr_get_kind(array) != SL_ATTR_ARRAY) {
        sl_op_report(op, SL_SEVERITY_ERROR, "%s: `%s` must be an array", sl_op_name(op), name);
        return false;
    }
    if (count >= 0 && sl_attr_count(array) != count) {
        sl_op_report(op, SL_SEVERITY_ERROR, "%s: `%s` has %d entries, expected %d", sl_op_name(op), name, sl_attr_count(array), count);
        return false;
    }
    for (int i = 0; i < sl_attr_count(array); i++) {
        if (sl_attr_get_kind(sl_attr_item(array, i)) != kind) {
            sl_op_report(op, SL_SEVERITY_ERROR, "%s: entry %d of `%s` must be %s", sl_op_name(op), i, name, attr_kind_noun(kind));
            return false;
        }
    }
    return true;
}
