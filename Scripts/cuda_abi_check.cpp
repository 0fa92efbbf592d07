// Compiles only when our declarations of the driver's interface agree with NVIDIA's own header: for every function the same
// number of parameters, each of the same size, and pointers to values of the same size. See check_cuda_abi.sh.
#include <cuda.h>

#include <cstddef>
#include <type_traits>

extern "C" {
#define _Static_assert static_assert
#include "ccuda.h"
}

template <class T>
constexpr std::size_t pointee() {
    if constexpr (!std::is_pointer_v<T>) return 0;
    else if constexpr (std::is_void_v<std::remove_pointer_t<T>>) return 0;
    else if constexpr (std::is_function_v<std::remove_pointer_t<T>>) return 0;
    else return sizeof(std::remove_pointer_t<T>);
}

// A handle is an opaque pointer in NVIDIA's header and an integer in ours: nothing to compare behind it.
template <class Ours, class Theirs>
constexpr bool agrees() {
    if constexpr (std::is_pointer_v<Ours> && std::is_pointer_v<Theirs>)
        return pointee<Ours>() == 0 || pointee<Theirs>() == 0 || pointee<Ours>() == pointee<Theirs>();
    else return sizeof(Ours) == sizeof(Theirs);
}

template <class... Ours, class... Theirs>
constexpr bool same(ccuda_result (*)(Ours...), CUresult (*)(Theirs...)) {
    if constexpr (sizeof...(Ours) != sizeof...(Theirs)) return false;
    else return (agrees<Ours, Theirs>() && ...);
}

#define CHECK(field, name, exported, version, is_required, parameters) \
    static_assert(same((ccuda_result(*) parameters) nullptr, (decltype(&exported)) nullptr), #exported);
CCUDA_FUNCTIONS(CHECK)

static_assert(sizeof(CUresult) == sizeof(ccuda_result) && sizeof(CUdevice) == sizeof(ccuda_device));
static_assert(sizeof(CUdeviceptr) == sizeof(ccuda_address) && sizeof(CUuuid) == sizeof(ccuda_uuid));
static_assert(sizeof(CUmemAllocationProp) == sizeof(ccuda_mem_prop));
static_assert(offsetof(CUmemAllocationProp, location) == offsetof(ccuda_mem_prop, location));
static_assert(sizeof(CUmemAccessDesc) == sizeof(ccuda_mem_access));
static_assert(offsetof(CUmemAccessDesc, flags) == offsetof(ccuda_mem_access, flags));
static_assert(sizeof(CUcheckpointLockArgs) == sizeof(ccuda_lock_args));
static_assert(offsetof(CUcheckpointLockArgs, timeoutMs) == offsetof(ccuda_lock_args, timeout_ms));
static_assert(sizeof(CUcheckpointCheckpointArgs) == sizeof(ccuda_checkpoint_args));
static_assert(sizeof(CUcheckpointUnlockArgs) == sizeof(ccuda_checkpoint_args));
static_assert(sizeof(CUcheckpointRestoreArgs) == sizeof(ccuda_restore_args));
#if CUDA_VERSION >= 13000
static_assert(sizeof(CUcheckpointGpuPair) == sizeof(ccuda_gpu_pair));
static_assert(offsetof(CUcheckpointGpuPair, newUuid) == offsetof(ccuda_gpu_pair, to));
static_assert(offsetof(CUcheckpointRestoreArgs, gpuPairs) == offsetof(ccuda_restore_args, pairs));
static_assert(offsetof(CUcheckpointRestoreArgs, gpuPairsCount) == offsetof(ccuda_restore_args, pair_count));
#endif

// The numbers that Swift uses.
static_assert(CU_PROCESS_STATE_RUNNING == 0 && CU_PROCESS_STATE_LOCKED == 1);
static_assert(CU_PROCESS_STATE_CHECKPOINTED == 2 && CU_PROCESS_STATE_FAILED == 3);
static_assert(CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT == 40 && CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR == 75);
static_assert(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR == 76);
static_assert(CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED == 102);
static_assert(CU_MEM_ALLOCATION_TYPE_PINNED == 1 && CU_MEM_LOCATION_TYPE_DEVICE == 1);
static_assert(CU_MEM_ACCESS_FLAGS_PROT_READWRITE == 3 && CU_MEM_ALLOC_GRANULARITY_MINIMUM == 0);
static_assert(CU_EVENT_BLOCKING_SYNC == 1 && CU_EVENT_DISABLE_TIMING == 2 && CU_STREAM_NON_BLOCKING == 1);
static_assert(CU_MEMHOSTALLOC_PORTABLE == 1);
static_assert(CU_JIT_ERROR_LOG_BUFFER == 5 && CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES == 6);
