// The weights that RouterKit ships, inside the program: no file has to be found at run time.
#ifndef CWEIGHTS_H
#define CWEIGHTS_H
#include <stddef.h>

#include "CKernels.h"

/// First byte of the weights file (format: LearnedWeights+File.swift).
const unsigned char *cweights_bytes(void);
/// Its length.
size_t cweights_count(void);

#endif
