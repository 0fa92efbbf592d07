#define _GNU_SOURCE
#include "cposix_process.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mount.h>
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

struct program {
    const char *path;
    char *const *arguments;
    char *const *environment;
    const char *log, *directory;
    int flags, room, last_number;
    volatile int failed;
};

// Locks of the caller's files are held as long as anybody has them open, so this comes first, and again at the end.
static int forget_files(void) { return close_range(3, ~0U, 0) == 0 ? 0 : errno; }

// As a program expects it that nobody prepared: signals as usual, and no descriptors but the first three. Returns an errno.
static int forget_caller(int output) {
    if (setsid() < 0) return errno;
    for (int number = 1; number < _NSIG; number++) {
        struct sigaction standard = {.sa_handler = SIG_DFL};
        sigaction(number, &standard, NULL); // fails for SIGKILL, SIGSTOP and what libc keeps for itself
    }
    int empty = open("/dev/null", O_RDONLY);
    if (empty < 0 || dup2(output, 1) < 0 || dup2(output, 2) < 0 || dup2(empty, 0) < 0) return errno;
    return forget_files();
}

static int become(const struct program *program) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(program->path, program->arguments, program->environment);
    return errno;
}

// The child's part, in memory that it shares with the parent until it execs: system calls only. Returns an errno.
static int become_engine(const struct program *program) {
    if (program->room >= 0 && setns(program->room, CLONE_NEWNS) != 0) return errno;
    int why = forget_files();
    if (why != 0) return why;
    // From here on: a file that was opened outside of the room's mounts is one that no image can name.
    int log = open(program->log, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (log < 0) return errno;
    why = forget_caller(log);
    if (why != 0) return why;
    if (chdir(program->directory) != 0) return errno;
    if (program->flags & CPOSIX_WITHOUT_IO_URING) forget_io_uring();
    return become(program);
}

// Runs `body` in a child with memory shared until it execs; its number, or the negative of an errno.
static int begin(struct program *program, int (*body)(const struct program *)) {
    sigset_t all, before;
    sigfillset(&all);
    // No handler of ours may run in the child while it shares our memory.
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = vfork();
    if (pid == 0) {
        program->failed = body(program);
        _exit(127);
    }
    int why = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) return -why;
    if (program->failed == 0) return pid;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    return -program->failed;
}

int cposix_spawn_engine(const char *path, char *const arguments[], char *const environment[], const char *log,
                        const char *directory, int flags, int room) {
    struct program program = {path, arguments, environment, log, directory, flags, room, 0, 0};
    if (room < 0) return begin(&program, become_engine);
    int home = cposix_pidfd_open(getpid());
    if (home < 0) return -errno;
    int made;
    if (setns(room, CLONE_NEWPID) == 0) { // of this thread's next children
        made = begin(&program, become_engine);
        // Back among all others' numbers, which is always allowed.
        if (setns(home, CLONE_NEWPID) != 0) _exit(126);
    } else {
        made = -errno;
    }
    close(home);
    return made;
}

static int write_number(const char *path, int number) {
    char text[12];
    int at = sizeof text;
    do text[--at] = '0' + number % 10;
    while ((number /= 10) > 0);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return errno;
    ssize_t written = write(file, text + at, sizeof text - at);
    int why = written < 0 ? errno : 0;
    close(file);
    return why;
}

// The keeper's part.
static int become_keeper(const struct program *program) {
    int why = forget_files();
    if (why != 0) return why;
    // What others mount later is seen here too, and what is mounted here is not seen by others.
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0) return errno;
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0) return errno;
    if ((program->flags & CPOSIX_OWN_SHARED_MEMORY) &&
        mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777") != 0)
        return errno;
    if (program->last_number > 0) {
        why = write_number("/proc/sys/kernel/ns_last_pid", program->last_number);
        if (why != 0) return why;
    }
    int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere < 0) return errno;
    why = forget_caller(nowhere);
    if (why != 0) return why;
    // The kernel then reaps what nobody else does, and this survives exec.
    struct sigaction ignored = {.sa_handler = SIG_IGN};
    sigaction(SIGCHLD, &ignored, NULL);
    if (chdir("/") != 0) return errno;
    return become(program);
}

static int keep(void *given) {
    struct program *program = given;
    program->failed = become_keeper(program);
    _exit(127);
}

int cposix_make_room(const char *path, char *const arguments[], char *const environment[], int flags, int last_number) {
    struct program program = {path, arguments, environment, "", "", flags, -1, last_number, 0};
    // vfork with namespaces: the parent goes on once the child has its own memory, when all is mounted.
    _Alignas(16) char stack[32768];
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int pid = clone(keep, stack + sizeof stack, CLONE_VM | CLONE_VFORK | CLONE_NEWPID | CLONE_NEWNS | SIGCHLD, &program);
    int why = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0) return -why;
    if (program.failed == 0) return pid;
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {}
    return -program.failed;
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
