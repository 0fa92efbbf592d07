// What the files of the fake share.
#pragma once
#include "fake_cuda.h"
#include <pthread.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101,
       INVALID_IMAGE = 200, INVALID_CONTEXT = 201, INVALID_PTX = 218, INVALID_HANDLE = 400, ILLEGAL_STATE = 401, NOT_FOUND = 500,
       NOT_READY = 600, ALREADY_ENABLED = 704, LAUNCH_FAILED = 719 };

enum { GRANULARITY = 2 << 20, MAX_DEVICES = 4, MAX_PROCESSES = 8 };

typedef enum { LINEAR, RESERVATION, PHYSICAL, MAPPING, PINNED, STREAM, EVENT, MODULE, FUNCTION, KIND_COUNT } object_kind;

typedef enum { OP_COPY, OP_SET, OP_LAUNCH, OP_MARK, OP_WAIT } op_kind;

typedef struct op {
    struct op *next;
    op_kind kind;
    ccuda_address to, from;
    size_t bytes;
    int value;                          // of OP_SET
    struct object *stream;              // of OP_WAIT: run this stream ...
    unsigned long ticket;               // ... up to here
    void (*kernel)(const uint64_t *);   // of OP_LAUNCH
    uint64_t arguments[8];
} op;

typedef struct object {
    struct object *next;
    object_kind kind;
    int device;            // whose context owns it, or whose memory it is
    ccuda_address base;    // of memory
    size_t bytes;
    int file;              // PHYSICAL: the memory's file
    struct object *other;  // MAPPING: the physical memory; FUNCTION: the module; EVENT: the stream
    int is_accessible;     // MAPPING
    op *first, *last;      // STREAM
    unsigned long submitted, executed, ticket;
    char name[64];         // FUNCTION
    char *text;            // MODULE
} object;

typedef struct {
    int retain_count;
    ccuda_result sticky;
    unsigned peers;
} device_state;

typedef struct {
    int pid, device, state, busy_count;
    size_t bytes;
} process_state;

typedef struct {
    pthread_mutex_t lock;
    fake_cuda_options options;
    int is_initialized;
    device_state devices[MAX_DEVICES];
    process_state processes[MAX_PROCESSES];
    object *objects;
    long live[KIND_COUNT];
    size_t used[MAX_DEVICES];
    long calls, fail_at, reclaimed, hazards, queued;
    ccuda_result fail_result;
    char failed_call[64];
} fake_state;

extern fake_state fake;
/// The device of the calling thread's current context, or -1.
extern __thread int fake_current;

/// Begins every call: takes the lock, counts, and says whether the call is to fail. `needs_context` also asks for one.
ccuda_result fake_enter(const char *name, int needs_context);
/// Ends every call.
ccuda_result fake_leave(ccuda_result result);

#define ENTER(name, needs_context)                                                                                    \
    {                                                                                                                 \
        ccuda_result refused = fake_enter(name, needs_context);                                                       \
        if (refused) return fake_leave(refused);                                                                      \
    }
#define LEAVE(result) return fake_leave(result)

object *fake_add(object_kind kind, int device);
void fake_remove(object *gone);
/// The object behind a handle, or null when it is not alive or of another kind.
object *fake_find(object_kind kind, uintptr_t handle);
/// The live memory that has all of the range inside, or null.
object *fake_memory(ccuda_address address, size_t bytes);
/// Notes a hazard when queued work uses the range.
void fake_check_unused(ccuda_address address, size_t bytes);

/// Runs a stream's work up to `ticket`.
void fake_run(object *stream, unsigned long ticket);
void fake_run_device(int device);

void fake_fill_memory(ccuda_table *table);
void fake_fill_work(ccuda_table *table);
void fake_fill_processes(ccuda_table *table);
