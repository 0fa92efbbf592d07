// The blocks of quantised weights, and half-precision floats without the processor's help.
#ifndef MK_BLOCKS_H
#define MK_BLOCKS_H

#include <stdint.h>
#include <string.h>

typedef struct { uint16_t d; uint8_t q[16]; } q4_0_block;               // w = d (q - 8)
typedef struct { uint16_t d, m; uint8_t q[16]; } q4_1_block;            // w = d q + m
typedef struct { uint16_t d; int8_t q[32]; } q8_0_block;                // w = d q
typedef struct { uint8_t low[128], high[64]; int8_t scales[16]; uint16_t d; } q6_k_block;  // w = d scale (q - 32), 256 of them

static inline float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

static inline float from_half(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = (half >> 10) & 31, fraction = half & 1023;
    if (exponent == 31) return from_bits(sign | 0x7F800000 | fraction << 13);
    if (exponent == 0) {
        float value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

// Rounds to nearest, ties to even, as the processor's conversion does.
static inline uint16_t to_half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    bits &= 0x7FFFFFFF;
    if (bits > 0x7F800000) return sign | 0x7E00;
    if (bits >= 0x477FF000) return sign | 0x7C00;
    if (bits < 0x38800000) {  // a denormal of the half: let the adder round it
        float small = from_bits(bits) + 0.5f;
        memcpy(&bits, &small, 4);
        return sign | (uint16_t)(bits - 0x3F000000);
    }
    return sign | (uint16_t)((bits + 0xFFF + (bits >> 13 & 1) - 0x38000000) >> 13);
}

// The quants of a Q6_K block in the order of its elements, 0 ... 63.
static inline void unpack_q6_k(const q6_k_block *block, uint8_t *q) {
    for (int half = 0; half < 2; half++) {
        const uint8_t *low = block->low + 64 * half, *high = block->high + 32 * half;
        for (int i = 0; i < 32; i++) {
            q[128 * half + i] = (low[i] & 15) | (high[i] & 3) << 4;
            q[128 * half + i + 32] = (low[i + 32] & 15) | (high[i] >> 2 & 3) << 4;
            q[128 * half + i + 64] = (low[i] >> 4) | (high[i] >> 4 & 3) << 4;
            q[128 * half + i + 96] = (low[i + 32] >> 4) | (high[i] >> 6) << 4;
        }
    }
}

#endif
