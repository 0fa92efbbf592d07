#define EMULATED_CUDA
#include "../../Sources/Support/CModelKernels/cuda/model.cu"

#include <ucontext.h>

#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "include/CEmulatedCuda.h"

emulated_index threadIdx, blockIdx, blockDim;
float *emulated_shared;

namespace {

constexpr size_t stack_bytes = 64 * 1024;
enum State { runnable, meets_warp, meets_block, ended };

struct Thread {
    ucontext_t context;
    std::vector<char> stack;
    State state;
    float value;
};

std::vector<Thread> threads;
ucontext_t scheduler;
uint32_t current;
std::function<void()> body;

void wait_for(State meeting) {
    threads[current].state = meeting;
    uint32_t self = current;
    swapcontext(&threads[self].context, &scheduler);
}

void enter() {
    body();
    threads[current].state = ended;
}

// Lets go those who wait for `meeting` among [first, last) once nobody there still runs. Whoever ended is not waited for.
bool meet(size_t first, size_t last, State meeting) {
    bool any = false;
    for (size_t i = first; i < last; i++) {
        if (threads[i].state == meeting) any = true;
        else if (threads[i].state != ended) return false;
    }
    for (size_t i = first; any && i < last; i++)
        if (threads[i].state == meeting) threads[i].state = runnable;
    return any;
}

void run_block(uint32_t count) {
    if (threads.size() < count) threads.resize(count);
    for (uint32_t i = 0; i < count; i++) {
        Thread &thread = threads[i];
        thread.stack.resize(stack_bytes);
        getcontext(&thread.context);
        thread.context.uc_stack.ss_sp = thread.stack.data();
        thread.context.uc_stack.ss_size = stack_bytes;
        thread.context.uc_link = &scheduler;
        makecontext(&thread.context, enter, 0);
        thread.state = runnable;
    }
    for (;;) {
        bool moved = false;
        for (uint32_t i = 0; i < count; i++) {
            if (threads[i].state != runnable) continue;
            current = i;
            threadIdx.x = i;
            swapcontext(&scheduler, &threads[i].context);
            moved = true;
        }
        for (uint32_t first = 0; first < count; first += 32)
            if (meet(first, first + 32 < count ? first + 32 : count, meets_warp)) moved = true;
        if (meet(0, count, meets_block)) moved = true;
        if (!moved) return;
    }
}

template <class T> T argument(uint64_t bits) {
    T value;
    memcpy(&value, &bits, sizeof value);  // little-endian: the low bytes come first
    return value;
}

template <class... Parameters, size_t... places>
bool call(void (*kernel)(Parameters...), const uint64_t *bits, int count, uint32_t blocks, std::index_sequence<places...>) {
    if (count != (int)sizeof...(Parameters)) return false;
    body = [=] { kernel(argument<Parameters>(bits[places])...); };
    for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) run_block(blockDim.x);
    return true;
}

template <class... Parameters>
bool call(void (*kernel)(Parameters...), const uint64_t *bits, int count, uint32_t blocks) {
    return call(kernel, bits, count, blocks, std::index_sequence_for<Parameters...>());
}

}  // namespace

void __syncthreads() { wait_for(meets_block); }

float __shfl_xor_sync(uint32_t, float value, int mask) {
    threads[current].value = value;
    wait_for(meets_warp);
    float found = threads[current ^ (uint32_t)mask].value;
    wait_for(meets_warp);
    return found;
}

extern "C" int emulated_launch(const char *name, uint32_t blocks, uint32_t count, uint32_t shared_bytes,
                               const uint64_t *arguments, int argument_count) {
    std::vector<float> shared(shared_bytes / 4 + 1);
    emulated_shared = shared.data();
    blockDim.x = count;
    std::string wanted = name;
#define KERNEL(kernel) \
    if (wanted == #kernel) return call(kernel, arguments, argument_count, blocks)
    KERNEL(model_embed);
    KERNEL(model_norm);
    KERNEL(model_multiply);
    KERNEL(model_rotate);
    KERNEL(model_attend);
    KERNEL(model_gate);
    return 0;
}
