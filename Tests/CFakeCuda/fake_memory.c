// The fake's memory: plain, pinned, and by the virtual memory functions.
#define _GNU_SOURCE
#include "fake_state.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

object *fake_memory(ccuda_address address, size_t bytes) {
    for (object *o = fake.objects; o; o = o->next) {
        if (o->kind != LINEAR && !(o->kind == MAPPING && o->is_accessible)) continue;
        if (address >= o->base && address - o->base <= o->bytes && bytes <= o->bytes - (address - o->base)) return o;
    }
    return NULL;
}

static int meets(ccuda_address a, size_t a_bytes, ccuda_address b, size_t b_bytes) {
    return a < b + b_bytes && b < a + a_bytes;
}

void fake_check_unused(ccuda_address address, size_t bytes) {
    for (object *s = fake.objects; s; s = s->next) {
        if (s->kind != STREAM) continue;
        for (op *o = s->first; o; o = o->next)
            if (o->bytes && (meets(o->to, o->bytes, address, bytes) || meets(o->from, o->bytes, address, bytes)))
                fake.hazards++;
    }
}

static ccuda_result fake_mem_get_info(size_t *free_bytes, size_t *total_bytes) {
    ENTER("cuMemGetInfo", 1);
    *total_bytes = fake.options.device_bytes;
    *free_bytes = fake.options.device_bytes - fake.used[fake_current];
    LEAVE(SUCCESS);
}

static int has_room(int device, size_t bytes) { return bytes <= fake.options.device_bytes - fake.used[device]; }

static ccuda_result fake_mem_alloc(ccuda_address *address, size_t bytes) {
    ENTER("cuMemAlloc", 1);
    if (bytes == 0) LEAVE(INVALID_VALUE);
    if (!has_room(fake_current, bytes)) LEAVE(OUT_OF_MEMORY);
    object *made = fake_add(LINEAR, fake_current);
    made->bytes = bytes;
    made->base = (ccuda_address)aligned_alloc(512, (bytes + 511) / 512 * 512);
    fake.used[fake_current] += bytes;
    *address = made->base;
    LEAVE(SUCCESS);
}

static ccuda_result fake_mem_free(ccuda_address address) {
    ENTER("cuMemFree", 1);
    fake_run_device(fake_current);  // the real one waits for the device, too
    object *found = fake_memory(address, 0);
    if (!found || found->kind != LINEAR || found->base != address) LEAVE(INVALID_VALUE);
    fake.used[found->device] -= found->bytes;
    free((void *)found->base);
    fake_remove(found);
    LEAVE(SUCCESS);
}

static ccuda_result fake_mem_host_alloc(void **pointer, size_t bytes, unsigned flags) {
    ENTER("cuMemHostAlloc", 1);
    if (bytes == 0 || flags > 7) LEAVE(INVALID_VALUE);
    object *made = fake_add(PINNED, fake_current);
    made->bytes = bytes;
    made->base = (ccuda_address)aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
    *pointer = (void *)made->base;
    LEAVE(SUCCESS);
}

static ccuda_result fake_mem_free_host(void *pointer) {
    ENTER("cuMemFreeHost", 1);
    for (object *o = fake.objects; o; o = o->next) {
        if (o->kind != PINNED || o->base != (ccuda_address)pointer) continue;
        fake_check_unused(o->base, o->bytes);
        free(pointer);
        fake_remove(o);
        LEAVE(SUCCESS);
    }
    LEAVE(INVALID_VALUE);
}

static int is_proper(const ccuda_mem_prop *p) {
    return p->type == 1 && p->location.type == 1 && p->location.id >= 0 && p->location.id < fake.options.device_count;
}

static ccuda_result fake_granularity(size_t *bytes, const ccuda_mem_prop *properties, int option) {
    ENTER("cuMemGetAllocationGranularity", 1);
    if (!is_proper(properties) || option > 1) LEAVE(INVALID_VALUE);
    *bytes = GRANULARITY;
    LEAVE(SUCCESS);
}

static ccuda_address reserve_at(ccuda_address wanted, size_t bytes) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    if (wanted) {
        void *there = mmap((void *)wanted, bytes, PROT_NONE, flags | MAP_FIXED_NOREPLACE, -1, 0);
        if (there != MAP_FAILED) return (ccuda_address)there;
    }
    char *whole = mmap(NULL, bytes + GRANULARITY, PROT_NONE, flags, -1, 0);
    if (whole == MAP_FAILED) return 0;
    size_t skipped = (GRANULARITY - (uintptr_t)whole % GRANULARITY) % GRANULARITY;
    if (skipped) munmap(whole, skipped);
    if (skipped < GRANULARITY) munmap(whole + skipped + bytes, GRANULARITY - skipped);
    return (ccuda_address)(whole + skipped);
}

static ccuda_result fake_address_reserve(ccuda_address *address, size_t bytes, size_t alignment, ccuda_address wanted,
                                         unsigned long long flags) {
    ENTER("cuMemAddressReserve", 1);
    if (bytes == 0 || bytes % GRANULARITY || flags || alignment > GRANULARITY) LEAVE(INVALID_VALUE);
    ccuda_address base = reserve_at(wanted, bytes);
    if (!base) LEAVE(OUT_OF_MEMORY);
    object *made = fake_add(RESERVATION, fake_current);
    made->base = base;
    made->bytes = bytes;
    *address = base;
    LEAVE(SUCCESS);
}

static object *find_at(object_kind kind, ccuda_address base, size_t bytes) {
    for (object *o = fake.objects; o; o = o->next)
        if (o->kind == kind && o->base == base && o->bytes == bytes) return o;
    return NULL;
}

static ccuda_result fake_address_free(ccuda_address address, size_t bytes) {
    ENTER("cuMemAddressFree", 1);
    object *found = find_at(RESERVATION, address, bytes);
    if (!found || find_at(MAPPING, address, bytes)) LEAVE(INVALID_VALUE);
    munmap((void *)address, bytes);
    fake_remove(found);
    LEAVE(SUCCESS);
}

static ccuda_result fake_mem_create(uint64_t *handle, size_t bytes, const ccuda_mem_prop *properties,
                                    unsigned long long flags) {
    ENTER("cuMemCreate", 1);
    if (bytes == 0 || bytes % GRANULARITY || !is_proper(properties) || flags) LEAVE(INVALID_VALUE);
    if (!has_room(properties->location.id, bytes)) LEAVE(OUT_OF_MEMORY);
    int file = memfd_create("fake-cuda", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, bytes) != 0) LEAVE(OUT_OF_MEMORY);
    object *made = fake_add(PHYSICAL, properties->location.id);
    made->file = file;
    made->bytes = bytes;
    fake.used[made->device] += bytes;
    *handle = (uint64_t)(uintptr_t)made;
    LEAVE(SUCCESS);
}

static ccuda_result fake_mem_release(uint64_t handle) {
    ENTER("cuMemRelease", 1);
    object *found = fake_find(PHYSICAL, handle);
    if (!found) LEAVE(INVALID_VALUE);
    // The real one keeps mapped memory until it is unmapped; nobody here relies on that, so the fake forbids it.
    for (object *o = fake.objects; o; o = o->next)
        if (o->kind == MAPPING && o->other == found) LEAVE(INVALID_VALUE);
    fake.used[found->device] -= found->bytes;
    close(found->file);
    fake_remove(found);
    LEAVE(SUCCESS);
}

static ccuda_result fake_mem_map(ccuda_address address, size_t bytes, size_t offset, uint64_t handle,
                                 unsigned long long flags) {
    ENTER("cuMemMap", 1);
    object *physical = fake_find(PHYSICAL, handle);
    if (!physical || !find_at(RESERVATION, address, bytes) || find_at(MAPPING, address, bytes) || offset || flags ||
        bytes != physical->bytes)
        LEAVE(INVALID_VALUE);
    mmap((void *)address, bytes, PROT_NONE, MAP_SHARED | MAP_FIXED, physical->file, 0);
    object *made = fake_add(MAPPING, physical->device);
    made->base = address;
    made->bytes = bytes;
    made->other = physical;
    LEAVE(SUCCESS);
}

static ccuda_result fake_mem_unmap(ccuda_address address, size_t bytes) {
    ENTER("cuMemUnmap", 1);
    object *found = find_at(MAPPING, address, bytes);
    if (!found) LEAVE(INVALID_VALUE);
    fake_check_unused(address, bytes);
    mmap((void *)address, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    fake_remove(found);
    LEAVE(SUCCESS);
}

static ccuda_result fake_mem_set_access(ccuda_address address, size_t bytes, const ccuda_mem_access *access,
                                        size_t count) {
    ENTER("cuMemSetAccess", 1);
    object *found = find_at(MAPPING, address, bytes);
    if (!found || count == 0) LEAVE(INVALID_VALUE);
    for (size_t i = 0; i < count; i++)
        if (access[i].location.type != 1 || access[i].flags != 3) LEAVE(INVALID_VALUE);
    mprotect((void *)address, bytes, PROT_READ | PROT_WRITE);
    found->is_accessible = 1;
    LEAVE(SUCCESS);
}

void fake_fill_memory(ccuda_table *table) {
    table->memGetInfo = fake_mem_get_info;
    table->memAlloc = fake_mem_alloc;
    table->memFree = fake_mem_free;
    table->memHostAlloc = fake_mem_host_alloc;
    table->memFreeHost = fake_mem_free_host;
    table->memGetAllocationGranularity = fake_granularity;
    table->memAddressReserve = fake_address_reserve;
    table->memAddressFree = fake_address_free;
    table->memCreate = fake_mem_create;
    table->memRelease = fake_mem_release;
    table->memMap = fake_mem_map;
    table->memUnmap = fake_mem_unmap;
    table->memSetAccess = fake_mem_set_access;
}
