// The inner loops of the learned classifier, in C so that they become vector instructions. Nothing allocates, nothing
// is checked: the reader of weights files has checked what they index by.
#ifndef CKERNELS_H
#define CKERNELS_H
#include <stddef.h>
#include <stdint.h>

/// Sums the rows (32 signed bytes each) that `chosen` names into `sums`, 32 numbers.
void ckernels_sum32(const void *rows, const uint16_t *chosen, size_t count, int32_t *sums);

/// The same with rows of 16.
void ckernels_sum16(const void *rows, const uint16_t *chosen, size_t count, int32_t *sums);

/// Adds each of 64 rows of `width` (16 or 32) numbers, times its value, to `sums`.
void ckernels_add64(const void *rows, size_t width, const float *values, float *sums);

/// How many of `edges_count` ascending edges lie below each of `count` values; the edges of a value follow those of
/// the one before.
void ckernels_bins(const float *edges, size_t edges_count, const float *values, size_t count, uint8_t *bins);

/// The sum of the leaves that `bins` leads to, one a tree. Trees are complete, of `depth` levels: `splits` has
/// 2^depth - 1 pairs (feature, bin) a tree, root first, and `leaves` 2^depth values a tree.
int32_t ckernels_trees(const uint8_t *splits, const int16_t *leaves, size_t depth, size_t count, const uint8_t *bins);

#endif
