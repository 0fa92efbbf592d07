// CRC-64/NVME by folding (V. Gopal et al., "Fast CRC Computation for Generic Polynomials Using PCLMULQDQ
// Instruction", Intel 2009). Bits are reflected: the lowest bit of a byte has the highest power.
#include "chash.h"
#include <string.h>

#define POLYNOMIAL UINT64_C(0x9A6C9329AC4BC9B5)  // 0xAD93D23594C93659, reflected

static uint64_t table[8][256];

typedef uint64_t (*crc_function)(uint64_t, const uint8_t *, size_t);
static crc_function chosen;
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
static uint64_t by_512[2], by_2048[2];

static void multipliers(uint64_t *pair, int distance) {
    pair[0] = power(distance + 63);
    pair[1] = power(distance - 1);
}

#define TARGET_128 __attribute__((target("sse4.2,pclmul")))
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
    multipliers(by_2048, 2048);
    if (__builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.2")) {
        chosen = by_128;
        level = 1;
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("vpclmulqdq")) {
            chosen = by_512_bits;
            level = 2;
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
    choose();
}

uint64_t chash_crc64(uint64_t crc, const void *bytes, size_t count) { return ~chosen(~crc, bytes, count); }

uint64_t chash_crc64_portable(uint64_t crc, const void *bytes, size_t count) { return ~by_table(~crc, bytes, count); }

int chash_crc64_level(void) { return level; }
