// A FAKE CUDA driver over host memory, for tests only; nothing it does is ever a reported figure.
#pragma once
#include "ccuda.h"

/// Fills `table` with the fake's functions.
void fake_cuda_table(ccuda_table *table);
