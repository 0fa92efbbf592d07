// No <sys/socket.h> here: its declarations belong to Swift's Glibc module, and would move to this one.
#pragma once
#include "cposix_glibc.h"

/// accept4 with SOCK_NONBLOCK and SOCK_CLOEXEC; -1 and errno on failure. `peer` is a socket address with room for
/// `length` bytes.
int cposix_accept(int listener, void *peer, unsigned int *length);
