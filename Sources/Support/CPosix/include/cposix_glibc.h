#pragma once
// Read by Swift's importer only. Without it the system types that our headers include (timespec, sockaddr_un, ...) belong
// to whichever module the compiler loads first, and `MemberImportVisibility` then rejects correct code in one build
// configuration and takes it in another. With Glibc's module loaded first, they are always Glibc's.
#ifdef __swift__
#pragma clang module import SwiftGlibc
#endif
