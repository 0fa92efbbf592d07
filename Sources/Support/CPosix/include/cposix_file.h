#pragma once
#include "cposix_glibc.h"
#include <stddef.h>
#include <stdint.h>

/// openat with O_CLOEXEC; -1 and errno on failure.
int cposix_open_at(int directory, const char *name, int flags, unsigned int mode);

/// openat for reading past the page cache, following no link; -1 and errno on failure, EINVAL where the file system cannot.
int cposix_open_direct(int directory, const char *name);

/// renameat that fails with EEXIST when the target is there.
int cposix_rename_new(int from_directory, const char *from, int to_directory, const char *to);

/// Gives the bytes back to the file system and keeps the file's length; they read as zeros.
int cposix_punch_hole(int file, int64_t offset, int64_t length);

/// pread of what is in the page cache, which may be less than asked; -1 and EAGAIN when nothing is.
ptrdiff_t cposix_read_cached(int file, void *bytes, size_t count, int64_t offset);

/// flock without waiting: exclusive or shared. The lock goes with the last descriptor of this opening, so also with a
/// killed process. -1 and EWOULDBLOCK when another opening holds it.
int cposix_try_lock(int file, int exclusive);

/// Gives the lock back.
int cposix_unlock(int file);
