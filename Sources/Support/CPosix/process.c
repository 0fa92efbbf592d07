#define _GNU_SOURCE
#include "cposix_process.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// io_uring_setup fails as on a kernel without it; everything else is as before. The number is the same on all architectures.
static void forget_io_uring(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 425, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof code / sizeof *code, code};
    // Without privileges to gain, nobody needs any to set a filter. Where it cannot be set, images are refused by name.
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0) prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter);
}

// The child's part, in memory that it shares with the parent until it execs: system calls only. Returns an errno.
static int become(const char *program, char *const arguments[], char *const environment[], int log_file,
                  const char *directory, int flags) {
    if (setsid() < 0) return errno;
    for (int number = 1; number < _NSIG; number++) {
        struct sigaction standard = {.sa_handler = SIG_DFL};
        sigaction(number, &standard, NULL); // fails for SIGKILL, SIGSTOP and what libc keeps for itself
    }
    int empty = open("/dev/null", O_RDONLY);
    if (empty < 0 || dup2(log_file, 1) < 0 || dup2(log_file, 2) < 0 || dup2(empty, 0) < 0) return errno;
    if (close_range(3, ~0U, 0) != 0 || chdir(directory) != 0) return errno;
    if (flags & CPOSIX_WITHOUT_IO_URING) forget_io_uring();
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(program, arguments, environment);
    return errno;
}

int cposix_spawn_engine(const char *program, char *const arguments[], char *const environment[], int log_file,
                        const char *directory, int flags) {
    sigset_t all, before;
    sigfillset(&all);
    // No handler of ours may run in the child while it shares our memory.
    pthread_sigmask(SIG_SETMASK, &all, &before);
    volatile int failed = 0;
    pid_t pid = vfork();
    if (pid == 0) {
        failed = become(program, arguments, environment, log_file, directory, flags);
        _exit(127);
    }
    int why = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) return -why;
    if (failed == 0) return pid;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    return -failed;
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
