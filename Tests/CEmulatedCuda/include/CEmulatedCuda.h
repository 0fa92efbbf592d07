// The model's CUDA kernels on the host: a fake of a GPU, thread by thread, for tests. Slow, and says nothing about speed.
#ifndef CEMULATEDCUDA_H
#define CEMULATEDCUDA_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Runs a kernel of model.cu with `blocks` blocks of `threads` threads. Arguments as the driver gets them, each widened to 64
// bits: addresses of memory, integers, bit patterns of floats. 0 when there is no such kernel, or not that many arguments.
int emulated_launch(const char *name, uint32_t blocks, uint32_t threads, uint32_t shared_bytes, const uint64_t *arguments,
                    int argument_count);

#ifdef __cplusplus
}
#endif
#endif
