// CRC-64/NVME by folding (V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
// Instruction", Intel 2009). Bits are reflected: the lowest bit of a byte has the highest power.
#include "chash.h"
#include <string.h>

#define POLYNOMIAL UINT64_C(0x9A6C9329AC4BC9B5)  // 0xAD93D23594C93659, reflected

static uint64_t table[8][256];

typedef uint64_t (*crc_function)(uint64_t, const uint8_t *, size_t);
typedef uint64_t (*copy_function)(uint64_t, uint8_t *, const uint8_t *, size_t);
static crc_function chosen;
static copy_function chosen_copy;
static int level;

// The raw register, without the ones before and after.
static uint64_t by_table(uint64_t crc, const uint8_t *bytes, size_t count) {
    while (count >= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        word ^= crc;
        crc = 0;
        for (int i = 0; i < 8; i++) crc ^= table[7 - i][(word >> (8 * i)) & 0xFF];
        bytes += 8;
        count -= 8;
    }
    while (count--) crc = table[0][(crc ^ *bytes++) & 0xFF] ^ (crc >> 8);
    return crc;
}

// In pieces that stay in the first cache between the copy and the sum.
static uint64_t copy_in_pieces(uint64_t crc, uint8_t *to, const uint8_t *from, size_t count) {
    while (count) {
        size_t piece = count < 16384 ? count : 16384;
        memcpy(to, from, piece);
        crc = chosen(crc, to, piece);
        to += piece;
        from += piece;
        count -= piece;
    }
    return crc;
}

// x^n modulo the polynomial, reflected.
static uint64_t power(int n) {
    uint64_t value = UINT64_C(1) << 63;
    while (n--) value = (value >> 1) ^ ((value & 1) ? POLYNOMIAL : 0);
    return value;
}

#if defined(__x86_64__)
#include <immintrin.h>

// Multipliers that move 128 bits `distance` bits on: for the first 8 bytes, and for the other 8. One power less than
// the distance, since the product of two reflected words comes out shifted by one.
static uint64_t by_512[2], by_1024[2], by_2048[2];

static void multipliers(uint64_t *pair, int distance) {
    pair[0] = power(distance + 63);
    pair[1] = power(distance - 1);
}

#define TARGET_128 __attribute__((target("sse4.2,pclmul")))
#define TARGET_256 __attribute__((target("avx2,vpclmulqdq,sse4.2,pclmul")))
#define TARGET_512 __attribute__((target("avx512f,vpclmulqdq,sse4.2,pclmul")))

TARGET_128 static inline __m128i fold_128(__m128i value, __m128i by, __m128i next) {
    return _mm_xor_si128(
        _mm_xor_si128(_mm_clmulepi64_si128(value, by, 0x00), _mm_clmulepi64_si128(value, by, 0x11)), next);
}

// Four accumulators of 16 bytes. What they hold at the end is a shorter message with the same CRC.
TARGET_128 static uint64_t by_128(uint64_t crc, const uint8_t *bytes, size_t count) {
    if (count < 128) return by_table(crc, bytes, count);
    __m128i by = _mm_loadu_si128((const __m128i *)by_512);
    __m128i sum[4];
    for (int i = 0; i < 4; i++) sum[i] = _mm_loadu_si128((const __m128i *)bytes + i);
    sum[0] = _mm_xor_si128(sum[0], _mm_cvtsi64_si128((long long)crc));
    for (bytes += 64, count -= 64; count >= 64; bytes += 64, count -= 64)
        for (int i = 0; i < 4; i++) sum[i] = fold_128(sum[i], by, _mm_loadu_si128((const __m128i *)bytes + i));
    return by_table(by_table(0, (const uint8_t *)sum, sizeof sum), bytes, count);
}

TARGET_256 static inline __m256i fold_256(__m256i value, __m256i by, __m256i next) {
    return _mm256_xor_si256(
        _mm256_xor_si256(_mm256_clmulepi64_epi128(value, by, 0x00), _mm256_clmulepi64_epi128(value, by, 0x11)), next);
}

// Four accumulators of 32 bytes, kept in names: an array of them ends up in memory.
#define LOAD_256(i) _mm256_loadu_si256((const __m256i *)(bytes + 32 * i))
#define BEGIN_256                                                                                                     \
    const __m256i by = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)by_1024));                        \
    __m256i a = LOAD_256(0), b = LOAD_256(1), c = LOAD_256(2), d = LOAD_256(3);
#define END_256                                                                                                       \
    __m256i sum[4] = {a, b, c, d};                                                                                    \
    return by_128(by_128(0, (const uint8_t *)sum, sizeof sum), bytes, count);

TARGET_256 static uint64_t by_256_bits(uint64_t crc, const uint8_t *bytes, size_t count) {
    if (count < 256) return by_128(crc, bytes, count);
    BEGIN_256
    a = _mm256_xor_si256(a, _mm256_zextsi128_si256(_mm_cvtsi64_si128((long long)crc)));
    for (bytes += 128, count -= 128; count >= 128; bytes += 128, count -= 128) {
        a = fold_256(a, by, LOAD_256(0));
        b = fold_256(b, by, LOAD_256(1));
        c = fold_256(c, by, LOAD_256(2));
        d = fold_256(d, by, LOAD_256(3));
    }
    END_256
}

// The same, storing past the caches what it loads: a target that is longer than the cache need not be read for that.
TARGET_256 static uint64_t copy_by_256(uint64_t crc, uint8_t *to, const uint8_t *bytes, size_t count) {
    size_t head = (size_t)(-(uintptr_t)to & 31);
    if (count < 4096 + head) return copy_in_pieces(crc, to, bytes, count);
    memcpy(to, bytes, head);
    crc = by_table(crc, bytes, head);
    to += head, bytes += head, count -= head;
    BEGIN_256
#define STORE_256(i, value) _mm256_stream_si256((__m256i *)(to + 32 * i), value)
    STORE_256(0, a), STORE_256(1, b), STORE_256(2, c), STORE_256(3, d);
    a = _mm256_xor_si256(a, _mm256_zextsi128_si256(_mm_cvtsi64_si128((long long)crc)));
    for (to += 128, bytes += 128, count -= 128; count >= 128; to += 128, bytes += 128, count -= 128) {
        const __m256i p = LOAD_256(0), q = LOAD_256(1), r = LOAD_256(2), s = LOAD_256(3);
        STORE_256(0, p), STORE_256(1, q), STORE_256(2, r), STORE_256(3, s);
        a = fold_256(a, by, p);
        b = fold_256(b, by, q);
        c = fold_256(c, by, r);
        d = fold_256(d, by, s);
    }
    memcpy(to, bytes, count);
    // Such stores are not ordered with the ones that will tell others that the bytes are there.
    _mm_sfence();
    END_256
}

TARGET_512 static inline __m512i fold_512(__m512i value, __m512i by, __m512i next) {
    // 0x96: the exclusive or of all three.
    return _mm512_ternarylogic_epi64(
        _mm512_clmulepi64_epi128(value, by, 0x00), _mm512_clmulepi64_epi128(value, by, 0x11), next, 0x96);
}

// The same with four accumulators of 64 bytes.
TARGET_512 static uint64_t by_512_bits(uint64_t crc, const uint8_t *bytes, size_t count) {
    if (count < 512) return by_128(crc, bytes, count);
    __m512i by = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)by_2048));
    __m512i a = _mm512_loadu_si512(bytes), b = _mm512_loadu_si512(bytes + 64);
    __m512i c = _mm512_loadu_si512(bytes + 128), d = _mm512_loadu_si512(bytes + 192);
    a = _mm512_xor_si512(a, _mm512_zextsi128_si512(_mm_cvtsi64_si128((long long)crc)));
    for (bytes += 256, count -= 256; count >= 256; bytes += 256, count -= 256) {
        a = fold_512(a, by, _mm512_loadu_si512(bytes));
        b = fold_512(b, by, _mm512_loadu_si512(bytes + 64));
        c = fold_512(c, by, _mm512_loadu_si512(bytes + 128));
        d = fold_512(d, by, _mm512_loadu_si512(bytes + 192));
    }
    __m512i sum[4] = {a, b, c, d};
    return by_128(by_128(0, (const uint8_t *)sum, sizeof sum), bytes, count);
}

static void choose(void) {
    multipliers(by_512, 512);
    multipliers(by_1024, 1024);
    multipliers(by_2048, 2048);
    if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.2")) {
        chosen = by_128;
        level = 1;
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("vpclmulqdq")) {
            chosen = by_256_bits;
            chosen_copy = copy_by_256;
            level = 2;
        }
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq")) {
            chosen = by_512_bits;
            level = 3;
        }
    }
}
#else
static void choose(void) {}
#endif

__attribute__((constructor)) static void prepare(void) {
    for (int byte = 0; byte < 256; byte++) {
        uint64_t value = (uint64_t)byte;
        for (int bit = 0; bit < 8; bit++) value = (value >> 1) ^ ((value & 1) ? POLYNOMIAL : 0);
        table[0][byte] = value;
    }
    for (int slice = 1; slice < 8; slice++)
        for (int byte = 0; byte < 256; byte++)
            table[slice][byte] = table[0][table[slice - 1][byte] & 0xFF] ^ (table[slice - 1][byte] >> 8);
    chosen = by_table;
    chosen_copy = copy_in_pieces;
    choose();
}

uint64_t chash_crc64(uint64_t crc, const void *bytes, size_t count) { return ~chosen(~crc, bytes, count); }

uint64_t chash_copy_crc64(uint64_t crc, void *to, const void *from, size_t count) {
    return ~chosen_copy(~crc, to, from, count);
}

uint64_t chash_crc64_portable(uint64_t crc, const void *bytes, size_t count) { return ~by_table(~crc, bytes, count); }

int chash_crc64_level(void) { return level; }
