// Other processes that use the fake driver, and their states as cuda.h has them.
#include "fake_state.h"
#include <string.h>

enum { RUNNING, LOCKED, CHECKPOINTED, FAILED };

static process_state *find(int pid) {
    for (int i = 0; i < MAX_PROCESSES; i++)
        if (pid != 0 && fake.processes[i].pid == pid) return &fake.processes[i];
    return NULL;
}

void fake_cuda_add_process(int pid, int device, size_t bytes) {
    pthread_mutex_lock(&fake.lock);
    for (int i = 0; i < MAX_PROCESSES; i++)
        if (fake.processes[i].pid == 0) {
            fake.processes[i] = (process_state){.pid = pid, .device = device, .bytes = bytes};
            break;
        }
    fake.used[device] += bytes;
    pthread_mutex_unlock(&fake.lock);
}

void fake_cuda_keep_busy(int pid, int count) {
    pthread_mutex_lock(&fake.lock);
    find(pid)->busy_count = count;
    pthread_mutex_unlock(&fake.lock);
}

int fake_cuda_process_state(int pid) {
    pthread_mutex_lock(&fake.lock);
    process_state *process = find(pid);
    int state = process ? process->state : -1;
    pthread_mutex_unlock(&fake.lock);
    return state;
}

void fake_cuda_set_process_state(int pid, int state) {
    pthread_mutex_lock(&fake.lock);
    find(pid)->state = state;
    pthread_mutex_unlock(&fake.lock);
}

int fake_cuda_process_device(int pid) {
    pthread_mutex_lock(&fake.lock);
    int device = find(pid)->device;
    pthread_mutex_unlock(&fake.lock);
    return device;
}

size_t fake_cuda_used_bytes(int device) {
    pthread_mutex_lock(&fake.lock);
    size_t used = fake.used[device];
    pthread_mutex_unlock(&fake.lock);
    return used;
}

static int is_zero(const void *bytes, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (((const uint8_t *)bytes)[i]) return 0;
    return 1;
}

static ccuda_result fake_process_get_state(int pid, int *state) {
    ENTER("cuCheckpointProcessGetState", 0);
    process_state *process = find(pid);
    // What the real driver says of a process without CUDA.
    if (!process) LEAVE(NOT_INITIALIZED);
    *state = process->state;
    LEAVE(SUCCESS);
}

static ccuda_result fake_process_lock(int pid, ccuda_lock_args *arguments) {
    ENTER("cuCheckpointProcessLock", 0);
    process_state *process = find(pid);
    if (!process) LEAVE(NOT_INITIALIZED);
    if (arguments->reserved0 || !is_zero(arguments->reserved1, sizeof arguments->reserved1)) LEAVE(INVALID_VALUE);
    if (process->state != RUNNING) LEAVE(ILLEGAL_STATE);
    if (process->busy_count > 0) {
        // Without a time limit the real one would never return.
        if (arguments->timeout_ms == 0) LEAVE(LAUNCH_FAILED);
        process->busy_count--;
        LEAVE(NOT_READY);
    }
    process->state = LOCKED;
    LEAVE(SUCCESS);
}

static ccuda_result fake_process_checkpoint(int pid, ccuda_checkpoint_args *arguments) {
    ENTER("cuCheckpointProcessCheckpoint", 0);
    process_state *process = find(pid);
    if (!process) LEAVE(NOT_INITIALIZED);
    if (!is_zero(arguments, sizeof *arguments)) LEAVE(INVALID_VALUE);
    if (process->state != LOCKED) LEAVE(ILLEGAL_STATE);
    process->state = CHECKPOINTED;
    fake.used[process->device] -= process->bytes;
    LEAVE(SUCCESS);
}

static int device_of(ccuda_uuid uuid) { return uuid.bytes[0] / 16; }

static ccuda_result fake_process_restore(int pid, ccuda_restore_args *arguments) {
    ENTER("cuCheckpointProcessRestore", 0);
    process_state *process = find(pid);
    if (!process) LEAVE(NOT_INITIALIZED);
    int speaks_pairs = fake.options.driver_version >= 13000;
    if (!speaks_pairs && !is_zero(arguments, sizeof *arguments)) LEAVE(INVALID_VALUE);
    if (!is_zero(arguments->reserved0, sizeof arguments->reserved0) || arguments->reserved1) LEAVE(INVALID_VALUE);
    if (process->state != CHECKPOINTED) LEAVE(ILLEGAL_STATE);
    int device = process->device;
    if (arguments->pair_count) {
        device = -1;
        for (unsigned i = 0; i < arguments->pair_count; i++)
            if (device_of(arguments->pairs[i].from) == process->device) device = device_of(arguments->pairs[i].to);
        // Every device of the process must be named.
        if (device < 0 || device >= fake.options.device_count) LEAVE(INVALID_VALUE);
    }
    if (fake.options.device_bytes - fake.used[device] < process->bytes) LEAVE(OUT_OF_MEMORY);
    process->state = LOCKED;
    process->device = device;
    fake.used[device] += process->bytes;
    LEAVE(SUCCESS);
}

static ccuda_result fake_process_unlock(int pid, ccuda_checkpoint_args *arguments) {
    ENTER("cuCheckpointProcessUnlock", 0);
    process_state *process = find(pid);
    if (!process) LEAVE(NOT_INITIALIZED);
    if (!is_zero(arguments, sizeof *arguments)) LEAVE(INVALID_VALUE);
    if (process->state != LOCKED) LEAVE(ILLEGAL_STATE);
    process->state = RUNNING;
    LEAVE(SUCCESS);
}

void fake_fill_processes(ccuda_table *table) {
    if (fake.options.driver_version < 12080) return;
    table->processGetState = fake_process_get_state;
    table->processLock = fake_process_lock;
    table->processCheckpoint = fake_process_checkpoint;
    table->processRestore = fake_process_restore;
    table->processUnlock = fake_process_unlock;
}
