#define _GNU_SOURCE
#include "cposix_process.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int describe(posix_spawn_file_actions_t *files, posix_spawnattr_t *attributes, int log_file,
                    const char *directory) {
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int failed = posix_spawn_file_actions_addopen(files, 0, "/dev/null", O_RDONLY, 0);
    if (!failed) failed = posix_spawn_file_actions_adddup2(files, log_file, 1);
    if (!failed) failed = posix_spawn_file_actions_adddup2(files, log_file, 2);
    if (!failed) failed = posix_spawn_file_actions_addclosefrom_np(files, 3);
    if (!failed) failed = posix_spawn_file_actions_addchdir_np(files, directory);
    if (!failed) failed = posix_spawnattr_setsigmask(attributes, &none);
    if (!failed) failed = posix_spawnattr_setsigdefault(attributes, &all);
    short flags = POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (!failed) failed = posix_spawnattr_setflags(attributes, flags);
    return failed;
}

int cposix_spawn_engine(const char *program, char *const arguments[], char *const environment[], int log_file,
                        const char *directory) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int failed = posix_spawn_file_actions_init(&files);
    if (failed) return -failed;
    failed = posix_spawnattr_init(&attributes);
    if (failed) {
        posix_spawn_file_actions_destroy(&files);
        return -failed;
    }
    pid_t pid = 0;
    failed = describe(&files, &attributes, log_file, directory);
    if (!failed) failed = posix_spawn(&pid, program, &files, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return failed ? -failed : pid;
}

int cposix_pidfd_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int cposix_reap(int pid, int *status) {
    pid_t got;
    do got = waitpid(pid, status, WNOHANG);
    while (got < 0 && errno == EINTR);
    if (got == pid) return 0;
    if (got == 0) errno = EAGAIN;
    return -1;
}
