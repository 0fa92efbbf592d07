// What the CUDA driver's binary interface needs of types: our own declarations of the published ABI (cuda.h 12.8 and
// 13.0 agree on all of it; `Scripts/check_cuda_abi.sh` compares them with the real headers).
#pragma once
#include <stddef.h>
#include <stdint.h>

/// CUresult: 0 is success. Same size and passing as the C enum.
typedef int32_t ccuda_result;
/// CUdevice: a small ordinal-like number.
typedef int32_t ccuda_device;
/// CUdeviceptr: an address in the device's (unified) address space.
typedef uint64_t ccuda_address;
/// CUcontext, CUstream, CUevent, CUmodule, CUfunction, CUmemGenericAllocationHandle. The header has pointers to opaque
/// structs here; an integer of a pointer's size is passed in the same register on x86-64 and AArch64.
typedef uintptr_t ccuda_handle;

/// CUuuid.
typedef struct {
    uint8_t bytes[16];
} ccuda_uuid;

/// CUmemLocation: `type` 1 is a device, `id` its ordinal.
typedef struct {
    int32_t type;
    int32_t id;
} ccuda_mem_location;

/// CUmemAllocationProp, 32 bytes. `type` 1 is pinned, the only one for devices.
typedef struct {
    int32_t type;
    int32_t handle_types;
    ccuda_mem_location location;
    void *win32_metadata;
    struct {
        uint8_t compression;
        uint8_t gpudirect_rdma;
        uint16_t usage;
        uint8_t reserved[4];
    } flags;
} ccuda_mem_prop;

/// CUmemAccessDesc, 12 bytes. `flags` 3 is read and write.
typedef struct {
    ccuda_mem_location location;
    int32_t flags;
} ccuda_mem_access;

/// CUcheckpointLockArgs, 64 bytes. `timeout_ms` 0 waits without end.
typedef struct {
    uint32_t timeout_ms;
    uint32_t reserved0;
    uint64_t reserved1[7];
} ccuda_lock_args;

/// CUcheckpointCheckpointArgs and CUcheckpointUnlockArgs, 64 bytes of zeros.
typedef struct {
    uint64_t reserved[8];
} ccuda_checkpoint_args;

/// CUcheckpointGpuPair (13.0): where what was on one device goes.
typedef struct {
    ccuda_uuid from;
    ccuda_uuid to;
} ccuda_gpu_pair;

/// CUcheckpointRestoreArgs, 64 bytes: of 13.0; 12.8 and 12.9 want zeros.
typedef struct {
    ccuda_gpu_pair *pairs;
    uint32_t pair_count;
    uint8_t reserved0[44];
    uint64_t reserved1;
} ccuda_restore_args;

_Static_assert(sizeof(ccuda_lock_args) == 64, "CUcheckpointLockArgs is 64 bytes");
_Static_assert(sizeof(ccuda_checkpoint_args) == 64, "CUcheckpointCheckpointArgs is 64 bytes");
_Static_assert(sizeof(ccuda_restore_args) == 64, "CUcheckpointRestoreArgs is 64 bytes");
_Static_assert(sizeof(ccuda_mem_prop) == 32, "CUmemAllocationProp is 32 bytes");
_Static_assert(sizeof(ccuda_mem_access) == 12, "CUmemAccessDesc is 12 bytes");
_Static_assert(sizeof(ccuda_handle) == sizeof(void *), "handles are pointers in the driver's header");
