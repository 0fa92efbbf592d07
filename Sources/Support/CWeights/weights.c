#include "CWeights.h"

// #embed is C23; clang takes it in every mode.
#pragma clang diagnostic ignored "-Wc23-extensions"
static const unsigned char bytes[] = {
#embed "shipped.weights"
};

const unsigned char *cweights_bytes(void) { return bytes; }

size_t cweights_count(void) { return sizeof bytes; }
