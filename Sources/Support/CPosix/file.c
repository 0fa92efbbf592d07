#define _GNU_SOURCE
#include "cposix_file.h"
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/uio.h>

int cposix_open_at(int directory, const char *name, int flags, unsigned int mode) {
    return openat(directory, name, flags | O_CLOEXEC, mode);
}

int cposix_open_direct(int directory, const char *name) {
    return openat(directory, name, O_RDONLY | O_DIRECT | O_NOFOLLOW | O_CLOEXEC);
}

int cposix_rename_new(int from_directory, const char *from, int to_directory, const char *to) {
    return renameat2(from_directory, from, to_directory, to, RENAME_NOREPLACE);
}

int cposix_punch_hole(int file, int64_t offset, int64_t length) {
    return fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

ptrdiff_t cposix_read_cached(int file, void *bytes, size_t count, int64_t offset) {
    struct iovec piece = {bytes, count};
    return preadv2(file, &piece, 1, offset, RWF_NOWAIT);
}

int cposix_try_lock(int file, int exclusive) { return flock(file, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB); }

int cposix_unlock(int file) { return flock(file, LOCK_UN); }
