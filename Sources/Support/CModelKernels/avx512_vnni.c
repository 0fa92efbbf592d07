#if defined(__x86_64__)
#include <immintrin.h>
#include <math.h>
#include <string.h>

static int supported(void) {
    return __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avx512f,avx512vl,avx512bw,avx512vnni"))), apply_to = function)

#define DOT(sum, u, s) _mm256_dpbusd_epi32(sum, u, s)
#define KERNEL_NAME "avx512-vnni"
#define KERNEL_TABLE mk_table_avx512_vnni
#define KERNEL_SUPPORTED supported
#include "vector.h"

#pragma clang attribute pop
#endif
