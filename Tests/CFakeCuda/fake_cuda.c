// The fake's state, failures, devices and contexts.
#include "fake_state.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

fake_state fake = {.lock = PTHREAD_MUTEX_INITIALIZER};
__thread int fake_current = -1;

ccuda_result fake_enter(const char *name, int needs_context) {
    pthread_mutex_lock(&fake.lock);
    if (++fake.calls == fake.fail_at) {
        snprintf(fake.failed_call, sizeof fake.failed_call, "%s", name);
        return fake.fail_result;
    }
    if (!needs_context) return SUCCESS;
    if (!fake.is_initialized) return NOT_INITIALIZED;
    if (fake_current < 0 || fake.devices[fake_current].retain_count == 0) return INVALID_CONTEXT;
    return fake.devices[fake_current].sticky;
}

ccuda_result fake_leave(ccuda_result result) {
    pthread_mutex_unlock(&fake.lock);
    return result;
}

object *fake_add(object_kind kind, int device) {
    object *made = calloc(1, sizeof *made);
    made->kind = kind;
    made->device = device;
    made->next = fake.objects;
    fake.objects = made;
    fake.live[kind]++;
    return made;
}

void fake_remove(object *gone) {
    object **link = &fake.objects;
    while (*link != gone) link = &(*link)->next;
    *link = gone->next;
    fake.live[gone->kind]--;
    while (gone->first) {
        op *next = gone->first->next;
        free(gone->first);
        gone->first = next;
        fake.queued--;
    }
    free(gone->text);
    free(gone);
}

object *fake_find(object_kind kind, uintptr_t handle) {
    for (object *o = fake.objects; o; o = o->next)
        if ((uintptr_t)o == handle) return o->kind == kind ? o : NULL;
    return NULL;
}

// Options and questions

fake_cuda_options fake_cuda_standard_options(void) {
    return (fake_cuda_options){
        .driver_version = 12080, .device_count = 2, .has_vmm = 1, .has_peers = 1, .device_bytes = (size_t)1 << 30};
}

void fake_cuda_reset(fake_cuda_options options) {
    pthread_mutex_lock(&fake.lock);
    while (fake.objects) fake_remove(fake.objects);
    pthread_mutex_t lock = fake.lock;
    fake = (fake_state){.options = options};
    fake.lock = lock;
    pthread_mutex_unlock(&fake.lock);
}

void fake_cuda_fail_at(long call, ccuda_result result) {
    pthread_mutex_lock(&fake.lock);
    fake.calls = 0;
    fake.fail_at = call;
    fake.fail_result = result;
    fake.failed_call[0] = 0;
    pthread_mutex_unlock(&fake.lock);
}

static long locked(const long *number) {
    pthread_mutex_lock(&fake.lock);
    long value = *number;
    pthread_mutex_unlock(&fake.lock);
    return value;
}

long fake_cuda_call_count(void) { return locked(&fake.calls); }
long fake_cuda_reclaimed_count(void) { return locked(&fake.reclaimed); }
long fake_cuda_hazard_count(void) { return locked(&fake.hazards); }
long fake_cuda_queued_count(void) { return locked(&fake.queued); }
const char *fake_cuda_failed_call(void) { return fake.failed_call; }

fake_cuda_live_counts fake_cuda_live(void) {
    pthread_mutex_lock(&fake.lock);
    fake_cuda_live_counts counts = {
        .linear = fake.live[LINEAR], .reservations = fake.live[RESERVATION], .physical = fake.live[PHYSICAL],
        .mappings = fake.live[MAPPING], .pinned = fake.live[PINNED], .streams = fake.live[STREAM],
        .events = fake.live[EVENT], .modules = fake.live[MODULE]};
    for (int i = 0; i < MAX_DEVICES; i++) counts.contexts += fake.devices[i].retain_count;
    pthread_mutex_unlock(&fake.lock);
    return counts;
}

// Devices

static ccuda_result fake_init(unsigned flags) {
    ENTER("cuInit", 0);
    if (flags != 0) LEAVE(INVALID_VALUE);
    if (fake.options.device_count == 0) LEAVE(NO_DEVICE);
    fake.is_initialized = 1;
    LEAVE(SUCCESS);
}

static ccuda_result fake_driver_get_version(int *version) {
    ENTER("cuDriverGetVersion", 0);
    *version = fake.options.driver_version;
    LEAVE(SUCCESS);
}

static ccuda_result fake_device_get_count(int *count) {
    ENTER("cuDeviceGetCount", 0);
    *count = fake.options.device_count;
    LEAVE(SUCCESS);
}

static int is_device(int device) { return device >= 0 && device < fake.options.device_count; }

static ccuda_result fake_device_get(ccuda_device *device, int ordinal) {
    ENTER("cuDeviceGet", 0);
    if (!is_device(ordinal)) LEAVE(INVALID_DEVICE);
    *device = ordinal;
    LEAVE(SUCCESS);
}

static ccuda_result fake_device_get_name(char *name, int length, ccuda_device device) {
    ENTER("cuDeviceGetName", 0);
    if (!is_device(device)) LEAVE(INVALID_DEVICE);
    snprintf(name, length, "Fake GPU %d", device);
    LEAVE(SUCCESS);
}

static ccuda_result fake_device_get_attribute(int *value, int attribute, ccuda_device device) {
    ENTER("cuDeviceGetAttribute", 0);
    if (!is_device(device)) LEAVE(INVALID_DEVICE);
    switch (attribute) {
        case 40: *value = 2; break;                      // async engines
        case 75: *value = 9; break;                      // compute capability
        case 76: *value = 0; break;
        case 102: *value = fake.options.has_vmm; break;  // virtual memory management
        default: LEAVE(INVALID_VALUE);
    }
    LEAVE(SUCCESS);
}

static ccuda_result fake_device_get_pci_bus_id(char *text, int length, ccuda_device device) {
    ENTER("cuDeviceGetPCIBusId", 0);
    if (!is_device(device)) LEAVE(INVALID_DEVICE);
    snprintf(text, length, "0000:%02x:00.0", 16 + device);
    LEAVE(SUCCESS);
}

static ccuda_result fake_device_get_uuid(ccuda_uuid *uuid, ccuda_device device) {
    ENTER("cuDeviceGetUuid", 0);
    if (!is_device(device)) LEAVE(INVALID_DEVICE);
    for (int i = 0; i < 16; i++) uuid->bytes[i] = (uint8_t)(device * 16 + i);
    LEAVE(SUCCESS);
}

static ccuda_result fake_device_total_mem(size_t *bytes, ccuda_device device) {
    ENTER("cuDeviceTotalMem", 0);
    if (!is_device(device)) LEAVE(INVALID_DEVICE);
    *bytes = fake.options.device_bytes;
    LEAVE(SUCCESS);
}

static ccuda_result fake_device_can_access_peer(int *can, ccuda_device device, ccuda_device peer) {
    ENTER("cuDeviceCanAccessPeer", 0);
    if (!is_device(device) || !is_device(peer)) LEAVE(INVALID_DEVICE);
    *can = device != peer && fake.options.has_peers;
    LEAVE(SUCCESS);
}

// Contexts: a handle is the device's number plus one.

static ccuda_result fake_primary_ctx_retain(ccuda_handle *context, ccuda_device device) {
    ENTER("cuDevicePrimaryCtxRetain", 0);
    if (!fake.is_initialized) LEAVE(NOT_INITIALIZED);
    if (!is_device(device)) LEAVE(INVALID_DEVICE);
    fake.devices[device].retain_count++;
    *context = device + 1;
    LEAVE(SUCCESS);
}

static int belongs_to_context(object_kind kind) {
    return kind == LINEAR || kind == PINNED || kind == STREAM || kind == EVENT || kind == MODULE || kind == FUNCTION;
}

static ccuda_result fake_primary_ctx_release(ccuda_device device) {
    ENTER("cuDevicePrimaryCtxRelease", 0);
    if (!is_device(device) || fake.devices[device].retain_count == 0) LEAVE(INVALID_CONTEXT);
    if (--fake.devices[device].retain_count > 0) LEAVE(SUCCESS);
    // The real driver destroys everything that was made in the context; the fake counts what was forgotten.
    fake.devices[device] = (device_state){0};
    for (object *o = fake.objects, *next; o; o = next) {
        next = o->next;
        if (o->device != device || !belongs_to_context(o->kind)) continue;
        if (o->kind != FUNCTION) fake.reclaimed++;
        if (o->kind == LINEAR || o->kind == PINNED) free((void *)o->base);
        if (o->kind == LINEAR) fake.used[device] -= o->bytes;
        fake_remove(o);
    }
    LEAVE(SUCCESS);
}

static ccuda_result fake_ctx_set_current(ccuda_handle context) {
    ENTER("cuCtxSetCurrent", 0);
    if (context > MAX_DEVICES || (context && fake.devices[context - 1].retain_count == 0)) LEAVE(INVALID_CONTEXT);
    fake_current = (int)context - 1;
    LEAVE(SUCCESS);
}

static ccuda_result fake_ctx_synchronize(void) {
    ENTER("cuCtxSynchronize", 1);
    fake_run_device(fake_current);
    LEAVE(fake.devices[fake_current].sticky);
}

static ccuda_result fake_ctx_enable_peer_access(ccuda_handle peer, unsigned flags) {
    ENTER("cuCtxEnablePeerAccess", 1);
    if (flags != 0 || peer == 0 || peer > MAX_DEVICES) LEAVE(INVALID_VALUE);
    unsigned bit = 1u << peer;
    if (fake.devices[fake_current].peers & bit) LEAVE(ALREADY_ENABLED);
    fake.devices[fake_current].peers |= bit;
    LEAVE(SUCCESS);
}

void fake_cuda_table(ccuda_table *table) {
    memset(table, 0, sizeof *table);
    table->init = fake_init;
    table->driverGetVersion = fake_driver_get_version;
    table->deviceGetCount = fake_device_get_count;
    table->deviceGet = fake_device_get;
    table->deviceGetName = fake_device_get_name;
    table->deviceGetAttribute = fake_device_get_attribute;
    table->deviceGetPCIBusId = fake_device_get_pci_bus_id;
    table->deviceGetUuid = fake_device_get_uuid;
    table->deviceTotalMem = fake_device_total_mem;
    table->deviceCanAccessPeer = fake_device_can_access_peer;
    table->primaryCtxRetain = fake_primary_ctx_retain;
    table->primaryCtxRelease = fake_primary_ctx_release;
    table->ctxSetCurrent = fake_ctx_set_current;
    table->ctxSynchronize = fake_ctx_synchronize;
    table->ctxEnablePeerAccess = fake_ctx_enable_peer_access;
    fake_fill_memory(table);
    fake_fill_work(table);
    fake_fill_processes(table);
}
