// The kernels that exist once for each set of instructions.
#ifndef MK_TABLE_H
#define MK_TABLE_H

#include "CModelKernels.h"

typedef struct {
    const char *name;
    int (*is_supported)(void);
    void (*quantize)(const float *x, int count, mk_block *blocks);
    void (*multiply)(int type, const void *weights, int columns, int first, int last, const float *x, const mk_block *blocks,
                     int tokens, float *y, size_t y_stride);
    void (*attend)(const float *q, int size, const uint16_t *keys, const uint16_t *values, size_t stride, int count,
                   float scale, float *out);
    void (*halve)(const float *x, int count, uint16_t *out);
    void (*rotate)(float *x, int size, const float *turns);
    void (*gate)(float *x, const float *up, int count);
} mk_table;

extern const mk_table mk_table_plain, mk_table_avx2, mk_table_avx512_vnni;

#endif
