// The pass of `Llama.run` on an NVIDIA GPU, kernel by kernel. Scripts/build_ptx.sh makes model.ptx of it.
//
// Activations are floats, weights stay in the blocks of the GGUF file and become floats 32 at a time, keys and values are
// half-precision floats laid out as in `KVCache`. Rows of every matrix are a multiple of 32 elements.
// For tests the same text is compiled for the host (Tests/CEmulatedCuda); it has not run on a GPU yet.
#ifdef EMULATED_CUDA
#include "emulated_cuda.h"
#else
#include <stdint.h>
#define DYNAMIC_SHARED(name) extern __shared__ float name[]
static __device__ float from_half(uint16_t bits) {
    float value;
    asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(bits));
    return value;
}
static __device__ uint16_t to_half(float value) {
    uint16_t bits;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(bits) : "f"(value));
    return bits;
}
static __device__ float from_bits(uint32_t bits) { return __uint_as_float(bits); }
#endif

// ggml's numbers of the element types, as in CModelKernels.h.
enum { F32 = 0, F16 = 1, Q4_0 = 2, Q4_1 = 3, Q8_0 = 8, Q6_K = 14, BF16 = 30 };

// Blocks begin on any even address, so that wider reads must be put together.
static __device__ uint16_t read16(const uint8_t *place) { return *(const uint16_t *)place; }

// The 32 weights from `32 * part` on of a row.
static __device__ void weights32(uint32_t type, const uint8_t *row, uint32_t part, float *w) {
    switch (type) {
    case F32:
        for (int i = 0; i < 32; i++) w[i] = ((const float *)row)[32 * part + i];
        break;
    case F16:
        for (int i = 0; i < 32; i++) w[i] = from_half(read16(row + 2 * (32 * part + i)));
        break;
    case BF16:
        for (int i = 0; i < 32; i++) w[i] = from_bits((uint32_t)read16(row + 2 * (32 * part + i)) << 16);
        break;
    case Q4_0:
    case Q4_1: {
        const uint8_t *block = row + (type == Q4_0 ? 18 : 20) * part, *q = block + (type == Q4_0 ? 2 : 4);
        float d = from_half(read16(block)), m = type == Q4_0 ? -8 * d : from_half(read16(block + 2));
        for (int i = 0; i < 16; i++) {
            w[i] = d * (float)(q[i] & 15) + m;
            w[i + 16] = d * (float)(q[i] >> 4) + m;
        }
        break;
    }
    case Q8_0: {
        const uint8_t *block = row + 34 * part;
        float d = from_half(read16(block));
        for (int i = 0; i < 32; i++) w[i] = d * (float)(int8_t)block[2 + i];
        break;
    }
    case Q6_K: {  // 256 weights a block: 128 bytes of low halves, 64 of high quarters, 16 scales, d
        const uint8_t *block = row + 210 * (part / 8);
        uint32_t half = part % 8 / 4, quarter = part % 4;
        const uint8_t *low = block + 64 * half + 32 * (quarter & 1), *high = block + 128 + 32 * half;
        const int8_t *scales = (const int8_t *)block + 192 + 2 * (part % 8);
        float d = from_half(read16(block + 208));
        for (int i = 0; i < 32; i++) {
            int q = (quarter < 2 ? low[i] & 15 : low[i] >> 4) | (high[i] >> (2 * quarter) & 3) << 4;
            w[i] = d * (float)scales[i / 16] * (float)(q - 32);
        }
        break;
    }
    }
}

static __device__ float warp_sum(float value) {
    for (int mask = 16; mask > 0; mask /= 2) value += __shfl_xor_sync(0xFFFFFFFF, value, mask);
    return value;
}

// The sum over the whole block, at most 1024 threads; `shared` has room for 32 floats.
static __device__ float block_sum(float value, float *shared) {
    value = warp_sum(value);
    if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = value;
    __syncthreads();
    float sum = 0;
    for (uint32_t i = 0; i < (blockDim.x + 31) / 32; i++) sum += shared[i];
    __syncthreads();
    return sum;
}

// x[token] = row tokens[token] of the table. A block a token.
extern "C" __global__ void model_embed(uint32_t type, const uint8_t *table, uint64_t row_bytes, uint32_t columns,
                                       const uint32_t *tokens, float *x) {
    const uint8_t *row = table + tokens[blockIdx.x] * row_bytes;
    for (uint32_t part = threadIdx.x; part < columns / 32; part += blockDim.x)
        weights32(type, row, part, x + (uint64_t)blockIdx.x * columns + 32 * part);
}

// out = x * weight / sqrt(mean(x * x) + epsilon). A block a token.
extern "C" __global__ void model_norm(const float *x, const float *weight, uint32_t width, float epsilon, float *out) {
    DYNAMIC_SHARED(shared);
    x += (uint64_t)blockIdx.x * width;
    out += (uint64_t)blockIdx.x * width;
    float sum = 0;
    for (uint32_t i = threadIdx.x; i < width; i += blockDim.x) sum += x[i] * x[i];
    float scale = 1 / sqrtf(block_sum(sum, shared) / (float)width + epsilon);
    for (uint32_t i = threadIdx.x; i < width; i += blockDim.x) out[i] = x[i] * scale * weight[i];
}

// y = weights x, or y += weights x: for each row a warp, four tokens at a time.
extern "C" __global__ void model_multiply(uint32_t type, const uint8_t *weights, uint64_t row_bytes, uint32_t columns,
                                          uint32_t rows, const float *x, uint32_t tokens, float *y, uint32_t adds) {
    uint32_t row = blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32, lane = threadIdx.x % 32;
    if (row >= rows) return;
    for (uint32_t first = 0; first < tokens; first += 4) {
        float sums[4] = {0, 0, 0, 0};
        for (uint32_t part = lane; part < columns / 32; part += 32) {
            float w[32];
            weights32(type, weights + row * row_bytes, part, w);
            for (uint32_t t = 0; t < 4 && first + t < tokens; t++) {
                const float *a = x + (uint64_t)(first + t) * columns + 32 * part;
                for (int i = 0; i < 32; i++) sums[t] += w[i] * a[i];
            }
        }
        for (uint32_t t = 0; t < 4 && first + t < tokens; t++) {
            float sum = warp_sum(sums[t]);
            float *place = y + (uint64_t)(first + t) * rows + row;
            if (lane == 0) *place = adds ? *place + sum : sum;
        }
    }
}

// Turns neighbours of queries and keys by their angles, and stores keys and values in the cache. A block a token.
extern "C" __global__ void model_rotate(float *queries, const float *new_keys, const float *new_values, const float *rotations,
                                        const uint32_t *positions, const uint32_t *slots, uint32_t query_width,
                                        uint32_t key_width, uint32_t head_size, uint32_t context, uint16_t *keys,
                                        uint16_t *values) {
    uint32_t position = positions[blockIdx.x];
    const float *angles = rotations + (uint64_t)position * head_size;
    float *q = queries + (uint64_t)blockIdx.x * query_width;
    const float *k = new_keys + (uint64_t)blockIdx.x * key_width, *v = new_values + (uint64_t)blockIdx.x * key_width;
    uint64_t place = ((uint64_t)slots[blockIdx.x] * context + position) * key_width;
    for (uint32_t i = 2 * threadIdx.x; i < query_width; i += 2 * blockDim.x) {
        float cosine = angles[i % head_size], sine = angles[i % head_size + 1], a = q[i], b = q[i + 1];
        q[i] = a * cosine - b * sine;
        q[i + 1] = a * sine + b * cosine;
    }
    for (uint32_t i = 2 * threadIdx.x; i < key_width; i += 2 * blockDim.x) {
        float cosine = angles[i % head_size], sine = angles[i % head_size + 1], a = k[i], b = k[i + 1];
        keys[place + i] = to_half(a * cosine - b * sine);
        keys[place + i + 1] = to_half(a * sine + b * cosine);
        values[place + i] = to_half(v[i]);
        values[place + i + 1] = to_half(v[i + 1]);
    }
}

// out = softmax(scale * q . K) V. A block for each head of each token; shared memory for `context` + 32 floats.
extern "C" __global__ void model_attend(const float *queries, const uint16_t *keys, const uint16_t *values,
                                        const uint32_t *positions, const uint32_t *slots, uint32_t heads, uint32_t key_heads,
                                        uint32_t head_size, uint32_t context, float scale, float *out) {
    DYNAMIC_SHARED(shared);
    float *scores = shared + 32;
    uint32_t token = blockIdx.x / heads, head = blockIdx.x % heads, key_width = key_heads * head_size;
    uint32_t count = positions[token] + 1;
    uint64_t start = (uint64_t)slots[token] * context * key_width + head / (heads / key_heads) * head_size;
    const float *q = queries + (uint64_t)blockIdx.x * head_size;
    for (uint32_t p = threadIdx.x; p < count; p += blockDim.x) {
        const uint16_t *k = keys + start + (uint64_t)p * key_width;
        float score = 0;
        for (uint32_t i = 0; i < head_size; i++) score += q[i] * from_half(k[i]);
        scores[p] = score * scale;
    }
    __syncthreads();
    float most = scores[0], sum = 0;
    for (uint32_t p = 1; p < count; p++) most = fmaxf(most, scores[p]);
    __syncthreads();
    for (uint32_t p = threadIdx.x; p < count; p += blockDim.x) {
        scores[p] = expf(scores[p] - most);
        sum += scores[p];
    }
    sum = block_sum(sum, shared);
    for (uint32_t i = threadIdx.x; i < head_size; i += blockDim.x) {
        const uint16_t *v = values + start + i;
        float mixed = 0;
        for (uint32_t p = 0; p < count; p++) mixed += scores[p] * from_half(v[(uint64_t)p * key_width]);
        out[(uint64_t)blockIdx.x * head_size + i] = mixed / sum;
    }
}

// gate = silu(gate) * up
extern "C" __global__ void model_gate(float *gate, const float *up, uint32_t count) {
    uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < count) gate[i] = gate[i] / (1 + expf(-gate[i])) * up[i];
}
