// The CUDA driver, found at run time. Nothing is linked: one binary runs with and without a GPU.
#pragma once
#include "ccuda_functions.h"
#include "ccuda_types.h"

/// The driver's functions. A required one is never null after `ccuda_load` returned CCUDA_LOADED.
typedef struct {
#define CCUDA_FIELD(field, name, exported, version, is_required, parameters) ccuda_result(*field) parameters;
    CCUDA_FUNCTIONS(CCUDA_FIELD)
#undef CCUDA_FIELD
} ccuda_table;

/// How looking for the driver ended.
typedef enum {
    CCUDA_LOADED = 0,
    /// dlopen failed; the report's text is its message.
    CCUDA_NO_LIBRARY = 1,
    /// The library lacks a required function; the report's text is its name.
    CCUDA_SYMBOL_MISSING = 2
} ccuda_load_status;

/// What was wrong, zero-terminated.
typedef struct {
    char text[256];
} ccuda_load_report;

/// Opens `library` and fills `table`. The library stays open for the life of the process: a driver starts threads.
/// Any thread; calls nothing of the driver but cuGetProcAddress.
ccuda_load_status ccuda_load(const char *library, ccuda_table *table, ccuda_load_report *report);
