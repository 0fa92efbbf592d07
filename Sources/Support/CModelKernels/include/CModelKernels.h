// Arithmetic of the demo model server on a CPU: what Swift cannot reach the instructions for.
//
// Weights stay in the blocks of the GGUF file (ggml's docs/gguf.md and ggml-quants.h describe them); activations are quantised
// to 8 bits a block of 32, rounded as ggml does, so that tokens can be compared with llama.cpp's.
// The instructions are chosen at the first call: AVX-512 VNNI, AVX2 with FMA and F16C, or plain C.
#ifndef CMODELKERNELS_H
#define CMODELKERNELS_H

#include <stddef.h>
#include <stdint.h>

// ggml's numbers of the element types that are understood here.
enum { MK_F32 = 0, MK_F16 = 1, MK_Q4_0 = 2, MK_Q4_1 = 3, MK_Q8_0 = 8, MK_Q6_K = 14, MK_BF16 = 30 };

// 32 activations: q * d, and s = d * sum(q).
typedef struct {
    float d;
    float s;
    int8_t q[32];
} mk_block;

// "avx512-vnni", "avx2" or "plain".
const char *mk_instructions(void);

// Takes the instructions of that name from now on, for tests; 0 when the processor lacks them.
int mk_use(const char *name);

// Bytes of a row of `columns` elements; 0 when the type is unknown or the columns do not fill its blocks.
size_t mk_row_bytes(int type, int columns);

// Quantises `count` activations, a multiple of 32.
void mk_quantize(const float *x, int count, mk_block *blocks);

// One row of weights as floats.
void mk_dequantize(int type, const void *row, int columns, float *out);

// out = row + scale * (b . A), one row of weights with a low-rank change added, in the row's own type: `b` has `rank` floats,
// A `rank` rows of `columns`, `sum` room for `columns` floats. Every element is added up from the first rank to the last and
// rounded as ggml quantises, so the same inputs give the same bytes anywhere. 0 when the type cannot be written (Q6_K).
int mk_merge(int type, const void *row, int columns, const float *b, const float *a, int rank, float scale, float *sum,
             void *out);

// y[t * y_stride + r] = row r of the weights . x of token t, for rows first..<last.
// `x` has `columns` floats a token, `blocks` columns / 32 blocks a token (read when the weights are quantised).
void mk_multiply(int type, const void *weights, int columns, int first, int last, const float *x, const mk_block *blocks,
                 int tokens, float *y, size_t y_stride);

// The most elements of a head.
enum { MK_MOST_HEAD = 1024 };

// out = softmax(scale * q . K) V for one head of `size` elements (a multiple of 8, at most MK_MOST_HEAD) over `count`
// positions. Keys and values are half-precision floats, `stride` elements from position to position. Queries and the sum
// that grows in `out` are rounded to half precision, as llama.cpp's flash attention does.
void mk_attend(const float *q, int size, const uint16_t *keys, const uint16_t *values, size_t stride, int count, float scale,
               float *out);

// Turns each pair of neighbours of a head of `size` elements; `turns` holds the cosine and sine of each pair.
void mk_rotate(float *x, int size, const float *turns);

// Stores floats as half-precision ones.
void mk_halve(const float *x, int count, uint16_t *out);

// out = x * weight / sqrt(mean(x * x) + epsilon)
void mk_rms_norm(const float *x, const float *weight, int count, float epsilon, float *out);

// gate = silu(gate) * up, for a multiple of 8 elements.
void mk_gate(float *gate, const float *up, int count);

#endif
