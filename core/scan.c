/*
 * scan.c - finding bytes 32 or 16 at a time.
 *
 * Each implementation fills one row of function pointers; the first call
 * picks the best row that this machine can run and keeps it. The tricky thing
 * is the end of the input: nothing may be read behind it, so the last block
 * is loaded again from the end, overlapping what was seen, and only the bits
 * of new bytes count. Inputs shorter than a block go byte by byte.
 */
#include "lb_scan.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

struct scanner {
    const char *name;
    size_t (*string)(const char *ptr, size_t len, unsigned char *high);
    size_t (*lines)(const char *ptr, size_t len, uint32_t *ends, size_t max);
    bool (*marks)(const char *ptr, size_t len, uint64_t *marks);
};

/* --- plain ------------------------------------------------------------------ */

static size_t string_plain(const char *ptr, size_t len, unsigned char *high)
{
    const unsigned char *bytes = (const unsigned char *)ptr;
    size_t i = 0;

    while (i < len && bytes[i] >= 0x20 && bytes[i] != '"' && bytes[i] != '\\')
        *high |= bytes[i++] & 0x80;
    return i;
}

static size_t lines_plain(const char *ptr, size_t len, uint32_t *ends, size_t max)
{
    size_t count = 0;
    size_t at = 0;

    while (count < max && at < len) {
        const char *end = memchr(ptr + at, '\n', len - at);

        if (end == NULL)
            break;
        ends[count++] = (uint32_t)(end - ptr);
        at = (size_t)(end - ptr) + 1;
    }
    return count;
}

static bool marks_plain(const char *ptr, size_t len, uint64_t *marks)
{
    unsigned char high = 0;

    memset(marks, 0, (len + 63) / 64 * sizeof(*marks));
    for (size_t i = 0; i < len; i++) {
        i += string_plain(ptr + i, len - i, &high);
        if (i < len)
            marks[i / 64] |= UINT64_C(1) << (i % 64);
    }
    return high != 0;
}

static const struct scanner plain = { "plain", string_plain, lines_plain, marks_plain };

/* --- what all block implementations share ----------------------------------- */

#if defined(__x86_64__) || defined(__aarch64__)
/* Of one block: a bit for each byte that ends a string, and for each that is not ASCII. */
struct block_bits {
    uint32_t stops;
    uint32_t high;
};

/* The bits below the first stop of a block that has one. */
static inline size_t first_stop(struct block_bits bits, unsigned char *high)
{
    unsigned n = (unsigned)__builtin_ctz(bits.stops);

    if ((bits.high & ((UINT32_C(1) << n) - 1)) != 0)
        *high |= 0x80;
    return n;
}

/* The last bytes of an input, in a block of 64 with blanks behind them. */
static inline const char *padded(const char *ptr, size_t len, char *block)
{
    memset(block, ' ', 64);
    memcpy(block, ptr, len);
    return block;
}

/* Notes the line ends of one block whose first byte is byte `base`; at most up to `max`. */
static inline size_t note_lines(uint32_t bits, size_t base, uint32_t *ends, size_t count, size_t max)
{
    for (; bits != 0 && count < max; bits &= bits - 1)
        ends[count++] = (uint32_t)(base + (unsigned)__builtin_ctz(bits));
    return count;
}
#endif

/* --- x86-64 ------------------------------------------------------------------ */

#if defined(__x86_64__)
static inline struct block_bits string_bits_sse2(const char *ptr)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)ptr);
    __m128i quotes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
    __m128i slashes = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
    __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    __m128i stops = _mm_or_si128(_mm_or_si128(quotes, slashes), controls);

    return (struct block_bits){ (uint32_t)_mm_movemask_epi8(stops), (uint32_t)_mm_movemask_epi8(bytes) };
}

static size_t string_sse2(const char *ptr, size_t len, unsigned char *high)
{
    size_t at = 0;

    if (len < 16)
        return string_plain(ptr, len, high);
    while (true) {
        struct block_bits bits = string_bits_sse2(ptr + at);

        if (bits.stops != 0)
            return at + first_stop(bits, high);
        *high |= bits.high != 0 ? 0x80 : 0;
        at += 16;
        if (at == len)
            return len;
        if (len - at < 16)
            at = len - 16;
    }
}

static size_t lines_sse2(const char *ptr, size_t len, uint32_t *ends, size_t max)
{
    const __m128i newline = _mm_set1_epi8('\n');
    size_t count = 0;
    size_t at = 0;

    for (; len - at >= 16 && count < max; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(ptr + at));

        count = note_lines((uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, newline)), at, ends, count, max);
    }
    for (; at < len && count < max; at++) {
        if (ptr[at] == '\n')
            ends[count++] = (uint32_t)at;
    }
    return count;
}

static inline uint64_t word_sse2(const char *ptr, uint64_t *high)
{
    struct block_bits a = string_bits_sse2(ptr);
    struct block_bits b = string_bits_sse2(ptr + 16);
    struct block_bits c = string_bits_sse2(ptr + 32);
    struct block_bits d = string_bits_sse2(ptr + 48);

    *high |= a.high | b.high | c.high | d.high;
    return (uint64_t)a.stops | (uint64_t)b.stops << 16 | (uint64_t)c.stops << 32 | (uint64_t)d.stops << 48;
}

static bool marks_sse2(const char *ptr, size_t len, uint64_t *marks)
{
    char rest[64];
    uint64_t high = 0;
    size_t whole = len / 64;

    for (size_t i = 0; i < whole; i++)
        marks[i] = word_sse2(ptr + i * 64, &high);
    if (len % 64 != 0)
        marks[whole] = word_sse2(padded(ptr + whole * 64, len % 64, rest), &high);
    return high != 0;
}

static const struct scanner sse2 = { "sse2", string_sse2, lines_sse2, marks_sse2 };

#define TARGET_AVX2 __attribute__((target("avx2,bmi")))

TARGET_AVX2 static inline struct block_bits string_bits_avx2(const char *ptr)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)ptr);
    __m256i quotes = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"'));
    __m256i slashes = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\'));
    __m256i controls = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);
    __m256i stops = _mm256_or_si256(_mm256_or_si256(quotes, slashes), controls);

    return (struct block_bits){ (uint32_t)_mm256_movemask_epi8(stops), (uint32_t)_mm256_movemask_epi8(bytes) };
}

TARGET_AVX2 static size_t string_avx2(const char *ptr, size_t len, unsigned char *high)
{
    size_t at = 0;

    if (len < 32)
        return string_sse2(ptr, len, high);
    while (true) {
        struct block_bits bits = string_bits_avx2(ptr + at);

        if (bits.stops != 0)
            return at + first_stop(bits, high);
        *high |= bits.high != 0 ? 0x80 : 0;
        at += 32;
        if (at == len)
            return len;
        if (len - at < 32)
            at = len - 32;
    }
}

TARGET_AVX2 static size_t lines_avx2(const char *ptr, size_t len, uint32_t *ends, size_t max)
{
    const __m256i newline = _mm256_set1_epi8('\n');
    size_t count = 0;
    size_t at = 0;

    for (; len - at >= 32 && count < max; at += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)(ptr + at));

        count = note_lines((uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, newline)), at, ends, count, max);
    }
    for (; at < len && count < max; at++) {
        if (ptr[at] == '\n')
            ends[count++] = (uint32_t)at;
    }
    return count;
}

TARGET_AVX2 static inline uint64_t word_avx2(const char *ptr, uint64_t *high)
{
    struct block_bits a = string_bits_avx2(ptr);
    struct block_bits b = string_bits_avx2(ptr + 32);

    *high |= a.high | b.high;
    return (uint64_t)a.stops | (uint64_t)b.stops << 32;
}

TARGET_AVX2 static bool marks_avx2(const char *ptr, size_t len, uint64_t *marks)
{
    char rest[64];
    uint64_t high = 0;
    size_t whole = len / 64;

    for (size_t i = 0; i < whole; i++)
        marks[i] = word_avx2(ptr + i * 64, &high);
    if (len % 64 != 0)
        marks[whole] = word_avx2(padded(ptr + whole * 64, len % 64, rest), &high);
    return high != 0;
}

static const struct scanner avx2 = { "avx2", string_avx2, lines_avx2, marks_avx2 };

static bool has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi");
}
#endif

/* --- aarch64 ------------------------------------------------------------------ */

#if defined(__aarch64__)
/* NEON has no movemask: each byte keeps one bit, and three pairwise additions gather sixteen. */
static inline uint32_t mask_neon(uint8x16_t bytes)
{
    static const uint8_t weights[16] = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128 };
    uint8x16_t sums = vandq_u8(bytes, vld1q_u8(weights));

    sums = vpaddq_u8(sums, sums);
    sums = vpaddq_u8(sums, sums);
    sums = vpaddq_u8(sums, sums);
    return vgetq_lane_u16(vreinterpretq_u16_u8(sums), 0);
}

static inline struct block_bits string_bits_neon(const char *ptr)
{
    uint8x16_t bytes = vld1q_u8((const uint8_t *)ptr);
    uint8x16_t stops = vorrq_u8(vceqq_u8(bytes, vdupq_n_u8('"')), vceqq_u8(bytes, vdupq_n_u8('\\')));

    stops = vorrq_u8(stops, vcltq_u8(bytes, vdupq_n_u8(0x20)));
    return (struct block_bits){ mask_neon(stops), mask_neon(vcgeq_u8(bytes, vdupq_n_u8(0x80))) };
}

static size_t string_neon(const char *ptr, size_t len, unsigned char *high)
{
    size_t at = 0;

    if (len < 16)
        return string_plain(ptr, len, high);
    while (true) {
        struct block_bits bits = string_bits_neon(ptr + at);

        if (bits.stops != 0)
            return at + first_stop(bits, high);
        *high |= bits.high != 0 ? 0x80 : 0;
        at += 16;
        if (at == len)
            return len;
        if (len - at < 16)
            at = len - 16;
    }
}

static size_t lines_neon(const char *ptr, size_t len, uint32_t *ends, size_t max)
{
    const uint8x16_t newline = vdupq_n_u8('\n');
    size_t count = 0;
    size_t at = 0;

    for (; len - at >= 16 && count < max; at += 16) {
        uint8x16_t bytes = vld1q_u8((const uint8_t *)ptr + at);

        count = note_lines(mask_neon(vceqq_u8(bytes, newline)), at, ends, count, max);
    }
    for (; at < len && count < max; at++) {
        if (ptr[at] == '\n')
            ends[count++] = (uint32_t)at;
    }
    return count;
}

static inline uint64_t word_neon(const char *ptr, uint64_t *high)
{
    struct block_bits a = string_bits_neon(ptr);
    struct block_bits b = string_bits_neon(ptr + 16);
    struct block_bits c = string_bits_neon(ptr + 32);
    struct block_bits d = string_bits_neon(ptr + 48);

    *high |= a.high | b.high | c.high | d.high;
    return (uint64_t)a.stops | (uint64_t)b.stops << 16 | (uint64_t)c.stops << 32 | (uint64_t)d.stops << 48;
}

static bool marks_neon(const char *ptr, size_t len, uint64_t *marks)
{
    char rest[64];
    uint64_t high = 0;
    size_t whole = len / 64;

    for (size_t i = 0; i < whole; i++)
        marks[i] = word_neon(ptr + i * 64, &high);
    if (len % 64 != 0)
        marks[whole] = word_neon(padded(ptr + whole * 64, len % 64, rest), &high);
    return high != 0;
}

static const struct scanner neon = { "neon", string_neon, lines_neon, marks_neon };
#endif

/* --- choosing ------------------------------------------------------------------ */

/* The best first. */
static const struct scanner *runnable(size_t i)
{
    static const struct scanner *const scanners[] = {
#if defined(__x86_64__)
        &avx2,
        &sse2,
#elif defined(__aarch64__)
        &neon,
#endif
        &plain,
        NULL,
    };

#if defined(__x86_64__)
    if (!has_avx2())
        i++;
#endif
    return i < sizeof(scanners) / sizeof(scanners[0]) ? scanners[i] : NULL;
}

static _Atomic(const struct scanner *) chosen;

static const struct scanner *choose(void)
{
    const struct scanner *best = runnable(0);

    atomic_store_explicit(&chosen, best, memory_order_relaxed);
    return best;
}

static inline const struct scanner *scanner(void)
{
    const struct scanner *current = atomic_load_explicit(&chosen, memory_order_relaxed);

    return current != NULL ? current : choose();
}

size_t lb_scan_string(const char *ptr, size_t len, unsigned char *high)
{
    return scanner()->string(ptr, len, high);
}

bool lb_scan_marks(const char *ptr, size_t len, uint64_t *marks)
{
    return scanner()->marks(ptr, len, marks);
}

size_t lb_scan_lines(const char *ptr, size_t len, uint32_t *ends, size_t max)
{
    return scanner()->lines(ptr, len, ends, max);
}

size_t lb_scan_last_line(const char *ptr, size_t len)
{
    const char *end = len > 0 ? memrchr(ptr, '\n', len) : NULL;

    return end != NULL ? (size_t)(end - ptr) + 1 : 0;
}

const char *lb_scan_name(void)
{
    return scanner()->name;
}

int lb_scan_force(const char *name)
{
    if (name == NULL) {
        choose();
        return 1;
    }
    for (size_t i = 0; runnable(i) != NULL; i++) {
        if (strcmp(runnable(i)->name, name) == 0) {
            atomic_store_explicit(&chosen, runnable(i), memory_order_relaxed);
            return 1;
        }
    }
    return 0;
}
