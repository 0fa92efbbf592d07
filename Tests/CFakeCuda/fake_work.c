// The fake's streams, events, copies and kernels. Work is queued and runs when someone waits or asks.
#define _GNU_SOURCE
#include "fake_state.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void perform(object *stream, const op *o) {
    switch (o->kind) {
        case OP_COPY: memmove((void *)o->to, (const void *)o->from, o->bytes); break;
        case OP_SET: memset((void *)o->to, o->value, o->bytes); break;
        case OP_LAUNCH:
            if (o->kernel) o->kernel(o->arguments);
            else fake.devices[stream->device].sticky = LAUNCH_FAILED;
            break;
        case OP_MARK: break;
        case OP_WAIT: if (fake_find(STREAM, (uintptr_t)o->stream)) fake_run(o->stream, o->ticket); break;
    }
}

void fake_run(object *stream, unsigned long ticket) {
    while (stream->first && stream->executed < ticket) {
        op *o = stream->first;
        stream->first = o->next;
        if (!stream->first) stream->last = NULL;
        fake.queued--;
        perform(stream, o);
        stream->executed++;
        free(o);
    }
}

void fake_run_device(int device) {
    for (object *o = fake.objects; o; o = o->next)
        if (o->kind == STREAM && o->device == device) fake_run(o, o->submitted);
}

static op *submit(object *stream, op_kind kind) {
    op *made = calloc(1, sizeof *made);
    made->kind = kind;
    if (stream->last) stream->last->next = made;
    else stream->first = made;
    stream->last = made;
    stream->submitted++;
    fake.queued++;
    return made;
}

static ccuda_result copy(ccuda_address to, ccuda_address from, size_t bytes, ccuda_handle handle) {
    object *stream = fake_find(STREAM, handle);
    if (!stream) return INVALID_HANDLE;
    op *o = submit(stream, OP_COPY);
    o->to = to;
    o->from = from;
    o->bytes = bytes;
    return SUCCESS;
}

static ccuda_result fake_memset(ccuda_address to, unsigned char value, size_t bytes, ccuda_handle handle) {
    ENTER("cuMemsetD8Async", 1);
    object *stream = fake_find(STREAM, handle);
    if (!stream) LEAVE(INVALID_HANDLE);
    if (!fake_memory(to, bytes)) LEAVE(INVALID_VALUE);
    op *o = submit(stream, OP_SET);
    o->to = to;
    o->value = value;
    o->bytes = bytes;
    LEAVE(SUCCESS);
}

static ccuda_result fake_copy_in(ccuda_address to, const void *from, size_t bytes, ccuda_handle stream) {
    ENTER("cuMemcpyHtoDAsync", 1);
    LEAVE(fake_memory(to, bytes) ? copy(to, (ccuda_address)from, bytes, stream) : INVALID_VALUE);
}

static ccuda_result fake_copy_out(void *to, ccuda_address from, size_t bytes, ccuda_handle stream) {
    ENTER("cuMemcpyDtoHAsync", 1);
    LEAVE(fake_memory(from, bytes) ? copy((ccuda_address)to, from, bytes, stream) : INVALID_VALUE);
}

static ccuda_result fake_copy_within(ccuda_address to, ccuda_address from, size_t bytes, ccuda_handle stream) {
    ENTER("cuMemcpyDtoDAsync", 1);
    LEAVE(fake_memory(to, bytes) && fake_memory(from, bytes) ? copy(to, from, bytes, stream) : INVALID_VALUE);
}

static ccuda_result fake_copy_peer(ccuda_address to, ccuda_handle to_context, ccuda_address from,
                                   ccuda_handle from_context, size_t bytes, ccuda_handle stream) {
    ENTER("cuMemcpyPeerAsync", 1);
    object *target = fake_memory(to, bytes), *source = fake_memory(from, bytes);
    if (!target || !source) LEAVE(INVALID_VALUE);
    if (target->device + 1 != (int)to_context || source->device + 1 != (int)from_context) LEAVE(INVALID_CONTEXT);
    LEAVE(copy(to, from, bytes, stream));
}

// Streams and events

static ccuda_result fake_stream_create(ccuda_handle *stream, unsigned flags, int priority) {
    ENTER("cuStreamCreateWithPriority", 1);
    (void)priority;  // out of range is clamped
    if (flags > 1) LEAVE(INVALID_VALUE);
    *stream = (ccuda_handle)fake_add(STREAM, fake_current);
    LEAVE(SUCCESS);
}

static ccuda_result fake_stream_destroy(ccuda_handle handle) {
    ENTER("cuStreamDestroy", 1);
    object *stream = fake_find(STREAM, handle);
    if (!stream) LEAVE(INVALID_HANDLE);
    fake_run(stream, stream->submitted);
    fake_remove(stream);
    LEAVE(SUCCESS);
}

static ccuda_result fake_event_create(ccuda_handle *event, unsigned flags) {
    ENTER("cuEventCreate", 1);
    if (flags > 3) LEAVE(INVALID_VALUE);
    *event = (ccuda_handle)fake_add(EVENT, fake_current);
    LEAVE(SUCCESS);
}

static ccuda_result fake_event_destroy(ccuda_handle handle) {
    ENTER("cuEventDestroy", 1);
    object *event = fake_find(EVENT, handle);
    if (!event) LEAVE(INVALID_HANDLE);
    fake_remove(event);
    LEAVE(SUCCESS);
}

static ccuda_result fake_event_record(ccuda_handle handle, ccuda_handle stream_handle) {
    ENTER("cuEventRecord", 1);
    object *event = fake_find(EVENT, handle), *stream = fake_find(STREAM, stream_handle);
    if (!event || !stream) LEAVE(INVALID_HANDLE);
    submit(stream, OP_MARK);
    event->other = stream;
    event->ticket = stream->submitted;
    LEAVE(SUCCESS);
}

/// The stream that an event still waits for, or null when it has happened.
static object *pending(object *event) {
    object *stream = event->other ? fake_find(STREAM, (uintptr_t)event->other) : NULL;
    return stream && stream->executed < event->ticket ? stream : NULL;
}

static ccuda_result fake_event_query(ccuda_handle handle) {
    ENTER("cuEventQuery", 1);
    object *event = fake_find(EVENT, handle);
    if (!event) LEAVE(INVALID_HANDLE);
    object *stream = pending(event);
    if (!stream) LEAVE(SUCCESS);
    fake_run(stream, stream->executed + 1);  // a little gets done between two questions
    LEAVE(fake.devices[stream->device].sticky ? fake.devices[stream->device].sticky : NOT_READY);
}

static ccuda_result fake_event_synchronize(ccuda_handle handle) {
    ENTER("cuEventSynchronize", 1);
    object *event = fake_find(EVENT, handle);
    if (!event) LEAVE(INVALID_HANDLE);
    object *stream = pending(event);
    if (stream) fake_run(stream, event->ticket);
    LEAVE(fake.devices[fake_current].sticky);
}

static ccuda_result fake_stream_wait_event(ccuda_handle stream_handle, ccuda_handle handle, unsigned flags) {
    ENTER("cuStreamWaitEvent", 1);
    object *stream = fake_find(STREAM, stream_handle), *event = fake_find(EVENT, handle);
    if (!stream || !event) LEAVE(INVALID_HANDLE);
    if (flags) LEAVE(INVALID_VALUE);
    op *o = submit(stream, OP_WAIT);
    o->stream = event->other;
    o->ticket = event->ticket;
    LEAVE(SUCCESS);
}

// Code: the fake knows its kernels by name and runs them on the host.

static void double_bytes(const uint64_t *arguments) {
    uint8_t *bytes = (uint8_t *)arguments[0];
    for (uint64_t i = 0; i < arguments[1]; i++) bytes[i] *= 2;
}

static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

static void checksum(const uint64_t *arguments) {
    const uint8_t *bytes = (const uint8_t *)arguments[0];
    uint64_t count = arguments[1], total = 0;
    for (uint64_t i = 0; i < count; i += 8) {
        uint64_t word = 0;
        for (uint64_t j = 0; j < 8 && i + j < count; j++) word |= (uint64_t)bytes[i + j] << (8 * j);
        total += mix(word ^ ((i / 8 + 1) * 0x9E3779B97F4A7C15ull));
    }
    *(uint64_t *)arguments[2] += total;
}

static const struct {
    const char *name;
    int argument_count;
    void (*body)(const uint64_t *);
} kernels[] = {{"double_bytes", 2, double_bytes}, {"gpuserve_checksum", 3, checksum}, {"trap", 0, NULL}};

static ccuda_result fake_module_load(ccuda_handle *module, const void *image, unsigned option_count, int *options,
                                     void **values) {
    ENTER("cuModuleLoadDataEx", 1);
    const char *text = image;
    if (strstr(text, "syntax error")) {
        for (unsigned i = 0; i + 1 < option_count; i++)
            if (options[i] == 5) snprintf(values[i], (size_t)values[i + 1], "fake ptxas: line 1; syntax error");
        LEAVE(INVALID_PTX);
    }
    if (!strstr(text, ".entry ")) LEAVE(INVALID_IMAGE);
    object *made = fake_add(MODULE, fake_current);
    made->text = strdup(text);
    *module = (ccuda_handle)made;
    LEAVE(SUCCESS);
}

static ccuda_result fake_module_unload(ccuda_handle handle) {
    ENTER("cuModuleUnload", 1);
    object *module = fake_find(MODULE, handle);
    if (!module) LEAVE(INVALID_HANDLE);
    for (object *o = fake.objects, *next; o; o = next) {
        next = o->next;
        if (o->kind == FUNCTION && o->other == module) fake_remove(o);
    }
    fake_remove(module);
    LEAVE(SUCCESS);
}

static ccuda_result fake_get_function(ccuda_handle *function, ccuda_handle handle, const char *name) {
    ENTER("cuModuleGetFunction", 1);
    object *module = fake_find(MODULE, handle);
    if (!module) LEAVE(INVALID_HANDLE);
    char entry[96];
    snprintf(entry, sizeof entry, ".entry %s(", name);
    if (!strstr(module->text, entry)) LEAVE(NOT_FOUND);
    object *made = fake_add(FUNCTION, fake_current);
    made->other = module;
    snprintf(made->name, sizeof made->name, "%s", name);
    *function = (ccuda_handle)made;
    LEAVE(SUCCESS);
}

static ccuda_result fake_func_load(ccuda_handle function) {
    ENTER("cuFuncLoad", 1);
    LEAVE(fake_find(FUNCTION, function) ? SUCCESS : INVALID_HANDLE);
}

static ccuda_result fake_launch(ccuda_handle handle, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                                unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                                ccuda_handle stream_handle, void **parameters, void **extra) {
    ENTER("cuLaunchKernel", 1);
    object *function = fake_find(FUNCTION, handle), *stream = fake_find(STREAM, stream_handle);
    if (!function || !stream) LEAVE(INVALID_HANDLE);
    if (!grid_x || !grid_y || !grid_z || !block_x || !block_y || !block_z || shared_bytes > 48 << 10 || extra)
        LEAVE(INVALID_VALUE);
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        if (strcmp(kernels[i].name, function->name) != 0) continue;
        op *o = submit(stream, OP_LAUNCH);
        o->kernel = kernels[i].body;
        for (int j = 0; j < kernels[i].argument_count; j++) o->arguments[j] = *(uint64_t *)parameters[j];
        LEAVE(SUCCESS);
    }
    LEAVE(INVALID_HANDLE);
}

void fake_fill_work(ccuda_table *table) {
    table->memsetD8Async = fake_memset;
    table->memcpyHtoDAsync = fake_copy_in;
    table->memcpyDtoHAsync = fake_copy_out;
    table->memcpyDtoDAsync = fake_copy_within;
    table->memcpyPeerAsync = fake_copy_peer;
    table->streamCreate = fake_stream_create;
    table->streamDestroy = fake_stream_destroy;
    table->streamWaitEvent = fake_stream_wait_event;
    table->eventCreate = fake_event_create;
    table->eventDestroy = fake_event_destroy;
    table->eventRecord = fake_event_record;
    table->eventQuery = fake_event_query;
    table->eventSynchronize = fake_event_synchronize;
    table->moduleLoadDataEx = fake_module_load;
    table->moduleUnload = fake_module_unload;
    table->moduleGetFunction = fake_get_function;
    table->funcLoad = fake_func_load;
    table->launchKernel = fake_launch;
}
