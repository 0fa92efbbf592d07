#include "CModelKernels.h"

#include "blocks.h"
#include "table.h"

size_t mk_row_bytes(int type, int columns) {
    int block = 1;
    size_t bytes = 0;
    switch (type) {
    case MK_F32: bytes = 4; break;
    case MK_F16: case MK_BF16: bytes = 2; break;
    case MK_Q4_0: block = 32; bytes = sizeof(q4_0_block); break;
    case MK_Q4_1: block = 32; bytes = sizeof(q4_1_block); break;
    case MK_Q8_0: block = 32; bytes = sizeof(q8_0_block); break;
    case MK_Q6_K: block = 256; bytes = sizeof(q6_k_block); break;
    }
    // Activations come in blocks of 32.
    if (columns <= 0 || columns % 32 || columns % block) return 0;
    return bytes * (size_t)(columns / block);
}

void mk_dequantize(int type, const void *row, int columns, float *out) {
    switch (type) {
    case MK_F32: memcpy(out, row, (size_t)columns * 4); break;
    case MK_F16:
        for (int i = 0; i < columns; i++) out[i] = from_half(((const uint16_t *)row)[i]);
        break;
    case MK_BF16:
        for (int i = 0; i < columns; i++) out[i] = from_bits((uint32_t)((const uint16_t *)row)[i] << 16);
        break;
    case MK_Q4_0:
        for (int b = 0; b < columns / 32; b++, out += 32) {
            const q4_0_block *block = (const q4_0_block *)row + b;
            float d = from_half(block->d);
            for (int i = 0; i < 16; i++) {
                out[i] = d * (float)((block->q[i] & 15) - 8);
                out[i + 16] = d * (float)((block->q[i] >> 4) - 8);
            }
        }
        break;
    case MK_Q4_1:
        for (int b = 0; b < columns / 32; b++, out += 32) {
            const q4_1_block *block = (const q4_1_block *)row + b;
            float d = from_half(block->d), m = from_half(block->m);
            for (int i = 0; i < 16; i++) {
                out[i] = d * (float)(block->q[i] & 15) + m;
                out[i + 16] = d * (float)(block->q[i] >> 4) + m;
            }
        }
        break;
    case MK_Q8_0:
        for (int b = 0; b < columns / 32; b++, out += 32) {
            const q8_0_block *block = (const q8_0_block *)row + b;
            float d = from_half(block->d);
            for (int i = 0; i < 32; i++) out[i] = d * (float)block->q[i];
        }
        break;
    case MK_Q6_K:
        for (int b = 0; b < columns / 256; b++, out += 256) {
            const q6_k_block *block = (const q6_k_block *)row + b;
            float d = from_half(block->d);
            uint8_t q[256];
            unpack_q6_k(block, q);
            for (int i = 0; i < 256; i++) out[i] = d * (float)block->scales[i / 16] * (float)(q[i] - 32);
        }
        break;
    }
}

static const mk_table *table;

static const mk_table *best(void) {
#if defined(__x86_64__)
    if (mk_table_avx512_vnni.is_supported()) return &mk_table_avx512_vnni;
    if (mk_table_avx2.is_supported()) return &mk_table_avx2;
#endif
    return &mk_table_plain;
}

// Two threads that come first at once choose the same.
static const mk_table *chosen(void) {
    const mk_table *found = __atomic_load_n(&table, __ATOMIC_ACQUIRE);
    if (!found) {
        found = best();
        __atomic_store_n(&table, found, __ATOMIC_RELEASE);
    }
    return found;
}

const char *mk_instructions(void) { return chosen()->name; }

int mk_use(const char *name) {
    const mk_table *known[] = {
#if defined(__x86_64__)
        &mk_table_avx512_vnni, &mk_table_avx2,
#endif
        &mk_table_plain,
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (strcmp(known[i]->name, name) || !known[i]->is_supported()) continue;
        __atomic_store_n(&table, known[i], __ATOMIC_RELEASE);
        return 1;
    }
    return 0;
}

void mk_quantize(const float *x, int count, mk_block *blocks) { chosen()->quantize(x, count, blocks); }

void mk_multiply(int type, const void *weights, int columns, int first, int last, const float *x, const mk_block *blocks,
                 int tokens, float *y, size_t y_stride) {
    chosen()->multiply(type, weights, columns, first, last, x, blocks, tokens, y, y_stride);
}

void mk_attend(const float *q, int size, const uint16_t *keys, const uint16_t *values, size_t stride, int count, float scale,
               float *out) {
    chosen()->attend(q, size, keys, values, stride, count, scale, out);
}

void mk_halve(const float *x, int count, uint16_t *out) { chosen()->halve(x, count, out); }

void mk_rms_norm(const float *x, const float *weight, int count, float epsilon, float *out) {
    double sum = 0;
    for (int i = 0; i < count; i++) sum += (double)(x[i] * x[i]);
    float scale = 1.0f / __builtin_sqrtf((float)(sum / count) + epsilon);
    for (int i = 0; i < count; i++) out[i] = x[i] * scale * weight[i];
}

void mk_rotate(float *x, int size, const float *turns) { chosen()->rotate(x, size, turns); }

void mk_gate(float *gate, const float *up, int count) { chosen()->gate(gate, up, count); }
