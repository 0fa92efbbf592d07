#pragma once
#include "cposix_glibc.h"
#include <stdint.h>

/// Starts `program` as the leader of a session of its own, with standard input empty, standard output and error in
/// `log_file`, no other descriptor, no blocked or ignored signal, and `directory` as its working directory.
/// `arguments` and `environment` end with a null pointer. The process's number, or the negative of the errno.
///
/// With CPOSIX_WITHOUT_IO_URING in `flags` the program and all that it starts find no io_uring, whose memory cannot be put
/// into an image, and gain no privileges by exec.
int cposix_spawn_engine(const char *program, char *const arguments[], char *const environment[], int log_file,
                        const char *directory, int flags);

enum { CPOSIX_WITHOUT_IO_URING = 1 };

/// A descriptor that is readable once the process has ended; -1 and errno on failure.
int cposix_pidfd_open(int pid);

/// What a process that ended left: 0 with `*status` as of waitpid, or -1 and errno, ECHILD for one that is no child.
int cposix_reap(int pid, int *status);
