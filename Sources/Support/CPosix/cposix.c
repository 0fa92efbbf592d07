#define _GNU_SOURCE
#include "cposix.h"
#include <malloc.h>
#include <pthread.h>

int cposix_name_thread(const char *name) { return pthread_setname_np(pthread_self(), name); }

unsigned long cposix_thread_number(void) { return (unsigned long)pthread_self(); }

void cposix_trim_heaps(void) { malloc_trim(0); }

void cposix_map_buffers_from(int bytes) { mallopt(M_MMAP_THRESHOLD, bytes); }
