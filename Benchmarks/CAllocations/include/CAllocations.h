// Counts the calls of malloc and its kin of this thread, by standing in front of the C library's.
#ifndef CALLOCATIONS_H
#define CALLOCATIONS_H

/// Allocations that this thread has made so far; always 0 under a sanitizer.
unsigned long callocations_count(void);

#endif
