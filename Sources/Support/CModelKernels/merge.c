// Weights with a low-rank change added (LoRA, arXiv 2106.09685), written back in their own type.
#include <math.h>

#include "CModelKernels.h"
#include "blocks.h"

// Nothing is fused: the same on every machine, and what numpy computes.
#pragma STDC FP_CONTRACT OFF

static uint8_t at_most_15(float value) { return value < 15.0f ? (uint8_t)value : 15; }

static float inverse(float d) { return d != 0.0f ? 1.0f / d : 0.0f; }

static void write_q4_0(const float *x, q4_0_block *block) {
    float most = 0;
    for (int i = 0; i < 32; i++) most = fabsf(x[i]) > fabsf(most) ? x[i] : most;
    float d = most / -8.0f, scale = inverse(d);
    block->d = to_half(d);
    for (int i = 0; i < 16; i++)
        block->q[i] = at_most_15(x[i] * scale + 8.5f) | (uint8_t)(at_most_15(x[i + 16] * scale + 8.5f) << 4);
}

static void write_q4_1(const float *x, q4_1_block *block) {
    float least = x[0], most = x[0];
    for (int i = 1; i < 32; i++) least = fminf(least, x[i]), most = fmaxf(most, x[i]);
    float d = (most - least) / 15.0f, scale = inverse(d);
    block->d = to_half(d);
    block->m = to_half(least);
    for (int i = 0; i < 16; i++)
        block->q[i] = at_most_15((x[i] - least) * scale + 0.5f) | (uint8_t)(at_most_15((x[i + 16] - least) * scale + 0.5f) << 4);
}

static void write_q8_0(const float *x, q8_0_block *block) {
    float most = 0;
    for (int i = 0; i < 32; i++) most = fmaxf(most, fabsf(x[i]));
    float d = most / 127.0f, scale = inverse(d);
    block->d = to_half(d);
    for (int i = 0; i < 32; i++) block->q[i] = (int8_t)roundf(x[i] * scale);
}

static uint16_t to_bf16(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

int mk_merge(int type, const void *row, int columns, const float *b, const float *a, int rank, float scale, float *sum,
             void *out) {
    float w[32];
    if (type == MK_Q6_K || !mk_row_bytes(type, columns)) return 0;
    size_t bytes = mk_row_bytes(type, columns) / (size_t)(columns / 32);
    memset(sum, 0, (size_t)columns * sizeof(float));
    for (int k = 0; k < rank; k++, a += columns)
        for (int i = 0; i < columns; i++) sum[i] += b[k] * a[i];
    for (int start = 0; start < columns; start += 32, row = (const char *)row + bytes, out = (char *)out + bytes) {
        mk_dequantize(type, row, 32, w);
        for (int i = 0; i < 32; i++) w[i] += scale * sum[start + i];
        switch (type) {
        case MK_F32: memcpy(out, w, sizeof(w)); break;
        case MK_F16:
            for (int i = 0; i < 32; i++) ((uint16_t *)out)[i] = to_half(w[i]);
            break;
        case MK_BF16:
            for (int i = 0; i < 32; i++) ((uint16_t *)out)[i] = to_bf16(w[i]);
            break;
        case MK_Q4_0: write_q4_0(w, out); break;
        case MK_Q4_1: write_q4_1(w, out); break;
        case MK_Q8_0: write_q8_0(w, out); break;
        }
    }
    return 1;
}
