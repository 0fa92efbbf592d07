#define _GNU_SOURCE
#include "cposix.h"
#include <pthread.h>
#include <string.h>

int cposix_name_thread(const char *name) { return pthread_setname_np(pthread_self(), name); }

unsigned long cposix_thread_number(void) { return (unsigned long)pthread_self(); }

ptrdiff_t cposix_find(const void *haystack, size_t length, const void *needle, size_t needle_length) {
    const char *found = memmem(haystack, length, needle, needle_length);
    return found ? found - (const char *)haystack : -1;
}
