// A FAKE CUDA driver over host memory, for tests only; nothing it does is ever a reported figure.
//
// It is strict where the real driver is: a current context is needed, sizes must be multiples of the granularity, addresses
// must be live. Work on streams is queued and runs only when someone waits or asks, so memory that is given back too early
// is noticed. One state for the process: tests that use it run one at a time.
#pragma once
#include "ccuda.h"

/// What the fake pretends to be.
typedef struct {
    int driver_version;
    int device_count;
    int has_vmm;
    int has_peers;
    size_t device_bytes;
} fake_cuda_options;

/// What is alive.
typedef struct {
    long contexts, linear, reservations, physical, mappings, pinned, streams, events, modules;
} fake_cuda_live_counts;

/// Fills `table` with the fake's functions.
void fake_cuda_table(ccuda_table *table);

/// CUDA 12.8, two devices of 1 GiB that reach each other.
fake_cuda_options fake_cuda_standard_options(void);

/// Forgets everything and begins anew; nothing may be in use.
void fake_cuda_reset(fake_cuda_options options);

/// Lets the call number `call` (from 1 on, counted from now) fail with `result`, without doing anything; 0 for none.
void fake_cuda_fail_at(long call, ccuda_result result);

/// Calls since the last `fake_cuda_fail_at`.
long fake_cuda_call_count(void);

/// The name of the call that was made to fail, "" when it has not come to that.
const char *fake_cuda_failed_call(void);

/// What is alive now.
fake_cuda_live_counts fake_cuda_live(void);

/// Objects that their owner forgot and a context's end took along.
long fake_cuda_reclaimed_count(void);

/// Times that memory was given back while queued work still used it.
long fake_cuda_hazard_count(void);

/// Work that is queued and has not run.
long fake_cuda_queued_count(void);

/// Another process that uses the fake driver: it runs, with so many bytes on a device.
void fake_cuda_add_process(int pid, int device, size_t bytes);

/// Lets its next `count` locks run into their time limit, as work that does not end would.
void fake_cuda_keep_busy(int pid, int count);

/// As `CUprocessState`; -1 for none.
int fake_cuda_process_state(int pid);
void fake_cuda_set_process_state(int pid, int state);

/// The device that it is on, or was on when it was checkpointed.
int fake_cuda_process_device(int pid);

/// Bytes in use on a device, by processes and by this one.
size_t fake_cuda_used_bytes(int device);
