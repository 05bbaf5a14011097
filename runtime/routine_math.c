/* routine_math.c: random numbers and determinants. */
#include "runtime_internal.h"
#include "sluice/random.h"

#include <math.h>
#include <string.h>

int32_t sl_routine_random(const sl_routine_call *call) {
    const int64_t *ints = call->call->ints;
    const double *floats = call->call->floats;
    const sl_abi_tensor *out = &call->out[0];
    int64_t count = sl_abi_tensor_count(out);
    uint64_t seed = (uint64_t)ints[1];
    for (int64_t i = 0; i < count; i++) {
        double value = ints[0] ? floats[0] + floats[1] * sl_random_normal(seed, (uint64_t)i) : floats[0] + (floats[1] - floats[0]) * sl_random_uniform(seed, (uint64_t)i);
        sl_element_store_float((sl_element)out->element, out->data, i, value);
    }
    return 0;
}

/* Gaussian elimination with partial pivoting, in double. */
int32_t sl_routine_determinant(const sl_routine_call *call) {
    const sl_abi_tensor *x = &call->in[0], *out = &call->out[0];
    const int64_t *shape = x->shape;
    int64_t n = shape[x->rank - 1], matrices = sl_abi_tensor_count(out);
    sluice_session *session = call->frame->session;
    int64_t bytes;
    if (!sl_size_mul(n, n, &bytes) || !sl_size_mul(bytes, sizeof(double), &bytes)) return sl_routine_fail(call, SL_OVERFLOW, "the matrix is too large");
    double *a = sl_allocate(&session->allocator, (size_t)(bytes > 0 ? bytes : 1), 16);
    if (!a) return sl_routine_fail(call, SL_OUT_OF_MEMORY, "no memory for a matrix of %lld rows", (long long)n);
    for (int64_t m = 0; m < matrices; m++) {
        for (int64_t i = 0; i < n * n; i++) a[i] = sl_element_load_float((sl_element)x->element, x->data, m * n * n + i);
        double determinant = 1;
        for (int64_t column = 0; column < n && determinant != 0; column++) {
            int64_t pivot = column;
            for (int64_t row = column + 1; row < n; row++)
                if (fabs(a[row * n + column]) > fabs(a[pivot * n + column])) pivot = row;
            double diagonal = a[pivot * n + column];
            determinant *= pivot == column ? diagonal : -diagonal;
            if (diagonal == 0) break;
            for (int64_t k = 0; pivot != column && k < n; k++) {
                double swap = a[pivot * n + k];
                a[pivot * n + k] = a[column * n + k];
                a[column * n + k] = swap;
            }
            for (int64_t row = column + 1; row < n; row++) {
                double factor = a[row * n + column] / diagonal;
                for (int64_t k = column; k < n; k++) a[row * n + k] -= factor * a[column * n + k];
            }
        }
        sl_element_store_float((sl_element)out->element, out->data, m, determinant);
    }
    sl_deallocate(&session->allocator, a, (size_t)(bytes > 0 ? bytes : 1));
    return 0;
}
