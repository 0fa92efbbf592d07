// The kernels with 256-bit vectors. Included once for each set of instructions, which defines KERNEL_NAME, KERNEL_TABLE,
// KERNEL_SUPPORTED and DOT(sum, u, s): eight sums of four products of unsigned u and signed s.
#include <immintrin.h>
#include <math.h>

#include "blocks.h"
#include "table.h"

// Tokens that share one unpacking of the weights.
#define GROUP 4

static inline float sum8(__m256 v) {
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    half = _mm_add_ps(half, _mm_movehl_ps(half, half));
    return _mm_cvtss_f32(_mm_add_ss(half, _mm_movehdup_ps(half)));
}

static inline __m256i nibbles(const uint8_t *q) {
    __m128i packed = _mm_loadu_si128((const __m128i *)q);
    __m256i both = _mm256_set_m128i(_mm_srli_epi16(packed, 4), packed);
    return _mm256_and_si256(both, _mm256_set1_epi8(15));
}

static inline __m256 products(__m256i u, __m256i s) { return _mm256_cvtepi32_ps(DOT(_mm256_setzero_si256(), u, s)); }

static inline __m256i quants(const mk_block *a) { return _mm256_loadu_si256((const __m256i *)a->q); }

// (d, s) of the activations, in the two lowest lanes.
static inline __m128 scales(const mk_block *a) { return _mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)a)); }

static inline uint32_t load32(const void *at) {
    uint32_t value;
    memcpy(&value, at, 4);
    return value;
}

#define EACH_TOKEN for (int t = 0; t < count; t++)

// One row against `count` (at most GROUP, known when compiled) tokens, `stride` blocks apart.
static inline __attribute__((always_inline)) void row_q4_1(const q4_1_block *w, int n, const mk_block *a, size_t stride,
                                                           int count, float *y) {
    __m256 total[GROUP];
    __m128 rest[GROUP];
    EACH_TOKEN total[t] = _mm256_setzero_ps(), rest[t] = _mm_setzero_ps();
    for (int b = 0; b < n; b++) {
        __m256i q = nibbles(w[b].q);
        __m128 dm = _mm_cvtph_ps(_mm_cvtsi32_si128((int)load32(&w[b].d)));
        EACH_TOKEN {
            const mk_block *part = a + (size_t)t * stride + b;
            // The second lane sums m * s.
            rest[t] = _mm_fmadd_ps(dm, scales(part), rest[t]);
            __m256 scale = _mm256_broadcastss_ps(_mm_mul_ss(dm, scales(part)));
            total[t] = _mm256_fmadd_ps(scale, products(q, quants(part)), total[t]);
        }
    }
    EACH_TOKEN y[t] = sum8(total[t]) + _mm_cvtss_f32(_mm_movehdup_ps(rest[t]));
}

// Weights of d * q with signed q: |q| times q's sign on the activation.
static inline __attribute__((always_inline)) void row_signed(const char *w, size_t block_bytes, int is_q4, int n,
                                                             const mk_block *a, size_t stride, int count, float *y) {
    __m256 total[GROUP];
    EACH_TOKEN total[t] = _mm256_setzero_ps();
    for (int b = 0; b < n; b++, w += block_bytes) {
        uint16_t half;
        memcpy(&half, w, 2);
        float d = _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(half)));
        __m256i q = is_q4 ? _mm256_sub_epi8(nibbles((const uint8_t *)w + 2), _mm256_set1_epi8(8))
                          : _mm256_loadu_si256((const __m256i *)(w + 2));
        __m256i size = _mm256_abs_epi8(q);
        EACH_TOKEN {
            const mk_block *part = a + (size_t)t * stride + b;
            __m256 scale = _mm256_set1_ps(d * part->d);
            total[t] = _mm256_fmadd_ps(scale, products(size, _mm256_sign_epi8(quants(part), q)), total[t]);
        }
    }
    EACH_TOKEN y[t] = sum8(total[t]);
}

static inline __attribute__((always_inline)) void row_q6_k(const q6_k_block *w, int n, const mk_block *a, size_t stride,
                                                           int count, float *y) {
    __m256 total[GROUP];
    EACH_TOKEN total[t] = _mm256_setzero_ps();
    for (int b = 0; b < n; b++) {
        uint8_t q[256];
        unpack_q6_k(w + b, q);
        float d = _mm_cvtss_f32(_mm_cvtph_ps(_mm_cvtsi32_si128(w[b].d)));
        for (int g = 0; g < 8; g++) {
            __m256i centred = _mm256_sub_epi8(_mm256_loadu_si256((const __m256i *)(q + 32 * g)), _mm256_set1_epi8(32));
            __m256i size = _mm256_abs_epi8(centred);
            // The lower 16 elements have one scale, the upper 16 the next.
            __m256 scale = _mm256_set_m128(_mm_set1_ps(d * (float)w[b].scales[2 * g + 1]),
                                           _mm_set1_ps(d * (float)w[b].scales[2 * g]));
            EACH_TOKEN {
                const mk_block *part = a + (size_t)t * stride + 8 * b + g;
                __m256 factor = _mm256_mul_ps(scale, _mm256_set1_ps(part->d));
                total[t] = _mm256_fmadd_ps(factor, products(size, _mm256_sign_epi8(quants(part), centred)), total[t]);
            }
        }
    }
    EACH_TOKEN y[t] = sum8(total[t]);
}

static inline __m256 load8(int type, const void *row, int i) {
    if (type == MK_F32) return _mm256_loadu_ps((const float *)row + i);
    __m128i halves = _mm_loadu_si128((const __m128i *)((const uint16_t *)row + i));
    if (type == MK_F16) return _mm256_cvtph_ps(halves);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

static inline __attribute__((always_inline)) void row_float(int type, const void *w, int columns, const float *x, int count,
                                                            float *y) {
    __m256 total[GROUP];
    EACH_TOKEN total[t] = _mm256_setzero_ps();
    for (int i = 0; i < columns; i += 8) {
        __m256 v = load8(type, w, i);
        EACH_TOKEN total[t] = _mm256_fmadd_ps(v, _mm256_loadu_ps(x + (size_t)t * (size_t)columns + i), total[t]);
    }
    EACH_TOKEN y[t] = sum8(total[t]);
}

static inline __attribute__((always_inline)) void row(int type, const void *w, int columns, const float *x, const mk_block *a,
                                                      int count, float *y) {
    int n = columns / 32;
    size_t stride = (size_t)n;
    switch (type) {
    case MK_Q4_0: row_signed(w, sizeof(q4_0_block), 1, n, a, stride, count, y); break;
    case MK_Q4_1: row_q4_1(w, n, a, stride, count, y); break;
    case MK_Q8_0: row_signed(w, sizeof(q8_0_block), 0, n, a, stride, count, y); break;
    case MK_Q6_K: row_q6_k(w, columns / 256, a, stride, count, y); break;
    default: row_float(type, w, columns, x, count, y); break;
    }
}

static inline __attribute__((always_inline)) void rows(int type, const char *weights, int columns, int first, int last,
                                                       const float *x, const mk_block *blocks, int tokens, float *y,
                                                       size_t y_stride) {
    size_t row_bytes = mk_row_bytes(type, columns);
    float out[GROUP];
    for (int r = first; r < last; r++) {
        const char *w = weights + (size_t)r * row_bytes;
        int t = 0;
        for (; t + GROUP <= tokens; t += GROUP) {
            row(type, w, columns, x + (size_t)t * (size_t)columns, blocks + (size_t)t * (size_t)(columns / 32), GROUP, out);
            for (int i = 0; i < GROUP; i++) y[(size_t)(t + i) * y_stride + (size_t)r] = out[i];
        }
        for (; t < tokens; t++)
            row(type, w, columns, x + (size_t)t * (size_t)columns, blocks + (size_t)t * (size_t)(columns / 32), 1,
                y + (size_t)t * y_stride + (size_t)r);
    }
}

static void multiply(int type, const void *weights, int columns, int first, int last, const float *x, const mk_block *blocks,
                     int tokens, float *y, size_t y_stride) {
    // One loop a type, so that nothing is decided inside it.
    switch (type) {
    case MK_F32: rows(MK_F32, weights, columns, first, last, x, blocks, tokens, y, y_stride); break;
    case MK_F16: rows(MK_F16, weights, columns, first, last, x, blocks, tokens, y, y_stride); break;
    case MK_BF16: rows(MK_BF16, weights, columns, first, last, x, blocks, tokens, y, y_stride); break;
    case MK_Q4_0: rows(MK_Q4_0, weights, columns, first, last, x, blocks, tokens, y, y_stride); break;
    case MK_Q4_1: rows(MK_Q4_1, weights, columns, first, last, x, blocks, tokens, y, y_stride); break;
    case MK_Q8_0: rows(MK_Q8_0, weights, columns, first, last, x, blocks, tokens, y, y_stride); break;
    case MK_Q6_K: rows(MK_Q6_K, weights, columns, first, last, x, blocks, tokens, y, y_stride); break;
    }
}

static inline float rounded_to_half(float value) { return _cvtsh_ss(_cvtss_sh(value, 0)); }

static void quantize(const float *x, int count, mk_block *blocks) {
    for (; count > 0; count -= 32, x += 32, blocks++) {
        __m256 v[4], most = _mm256_setzero_ps();
        for (int i = 0; i < 4; i++) {
            v[i] = _mm256_loadu_ps(x + 8 * i);
            most = _mm256_max_ps(most, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v[i]));
        }
        __m128 m = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps(most, 1));
        m = _mm_max_ps(m, _mm_movehl_ps(m, m));
        float top = _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
        float d = top / 127.0f;
        __m256 inverse = _mm256_set1_ps(top > 0 ? 127.0f / top : 0);
        __m256i q[4], sum = _mm256_setzero_si256();
        for (int i = 0; i < 4; i++) {
            q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inverse));
            sum = _mm256_add_epi32(sum, q[i]);
        }
        __m256i bytes = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
        bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
        _mm256_storeu_si256((__m256i *)blocks->q, bytes);
        blocks->d = rounded_to_half(d);
        blocks->s = rounded_to_half(d * sum8(_mm256_cvtepi32_ps(sum)));
    }
}

static void halve(const float *x, int count, uint16_t *out) {
    int i = 0;
    for (; i + 8 <= count; i += 8) _mm_storeu_si128((__m128i *)(out + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), 0));
    for (; i < count; i++) out[i] = to_half(x[i]);
}

static void rotate(float *x, int size, const float *turns) {
    for (int i = 0; i < size; i += 2) {
        float a = x[i], b = x[i + 1], cosine = turns[i], sine = turns[i + 1];
        x[i] = __builtin_fmaf(a, cosine, -(b * sine));
        x[i + 1] = __builtin_fmaf(a, sine, b * cosine);
    }
}

static inline __m256 rounded8(__m256 v) { return _mm256_cvtph_ps(_mm256_cvtps_ph(v, 0)); }

// Half-precision products in ggml's order: four sums over every fourth eight, then pairs.
static inline float dot_halves(const uint16_t *a, const uint16_t *b, int size) {
    __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int i = 0; i < size; i += 8)
        sum[i / 8 & 3] = _mm256_fmadd_ps(load8(MK_F16, a, i), load8(MK_F16, b, i), sum[i / 8 & 3]);
    __m256 all = _mm256_add_ps(_mm256_add_ps(sum[0], sum[2]), _mm256_add_ps(sum[1], sum[3]));
    __m128 half = _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
    half = _mm_hadd_ps(half, half);
    return _mm_cvtss_f32(_mm_hadd_ps(half, half));
}

static void attend(const float *q, int size, const uint16_t *keys, const uint16_t *values, size_t stride, int count,
                   float scale, float *out) {
    uint16_t query[MK_MOST_HEAD];
    halve(q, size, query);
    float most = -INFINITY, sum = 0;
    for (int i = 0; i < size; i += 8) _mm256_storeu_ps(out + i, _mm256_setzero_ps());
    for (int p = 0; p < count; p++) {
        float score = dot_halves(keys + (size_t)p * stride, query, size) * scale;
        float weight = 1;
        if (score > most) {
            float shrink = expf(most - score);
            most = score;
            sum *= shrink;
            for (int i = 0; i < size; i += 8)
                _mm256_storeu_ps(out + i, rounded8(_mm256_mul_ps(_mm256_loadu_ps(out + i), _mm256_set1_ps(shrink))));
        } else {
            weight = expf(score - most);
        }
        sum += weight;
        for (int i = 0; i < size; i += 8) {
            __m256 value = load8(MK_F16, values + (size_t)p * stride, i);
            value = _mm256_fmadd_ps(value, _mm256_set1_ps(weight), _mm256_loadu_ps(out + i));
            _mm256_storeu_ps(out + i, rounded8(value));
        }
    }
    for (int i = 0; i < size; i += 8)
        _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_loadu_ps(out + i), _mm256_set1_ps(1 / sum)));
}

// e to the x by 2 to the n times a polynomial (Arm's Optimized Routines, expf), as ggml does, so that roundings agree.
static inline __m256 exp8(__m256 x) {
    const __m256 shift = _mm256_set1_ps(0x1.8p23f);
    // Beyond these, e to the x is 0 or infinity in what follows.
    x = _mm256_max_ps(_mm256_min_ps(x, _mm256_set1_ps(88)), _mm256_set1_ps(-87));
    __m256 shifted = _mm256_fmadd_ps(x, _mm256_set1_ps(0x1.715476p+0f), shift);
    __m256 n = _mm256_sub_ps(shifted, shift);
    __m256 b = _mm256_fnmadd_ps(n, _mm256_set1_ps(0x1.62e4p-1f), x);
    b = _mm256_fnmadd_ps(n, _mm256_set1_ps(0x1.7f7d1cp-20f), b);
    __m256i exponent = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
    __m256 k = _mm256_castsi256_ps(_mm256_add_epi32(exponent, _mm256_castps_si256(_mm256_set1_ps(1))));
    __m256 square = _mm256_mul_ps(b, b);
    __m256 high = _mm256_fmadd_ps(_mm256_set1_ps(0x1.0e4020p-7f), b, _mm256_set1_ps(0x1.573e2ep-5f));
    __m256 low = _mm256_fmadd_ps(_mm256_set1_ps(0x1.555e66p-3f), b, _mm256_set1_ps(0x1.fffdb6p-2f));
    __m256 rest = _mm256_mul_ps(_mm256_set1_ps(0x1.ffffecp-1f), b);
    rest = _mm256_fmadd_ps(_mm256_fmadd_ps(high, square, low), square, rest);
    return _mm256_fmadd_ps(rest, k, k);
}

static void gate(float *x, const float *up, int count) {
    for (int i = 0; i < count; i += 8) {
        __m256 v = _mm256_loadu_ps(x + i);
        __m256 below = _mm256_add_ps(_mm256_set1_ps(1), exp8(_mm256_sub_ps(_mm256_setzero_ps(), v)));
        _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_div_ps(v, below), _mm256_loadu_ps(up + i)));
    }
}

const mk_table KERNEL_TABLE = {KERNEL_NAME, KERNEL_SUPPORTED, quantize, multiply, attend, halve, rotate, gate};
