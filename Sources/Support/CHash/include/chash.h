// The two hashes of snapshots: SHA-256 names a chunk, CRC-64/NVME checks it at the speed of memory.
//
// Each has a portable form and one that uses the processor's own instructions, chosen once when the program starts.
// All functions may be called from any thread.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// CRC-64/NVME of `count` more bytes after those that gave `crc`; 0 to begin. (NVM Express NVM Command Set
/// Specification, 64b CRC: polynomial 0xAD93D23594C93659, reflected, all ones before and after. Also S3's CRC64NVME.)
uint64_t chash_crc64(uint64_t crc, const void *bytes, size_t count);

/// Copies `count` bytes, which must not overlap, and gives their CRC as `chash_crc64` does: one pass over the memory in place
/// of two. What is 4 KiB or longer goes past the caches, so use it for targets that nobody reads next.
uint64_t chash_copy_crc64(uint64_t crc, void *to, const void *from, size_t count);

/// The same as `chash_crc64` by tables of 8 x 256 words.
uint64_t chash_crc64_portable(uint64_t crc, const void *bytes, size_t count);

/// SHA-256 (FIPS 180-4) in the making.
typedef struct {
    uint32_t state[8];
    uint64_t total;
    uint8_t block[64];
} chash_sha256;

void chash_sha256_begin(chash_sha256 *hash);
void chash_sha256_update(chash_sha256 *hash, const void *bytes, size_t count);
/// Writes the 32 bytes of the digest; the state is spent.
void chash_sha256_end(chash_sha256 *hash, uint8_t *digest);
/// The digest of one piece of memory.
void chash_sha256_of(const void *bytes, size_t count, uint8_t *digest);
/// The same by plain arithmetic.
void chash_sha256_of_portable(const void *bytes, size_t count, uint8_t *digest);

/// Which forms are in use: 0 portable, 1 with the processor's instructions, 2 and 3 with vectors of 256 and 512 bits.
int chash_crc64_level(void);
int chash_sha256_level(void);
