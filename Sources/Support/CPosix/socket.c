#define _GNU_SOURCE
#include "cposix_socket.h"
#include <sys/socket.h>

int cposix_accept(int listener, void *peer, unsigned int *length) {
    return accept4(listener, peer, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}
