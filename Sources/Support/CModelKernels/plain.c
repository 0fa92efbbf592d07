// The kernels in plain C: what the others must agree with.
#include <math.h>
#include <string.h>

#include "blocks.h"
#include "table.h"

static int always(void) { return 1; }

static void quantize(const float *x, int count, mk_block *blocks) {
    for (; count > 0; count -= 32, x += 32, blocks++) {
        float most = 0;
        for (int i = 0; i < 32; i++) most = fmaxf(most, fabsf(x[i]));
        float d = most / 127.0f, inverse = most > 0 ? 127.0f / most : 0;
        int sum = 0;
        for (int i = 0; i < 32; i++) {
            blocks->q[i] = (int8_t)nearbyintf(x[i] * inverse);
            sum += blocks->q[i];
        }
        blocks->d = from_half(to_half(d));
        blocks->s = from_half(to_half(d * (float)sum));
    }
}

static float dot(int type, const void *row, int columns, const float *x, const mk_block *a) {
    float total = 0;
    switch (type) {
    case MK_F32:
        for (int i = 0; i < columns; i++) total += ((const float *)row)[i] * x[i];
        break;
    case MK_F16:
        for (int i = 0; i < columns; i++) total += from_half(((const uint16_t *)row)[i]) * x[i];
        break;
    case MK_BF16:
        for (int i = 0; i < columns; i++) total += from_bits((uint32_t)((const uint16_t *)row)[i] << 16) * x[i];
        break;
    case MK_Q4_0:
    case MK_Q4_1:
        for (int b = 0; b < columns / 32; b++, a++) {
            const q4_0_block *even = (const q4_0_block *)row + b;
            const q4_1_block *odd = (const q4_1_block *)row + b;
            const uint8_t *q = type == MK_Q4_0 ? even->q : odd->q;
            int sum = 0;
            for (int i = 0; i < 16; i++) sum += (q[i] & 15) * a->q[i] + (q[i] >> 4) * a->q[i + 16];
            if (type == MK_Q4_0) {
                int all = 0;
                for (int i = 0; i < 32; i++) all += a->q[i];
                total += from_half(even->d) * a->d * (float)(sum - 8 * all);
            } else {
                total += from_half(odd->d) * a->d * (float)sum + from_half(odd->m) * a->s;
            }
        }
        break;
    case MK_Q8_0:
        for (int b = 0; b < columns / 32; b++, a++) {
            const q8_0_block *block = (const q8_0_block *)row + b;
            int sum = 0;
            for (int i = 0; i < 32; i++) sum += block->q[i] * a->q[i];
            total += from_half(block->d) * a->d * (float)sum;
        }
        break;
    case MK_Q6_K:
        for (int b = 0; b < columns / 256; b++) {
            const q6_k_block *block = (const q6_k_block *)row + b;
            uint8_t q[256];
            unpack_q6_k(block, q);
            float d = from_half(block->d);
            for (int g = 0; g < 16; g++) {
                const mk_block *part = a + 8 * b + g / 2;
                int sum = 0;
                for (int i = 0; i < 16; i++) sum += (q[16 * g + i] - 32) * part->q[16 * (g & 1) + i];
                total += d * (float)block->scales[g] * part->d * (float)sum;
            }
        }
        break;
    }
    return total;
}

static void multiply(int type, const void *weights, int columns, int first, int last, const float *x, const mk_block *blocks,
                     int tokens, float *y, size_t y_stride) {
    size_t row_bytes = mk_row_bytes(type, columns);
    for (int row = first; row < last; row++)
        for (int t = 0; t < tokens; t++)
            y[(size_t)t * y_stride + (size_t)row] =
                dot(type, (const char *)weights + (size_t)row * row_bytes, columns, x + (size_t)t * (size_t)columns,
                    blocks + (size_t)t * (size_t)(columns / 32));
}

static void halve(const float *x, int count, uint16_t *out) {
    for (int i = 0; i < count; i++) out[i] = to_half(x[i]);
}

static void attend(const float *q, int size, const uint16_t *keys, const uint16_t *values, size_t stride, int count,
                   float scale, float *out) {
    float most = -INFINITY, sum = 0;
    memset(out, 0, (size_t)size * sizeof(float));
    for (int p = 0; p < count; p++, keys += stride, values += stride) {
        float score = 0, weight = 1;
        for (int i = 0; i < size; i++) score += from_half(to_half(q[i])) * from_half(keys[i]);
        score *= scale;
        if (score > most) {
            float shrink = expf(most - score);
            most = score;
            sum *= shrink;
            for (int i = 0; i < size; i++) out[i] = from_half(to_half(out[i] * shrink));
        } else {
            weight = expf(score - most);
        }
        sum += weight;
        for (int i = 0; i < size; i++) out[i] = from_half(to_half(out[i] + weight * from_half(values[i])));
    }
    for (int i = 0; i < size; i++) out[i] /= sum;
}

static void rotate(float *x, int size, const float *turns) {
    for (int i = 0; i < size; i += 2) {
        float a = x[i], b = x[i + 1];
        x[i] = a * turns[i] - b * turns[i + 1];
        x[i + 1] = a * turns[i + 1] + b * turns[i];
    }
}

static void gate(float *x, const float *up, int count) {
    for (int i = 0; i < count; i++) x[i] = x[i] / (1 + expf(-x[i])) * up[i];
}

const mk_table mk_table_plain = {"plain", always, quantize, multiply, attend, halve, rotate, gate};
