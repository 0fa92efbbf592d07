// What CUDA C++ has and C++ has not, for one block at a time: each of its threads is a coroutine, which runs until the block
// or its warp has to meet.
#ifndef EMULATED_CUDA_H
#define EMULATED_CUDA_H

#include <math.h>
#include <stdint.h>

extern "C" {
#include "blocks.h"
}

struct emulated_index { uint32_t x; };

extern emulated_index threadIdx, blockIdx, blockDim;
extern float *emulated_shared;

// Waits for all threads of the block that are still running.
void __syncthreads();
// The value of the thread of this warp whose number differs by `mask`.
float __shfl_xor_sync(uint32_t members, float value, int mask);

#define __global__
#define __device__
#define DYNAMIC_SHARED(name) float *name = emulated_shared

#endif
