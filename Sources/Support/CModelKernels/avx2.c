#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>

static int supported(void) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// No pair of products exceeds 16 bits: 2 * 127 * 127 < 2^15.
#define DOT(sum, u, s) _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(u, s), _mm256_set1_epi16(1)))
#define KERNEL_NAME "avx2"
#define KERNEL_TABLE mk_table_avx2
#define KERNEL_SUPPORTED supported
#include "vector.h"

#pragma clang attribute pop
#endif
