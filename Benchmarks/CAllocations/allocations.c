#include "CAllocations.h"

#include <errno.h>
#include <stddef.h>

// The names under which glibc keeps its own for whoever stands in front.
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static _Thread_local unsigned long count;

unsigned long callocations_count(void) { return count; }

// A sanitizer stands there itself, and its runtime asks for memory before anything else is ready.
#if !__has_feature(thread_sanitizer) && !__has_feature(address_sanitizer)

void *malloc(size_t bytes) {
    count++;
    return __libc_malloc(bytes);
}

void *calloc(size_t items, size_t bytes) {
    count++;
    return __libc_calloc(items, bytes);
}

void *realloc(void *old, size_t bytes) {
    count++;
    return __libc_realloc(old, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes) {
    count++;
    return __libc_memalign(alignment, bytes);
}

int posix_memalign(void **result, size_t alignment, size_t bytes) {
    count++;
    *result = __libc_memalign(alignment, bytes);
    return *result == NULL ? ENOMEM : 0;
}

#endif
