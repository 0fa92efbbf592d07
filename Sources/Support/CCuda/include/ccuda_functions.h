// The one table of driver functions. X(field, name, exported, version, is_required, parameters):
//   name      (a token) what cuGetProcAddress is asked for
//   exported  (a token) the suffixed export with the same ABI, for drivers without cuGetProcAddress
//   version   the CUDA version whose ABI `parameters` describe
// A function is required when every supported driver (11.0 and later) has it.
#pragma once

#define CCUDA_FUNCTIONS(X)                                                                                            \
    X(init, cuInit, cuInit, 2000, 1, (unsigned flags))                                                            \
    X(driverGetVersion, cuDriverGetVersion, cuDriverGetVersion, 2020, 1, (int *version))                          \
    X(deviceGetCount, cuDeviceGetCount, cuDeviceGetCount, 2000, 1, (int *count))                                  \
    X(deviceGet, cuDeviceGet, cuDeviceGet, 2000, 1, (ccuda_device * device, int ordinal))                         \
    X(deviceGetName, cuDeviceGetName, cuDeviceGetName, 2000, 1, (char *name, int length, ccuda_device device))    \
    X(deviceGetAttribute, cuDeviceGetAttribute, cuDeviceGetAttribute, 2000, 1,                                    \
      (int *value, int attribute, ccuda_device device))                                                               \
    X(deviceGetPCIBusId, cuDeviceGetPCIBusId, cuDeviceGetPCIBusId, 4010, 1,                                       \
      (char *text, int length, ccuda_device device))                                                                  \
    X(deviceGetUuid, cuDeviceGetUuid, cuDeviceGetUuid_v2, 11040, 0, (ccuda_uuid * uuid, ccuda_device device))     \
    X(deviceTotalMem, cuDeviceTotalMem, cuDeviceTotalMem_v2, 3020, 1, (size_t * bytes, ccuda_device device))      \
    X(deviceCanAccessPeer, cuDeviceCanAccessPeer, cuDeviceCanAccessPeer, 4000, 1,                                 \
      (int *can, ccuda_device device, ccuda_device peer))                                                             \
    X(primaryCtxRetain, cuDevicePrimaryCtxRetain, cuDevicePrimaryCtxRetain, 7000, 1,                              \
      (ccuda_handle * context, ccuda_device device))                                                                  \
    X(primaryCtxRelease, cuDevicePrimaryCtxRelease, cuDevicePrimaryCtxRelease_v2, 11000, 1,                       \
      (ccuda_device device))                                                                                          \
    X(ctxSetCurrent, cuCtxSetCurrent, cuCtxSetCurrent, 4000, 1, (ccuda_handle context))                           \
    X(ctxSynchronize, cuCtxSynchronize, cuCtxSynchronize, 2000, 1, (void))                                        \
    X(ctxEnablePeerAccess, cuCtxEnablePeerAccess, cuCtxEnablePeerAccess, 4000, 1,                                 \
      (ccuda_handle peer, unsigned flags))                                                                            \
    X(memGetInfo, cuMemGetInfo, cuMemGetInfo_v2, 3020, 1, (size_t * free_bytes, size_t * total_bytes))            \
    X(memAlloc, cuMemAlloc, cuMemAlloc_v2, 3020, 1, (ccuda_address * address, size_t bytes))                      \
    X(memFree, cuMemFree, cuMemFree_v2, 3020, 1, (ccuda_address address))                                         \
    X(memHostAlloc, cuMemHostAlloc, cuMemHostAlloc, 2020, 1, (void **pointer, size_t bytes, unsigned flags))      \
    X(memFreeHost, cuMemFreeHost, cuMemFreeHost, 2000, 1, (void *pointer))                                        \
    X(memsetD8Async, cuMemsetD8Async, cuMemsetD8Async, 3020, 1,                                                   \
      (ccuda_address to, unsigned char value, size_t bytes, ccuda_handle stream))                                     \
    X(memcpyHtoDAsync, cuMemcpyHtoDAsync, cuMemcpyHtoDAsync_v2, 3020, 1,                                          \
      (ccuda_address to, const void *from, size_t bytes, ccuda_handle stream))                                        \
    X(memcpyDtoHAsync, cuMemcpyDtoHAsync, cuMemcpyDtoHAsync_v2, 3020, 1,                                          \
      (void *to, ccuda_address from, size_t bytes, ccuda_handle stream))                                              \
    X(memcpyDtoDAsync, cuMemcpyDtoDAsync, cuMemcpyDtoDAsync_v2, 3020, 1,                                          \
      (ccuda_address to, ccuda_address from, size_t bytes, ccuda_handle stream))                                      \
    X(memcpyPeerAsync, cuMemcpyPeerAsync, cuMemcpyPeerAsync, 4000, 1,                                             \
      (ccuda_address to, ccuda_handle to_context, ccuda_address from, ccuda_handle from_context, size_t bytes,        \
       ccuda_handle stream))                                                                                          \
    X(streamCreate, cuStreamCreateWithPriority, cuStreamCreateWithPriority, 5050, 1,                              \
      (ccuda_handle * stream, unsigned flags, int priority))                                                          \
    X(streamDestroy, cuStreamDestroy, cuStreamDestroy_v2, 4000, 1, (ccuda_handle stream))                         \
    X(streamWaitEvent, cuStreamWaitEvent, cuStreamWaitEvent, 3020, 1,                                             \
      (ccuda_handle stream, ccuda_handle event, unsigned flags))                                                      \
    X(eventCreate, cuEventCreate, cuEventCreate, 2000, 1, (ccuda_handle * event, unsigned flags))                 \
    X(eventDestroy, cuEventDestroy, cuEventDestroy_v2, 4000, 1, (ccuda_handle event))                             \
    X(eventRecord, cuEventRecord, cuEventRecord, 2000, 1, (ccuda_handle event, ccuda_handle stream))              \
    X(eventQuery, cuEventQuery, cuEventQuery, 2000, 1, (ccuda_handle event))                                      \
    X(eventSynchronize, cuEventSynchronize, cuEventSynchronize, 2000, 1, (ccuda_handle event))                    \
    X(memGetAllocationGranularity, cuMemGetAllocationGranularity, cuMemGetAllocationGranularity, 10020, 1,        \
      (size_t * bytes, const ccuda_mem_prop *properties, int option))                                                 \
    X(memAddressReserve, cuMemAddressReserve, cuMemAddressReserve, 10020, 1,                                      \
      (ccuda_address * address, size_t bytes, size_t alignment, ccuda_address wanted, unsigned long long flags))      \
    X(memAddressFree, cuMemAddressFree, cuMemAddressFree, 10020, 1, (ccuda_address address, size_t bytes))        \
    X(memCreate, cuMemCreate, cuMemCreate, 10020, 1,                                                              \
      (uint64_t * handle, size_t bytes, const ccuda_mem_prop *properties, unsigned long long flags))                  \
    X(memRelease, cuMemRelease, cuMemRelease, 10020, 1, (uint64_t handle))                                        \
    X(memMap, cuMemMap, cuMemMap, 10020, 1,                                                                       \
      (ccuda_address address, size_t bytes, size_t offset, uint64_t handle, unsigned long long flags))                \
    X(memUnmap, cuMemUnmap, cuMemUnmap, 10020, 1, (ccuda_address address, size_t bytes))                          \
    X(memSetAccess, cuMemSetAccess, cuMemSetAccess, 10020, 1,                                                     \
      (ccuda_address address, size_t bytes, const ccuda_mem_access *access, size_t count))                            \
    X(moduleLoadDataEx, cuModuleLoadDataEx, cuModuleLoadDataEx, 2010, 1,                                          \
      (ccuda_handle * module, const void *image, unsigned option_count, int *options, void **values))                 \
    X(moduleUnload, cuModuleUnload, cuModuleUnload, 2000, 1, (ccuda_handle module))                               \
    X(moduleGetFunction, cuModuleGetFunction, cuModuleGetFunction, 2000, 1,                                       \
      (ccuda_handle * function, ccuda_handle module, const char *name))                                               \
    X(funcLoad, cuFuncLoad, cuFuncLoad, 12040, 0, (ccuda_handle function))                                        \
    X(launchKernel, cuLaunchKernel, cuLaunchKernel, 4000, 1,                                                      \
      (ccuda_handle function, unsigned grid_x, unsigned grid_y, unsigned grid_z, unsigned block_x, unsigned block_y,  \
       unsigned block_z, unsigned shared_bytes, ccuda_handle stream, void **parameters, void **extra))               \
    X(processGetState, cuCheckpointProcessGetState, cuCheckpointProcessGetState, 12080, 0, (int pid, int *state))    \
    X(processLock, cuCheckpointProcessLock, cuCheckpointProcessLock, 12080, 0, (int pid, ccuda_lock_args *arguments))\
    X(processCheckpoint, cuCheckpointProcessCheckpoint, cuCheckpointProcessCheckpoint, 12080, 0,                     \
      (int pid, ccuda_checkpoint_args *arguments))                                                                   \
    X(processRestore, cuCheckpointProcessRestore, cuCheckpointProcessRestore, 12080, 0,                              \
      (int pid, ccuda_restore_args *arguments))                                                                      \
    X(processUnlock, cuCheckpointProcessUnlock, cuCheckpointProcessUnlock, 12080, 0,                                 \
      (int pid, ccuda_checkpoint_args *arguments))
