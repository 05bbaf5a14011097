/* pack.c: constant right operands of contractions rearranged while compiling into zero-padded panels [batch][panel][k / group][width][group], so that the register tile streams
 * them. The group is 1, or what a dot product instruction takes of k at once for each column. */
#include "tile_contract.h"

#include <string.h>

static int64_t pitch_of(const pack_layout *layout) { return layout->pitch ? layout->pitch : layout->width; }

/* One panel of elements of `size` bytes that need no conversion. */
static void pack_panel(uint8_t *out, const uint8_t *source, const pack_layout *layout, int64_t panel, size_t size) {
    int64_t first = panel * layout->width, columns = layout->n_count - first;
    if (columns > layout->width) columns = layout->width;
    if (columns <= 0) return;
    const int64_t *n = layout->n + first;
    bool contiguous = n[columns - 1] - n[0] == columns - 1;
    for (int64_t i = 1; i < columns && contiguous; i++) contiguous = n[i] - n[i - 1] == 1;
    if (contiguous) {
        for (int64_t k = 0; k < layout->k_count; k++)
            memcpy(out + (size_t)(k * pitch_of(layout)) * size, source + (size_t)(layout->k[k] + n[0]) * size, (size_t)columns * size);
        return;
    }
    /* Column by column: the source is read along k, which is contiguous in transposed weights. */
    for (int64_t j = 0; j < columns; j++) {
        uint8_t *to = out + (size_t)j * size;
        for (int64_t k = 0; k < layout->k_count; k++) {
            const uint8_t *from = source + (size_t)(layout->k[k] + n[j]) * size;
            if (size == 4) memcpy(to, from, 4);
            else memcpy(to, from, size);
            to += (size_t)pitch_of(layout) * size;
        }
    }
}

/* One panel with groups of k next to each other. */
static void pack_groups(uint8_t *out, const uint8_t *source, const pack_layout *layout, int64_t panel, size_t size) {
    int64_t first = panel * layout->width, columns = layout->n_count - first, group = layout->group;
    if (columns > layout->width) columns = layout->width;
    for (int64_t k0 = 0; k0 < layout->k_count; k0 += 64)         /* blocks, so that neither side's lines are read again and again */
        for (int64_t j = 0; j < columns; j++)
            for (int64_t k = k0; k < k0 + 64 && k < layout->k_count; k++) {
                uint8_t *to = out + (size_t)((k / group * pitch_of(layout) + j) * group + k % group) * size;
                const uint8_t *from = source + (size_t)(layout->k[k] + layout->n[first + j]) * size;
                if (size == 1) *to = *from;
                else memcpy(to, from, size);
            }
}

static void convert_panel(void *out, int64_t at, sl_attr source, int64_t base, const pack_layout *layout, int64_t panel) {
    bool floating = sl_element_is_float(layout->element);
    for (int64_t j = 0; j < layout->width && panel * layout->width + j < layout->n_count; j++)
        for (int64_t k = 0; k < layout->k_count; k++) {
            int64_t from = base + layout->k[k] + layout->n[panel * layout->width + j], to = at + (k / layout->group * pitch_of(layout) + j) * layout->group + k % layout->group;
            if (floating) sl_element_store_float(layout->element, out, to, sl_attr_data_float(source, from));
            else sl_element_store_int(layout->element, out, to, sl_attr_data_int(source, from));
        }
}

static int64_t panel_elements(const pack_layout *layout) { return layout->k_padded * pitch_of(layout); }

static void pack_into(void *out, sl_attr source, const pack_layout *layout) {
    int64_t panel_size = panel_elements(layout);
    sl_element from = sl_type_element(sl_attr_get_type(source));
    size_t size = (size_t)sl_element_bits(layout->element) / 8;
    const uint8_t *bytes = sl_attr_data_bytes(source);
    for (int64_t b = 0; b < layout->batch_count; b++)
        for (int64_t p = 0; p < layout->panels; p++) {
            int64_t at = (b * layout->panels + p) * panel_size + (int64_t)layout->first * layout->group;
            if (from == layout->element && layout->group > 1) pack_groups((uint8_t *)out + (size_t)at * size, bytes + (size_t)layout->batch[b] * size, layout, p, size);
            else if (from == layout->element) pack_panel((uint8_t *)out + (size_t)at * size, bytes + (size_t)layout->batch[b] * size, layout, p, size);
            else convert_panel(out, at, source, layout->batch[b], layout, p);
        }
}

static sl_attr pack_all(sl_context *context, int sources, const sl_attr *source, const pack_layout *layouts) {
    int64_t count = layouts[0].batch_count * layouts[0].panels * panel_elements(&layouts[0]);
    void *out;
    sl_attr packed = sl_attr_data_zero(context, sl_type_tensor_static(context, layouts[0].element, 1, &count), &out);
    for (int i = 0; i < sources; i++) pack_into(out, source[i], &layouts[i]);
    return packed;
}

sl_attr pack_constant(sl_context *context, sl_attr source, const pack_layout *layout) { return pack_all(context, 1, &source, layout); }

sl_attr pack_constants(sl_context *context, const sl_attr *sources, const pack_layout *layouts) { return pack_all(context, 2, sources, layouts); }

sl_attr pack_column_sums(sl_context *context, sl_attr source, const pack_layout *layout, int64_t factor) {
    int64_t pitch = layout->panels * layout->width, count = layout->batch_count * pitch;
    void *out;
    sl_attr sums = sl_attr_data_zero(context, sl_type_tensor_static(context, SL_ELEMENT_i32, 1, &count), &out);
    for (int64_t b = 0; b < layout->batch_count; b++)
        for (int64_t j = 0; j < layout->n_count; j++) {
            uint64_t sum = 0;
            for (int64_t k = 0; k < layout->k_count; k++) sum += (uint64_t)sl_attr_data_int(source, layout->batch[b] + layout->k[k] + layout->n[j]);
            ((int32_t *)out)[b * pitch + j] = (int32_t)(uint32_t)(sum * (uint64_t)factor);
        }
    return sums;
}
