#include "CKernels.h"

void ckernels_sum32(const void *rows, const uint16_t *chosen, size_t count, int32_t *sums) {
    // 16-bit sums hold 256 rows of signed bytes without overflow.
    const int8_t *bytes = rows;
    for (int column = 0; column < 32; column++) sums[column] = 0;
    for (size_t first = 0; first < count; first += 256) {
        int16_t part[32] = {0};
        size_t end = first + 256 < count ? first + 256 : count;
        for (size_t index = first; index < end; index++) {
            const int8_t *row = bytes + 32 * (size_t)chosen[index];
            for (int column = 0; column < 32; column++) part[column] += row[column];
        }
        for (int column = 0; column < 32; column++) sums[column] += part[column];
    }
}

void ckernels_sum16(const void *rows, const uint16_t *chosen, size_t count, int32_t *sums) {
    const int8_t *bytes = rows;
    for (int column = 0; column < 16; column++) sums[column] = 0;
    for (size_t first = 0; first < count; first += 256) {
        int16_t part[16] = {0};
        size_t end = first + 256 < count ? first + 256 : count;
        for (size_t index = first; index < end; index++) {
            const int8_t *row = bytes + 16 * (size_t)chosen[index];
            for (int column = 0; column < 16; column++) part[column] += row[column];
        }
        for (int column = 0; column < 16; column++) sums[column] += part[column];
    }
}

void ckernels_add64(const void *rows, size_t width, const float *values, float *sums) {
    const float *numbers = rows;
    for (size_t first = 0; first < width; first += 16) {
        float part[16];
        for (int column = 0; column < 16; column++) part[column] = sums[first + column];
        for (int row = 0; row < 64; row++) {
            float value = values[row];
            const float *mine = numbers + (size_t)row * width + first;
            for (int column = 0; column < 16; column++) part[column] += value * mine[column];
        }
        for (int column = 0; column < 16; column++) sums[first + column] = part[column];
    }
}

void ckernels_bins(const float *edges, size_t edges_count, const float *values, size_t count, uint8_t *bins) {
    // Counting all edges has no branch to guess wrong, and vectorises.
    for (size_t index = 0; index < count; index++) {
        const float *mine = edges + index * edges_count;
        float value = values[index];
        int32_t below = 0;
        for (size_t edge = 0; edge < edges_count; edge++) below += mine[edge] < value;
        bins[index] = (uint8_t)below;
    }
}

int32_t ckernels_trees(const uint8_t *splits, const int16_t *leaves, size_t depth, size_t count, const uint8_t *bins) {
    size_t leaf_count = (size_t)1 << depth, split_count = leaf_count - 1;
    int32_t sum = 0;
    size_t tree = 0;
    // Eight trees at a time: each step waits for memory, and the waits overlap.
    for (; tree + 8 <= count; tree += 8) {
        size_t at[8] = {0};
        for (size_t level = 0; level < depth; level++) {
            for (size_t lane = 0; lane < 8; lane++) {
                const uint8_t *split = splits + 2 * ((tree + lane) * split_count + at[lane]);
                at[lane] = 2 * at[lane] + 1 + (bins[split[0]] > split[1]);
            }
        }
        for (size_t lane = 0; lane < 8; lane++) sum += leaves[(tree + lane) * leaf_count + at[lane] - split_count];
    }
    for (; tree < count; tree++) {
        size_t at = 0;
        for (size_t level = 0; level < depth; level++) {
            const uint8_t *split = splits + 2 * (tree * split_count + at);
            at = 2 * at + 1 + (bins[split[0]] > split[1]);
        }
        sum += leaves[tree * leaf_count + at - split_count];
    }
    return sum;
}
