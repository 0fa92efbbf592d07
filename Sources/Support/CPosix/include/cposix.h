#include "cposix_glibc.h"  // first; it says why
// Linux headers that Swift's Glibc module leaves out, and a few calls that need _GNU_SOURCE; those on sockets and files
// are in the headers beside this one.
#pragma once
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/un.h>

/// Names the calling thread for debuggers and `top -H`; the kernel keeps 15 bytes.
int cposix_name_thread(const char *name);

/// A number that no other live thread has. Unlike glibc's pthread_self, which is declared constant, compilers may not keep
/// its result: a task may go on in another thread after each await.
unsigned long cposix_thread_number(void);

/// Gives the kernel what is free in the heaps of all threads. glibc keeps it for the thread that freed it.
void cposix_trim_heaps(void);

/// Gives buffers of so many bytes and more mappings of their own, which go back to the system when they are freed
/// (mallopt(3), M_MMAP_THRESHOLD).
void cposix_map_buffers_from(int bytes);
