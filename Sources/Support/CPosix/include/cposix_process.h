#pragma once
#include "cposix_glibc.h"
#include <stdint.h>

/// Starts `program` as the leader of a session of its own, with standard input empty, standard output and error at the end of
/// the file `log`, no other descriptor, no blocked or ignored signal, and `directory` as its working directory.
/// `arguments` and `environment` end with a null pointer. The process's number, or the negative of the errno.
///
/// With CPOSIX_WITHOUT_IO_URING in `flags` the program and all that it starts find no io_uring, whose memory cannot be put
/// into an image, and gain no privileges by exec.
///
/// `room` is a pidfd of the keeper of a room that the program is to be in, or -1. The calling thread's own children of other
/// calls are not in it.
int cposix_spawn_engine(const char *program, char *const arguments[], char *const environment[], const char *log,
                        const char *directory, int flags, int room);

/// Makes a room: numbers of processes and mounts of its own, so that neither the numbers nor the files in memory of an image
/// meet those of others. `program` keeps it, as its process 1: it must do nothing, for ever. When it ends, by SIGKILL from
/// outside, the kernel ends all that is in the room. Orphans in it leave no zombies.
///
/// In it /proc shows what is in it. With CPOSIX_OWN_SHARED_MEMORY in `flags`, /dev/shm is empty and its own. All other mounts
/// are those of the caller, later ones too. Processes there get numbers above `last_number`, if that is not 0.
/// The keeper's number outside of it, or the negative of the errno: EPERM without CAP_SYS_ADMIN.
int cposix_make_room(const char *program, char *const arguments[], char *const environment[], int flags, int last_number);

enum { CPOSIX_WITHOUT_IO_URING = 1, CPOSIX_OWN_SHARED_MEMORY = 2 };

/// A descriptor that is readable once the process has ended; -1 and errno on failure.
int cposix_pidfd_open(int pid);

/// What a process that ended left: 0 with `*status` as of waitpid, or -1 and errno, ECHILD for one that is no child.
int cposix_reap(int pid, int *status);
