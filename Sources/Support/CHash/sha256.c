// SHA-256 (FIPS 180-4), plain and with the SHA instructions of x86 (Intel SDM volume 2, SHA256RNDS2, SHA256MSG1,
// SHA256MSG2).
#include "chash.h"
#include <string.h>

// Section 4.2.2: fractional parts of the cube roots of the first 64 primes.
_Alignas(16) static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

typedef void (*compress_function)(uint32_t *, const uint8_t *, size_t);

static uint32_t rotate(uint32_t word, int count) { return word >> count | word << (32 - count); }

static uint32_t big_endian(const uint8_t *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

// Section 6.2.2.
static void compress_portable(uint32_t *state, const uint8_t *bytes, size_t blocks) {
    for (; blocks > 0; blocks--, bytes += 64) {
        uint32_t w[64], v[8];
        for (int t = 0; t < 16; t++) w[t] = big_endian(bytes + 4 * t);
        for (int t = 16; t < 64; t++) {
            uint32_t s0 = rotate(w[t - 15], 7) ^ rotate(w[t - 15], 18) ^ w[t - 15] >> 3;
            uint32_t s1 = rotate(w[t - 2], 17) ^ rotate(w[t - 2], 19) ^ w[t - 2] >> 10;
            w[t] = w[t - 16] + s0 + w[t - 7] + s1;
        }
        memcpy(v, state, sizeof v);
        for (int t = 0; t < 64; t++) {
            uint32_t sum1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
            uint32_t first = v[7] + sum1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + constants[t] + w[t];
            uint32_t sum0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
            uint32_t second = sum0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
            memmove(v + 1, v, 7 * sizeof *v);
            v[4] += first;
            v[0] = first + second;
        }
        for (int i = 0; i < 8; i++) state[i] += v[i];
    }
}

static compress_function compress = compress_portable;
static int level;

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>

// Two registers hold the state as (A, B, E, F) and (C, D, G, H), highest word first: what the instructions want.
__attribute__((target("sha,sse4.1,ssse3"))) static void compress_sha(
    uint32_t *state, const uint8_t *bytes, size_t blocks) {
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xB1);
    __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1B);
    __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
    __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xF0);
    for (; blocks > 0; blocks--, bytes += 64) {
        const __m128i abef_before = abef, cdgh_before = cdgh;
        __m128i w[4];
        for (int i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)bytes + i), swap);
#pragma clang loop unroll(full)
        for (int i = 0; i < 16; i++) {
            __m128i k = _mm_add_epi32(w[i & 3], _mm_load_si128((const __m128i *)constants + i));
            cdgh = _mm_sha256rnds2_epu32(cdgh, abef, k);
            abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(k, 0x0E));
            if (i < 12) {
                __m128i next = _mm_add_epi32(
                    _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]), _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
                w[i & 3] = _mm_sha256msg2_epu32(next, w[(i + 3) & 3]);
            }
        }
        abef = _mm_add_epi32(abef, abef_before);
        cdgh = _mm_add_epi32(cdgh, cdgh_before);
    }
    __m128i feba = _mm_shuffle_epi32(abef, 0x1B);
    __m128i dchg = _mm_shuffle_epi32(cdgh, 0xB1);
    _mm_storeu_si128((__m128i *)state, _mm_blend_epi16(feba, dchg, 0xF0));
    _mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

__attribute__((constructor)) static void choose(void) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (__get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 29 & 1) && __builtin_cpu_supports("sse4.1") &&
        __builtin_cpu_supports("ssse3")) {
        compress = compress_sha;
        level = 1;
    }
}
#endif

void chash_sha256_begin(chash_sha256 *hash) {
    static const uint32_t start[8] = {
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    };
    memcpy(hash->state, start, sizeof start);
    hash->total = 0;
}

static void update(chash_sha256 *hash, const uint8_t *bytes, size_t count, compress_function compress) {
    size_t held = hash->total & 63;
    hash->total += count;
    if (held > 0) {
        size_t taken = count < 64 - held ? count : 64 - held;
        memcpy(hash->block + held, bytes, taken);
        bytes += taken;
        count -= taken;
        if (held + taken < 64) return;
        compress(hash->state, hash->block, 1);
    }
    compress(hash->state, bytes, count / 64);
    memcpy(hash->block, bytes + count / 64 * 64, count & 63);
}

static void end(chash_sha256 *hash, uint8_t *digest, compress_function compress) {
    uint8_t tail[128] = {0};
    size_t held = hash->total & 63, length = held < 56 ? 64 : 128;
    uint64_t bits = hash->total * 8;
    memcpy(tail, hash->block, held);
    tail[held] = 0x80;
    for (int i = 0; i < 8; i++) tail[length - 1 - i] = (uint8_t)(bits >> 8 * i);
    compress(hash->state, tail, length / 64);
    for (int i = 0; i < 32; i++) digest[i] = (uint8_t)(hash->state[i / 4] >> (24 - 8 * (i & 3)));
}

void chash_sha256_update(chash_sha256 *hash, const void *bytes, size_t count) {
    if (count > 0) update(hash, bytes, count, compress);
}

void chash_sha256_end(chash_sha256 *hash, uint8_t *digest) { end(hash, digest, compress); }

static void whole(const void *bytes, size_t count, uint8_t *digest, compress_function compress) {
    chash_sha256 hash;
    chash_sha256_begin(&hash);
    if (count > 0) update(&hash, bytes, count, compress);
    end(&hash, digest, compress);
}

void chash_sha256_of(const void *bytes, size_t count, uint8_t *digest) { whole(bytes, count, digest, compress); }

void chash_sha256_of_portable(const void *bytes, size_t count, uint8_t *digest) {
    whole(bytes, count, digest, compress_portable);
}

int chash_sha256_level(void) { return level; }
