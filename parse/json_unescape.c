/*
 * json_unescape.c - what an escaped string says.
 *
 * The portable way copies runs up to the next backslash. Docker's lines hold
 * JSON inside a JSON string, a backslash every few bytes, where that would
 * branch all the time; so AVX2 takes 64 bytes, marks the backslashes that
 * begin an escape, and closes the gaps eight bytes at a time by a table of
 * shuffles. Only the letter behind a backslash is then put right one by one,
 * and only \u leaves the block.
 */
#include "json_unescape.h"

#include "json_reader.h"
#include "lb_scan.h"

/* What the letter behind a backslash stands for; 0: not an escape of one letter. */
static const char letters[256] = {
    ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t',
};

static unsigned hex_digit(char c)
{
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 0x20) - 'a' + 10);
}

static unsigned hex4(const char *at)
{
    return hex_digit(at[0]) << 12 | hex_digit(at[1]) << 8 | hex_digit(at[2]) << 4 | hex_digit(at[3]);
}

static size_t write_utf8(unsigned code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

static bool is_surrogate(unsigned code, unsigned from)
{
    return code >= from && code < from + 0x400;
}

/* One valid escape of `len` bytes at `at`, or the pair of surrogates that it begins. Returns the bytes taken. */
static size_t decode_escape(const char *at, const char *end, size_t len, char *out, size_t *written)
{
    unsigned code;

    if (len == 2) {
        out[0] = letters[(unsigned char)at[1]];
        *written = 1;
        return 2;
    }
    code = hex4(at + 2);
    if (is_surrogate(code, 0xd800) && end - at >= 12 && at[6] == '\\' && json_escape_length(at + 6, end) == 6 &&
        is_surrogate(hex4(at + 8), 0xdc00)) {
        code = 0x10000 + ((code - 0xd800) << 10) + (hex4(at + 8) - 0xdc00);
        len = 12;
    } else if (code >= 0xd800 && code < 0xe000) {
        code = 0xfffd;
    }
    *written = write_utf8(code, out);
    return len;
}

/* The rest of a string after what `decoded` counts already. */
static bool decode_plain(struct lb_str text, char *out, struct json_decoded *decoded)
{
    const char *end = text.ptr + text.len;
    const char *at = text.ptr + decoded->used;
    unsigned char high = 0;
    size_t written;

    while (true) {
        size_t run = lb_scan_string(at, (size_t)(end - at), &high);

        memcpy(out + decoded->len, at, run);
        decoded->len += run;
        at += run;
        decoded->high |= high != 0;
        decoded->used = (size_t)(at - text.ptr);
        if (at == end || *at != '\\')
            return at < end && *at == '"';
        size_t len = json_escape_length(at, end);
        if (len == 0)
            return false;
        at += decode_escape(at, end, len, out + decoded->len, &written);
        decoded->len += written;
    }
}

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET_AVX2 __attribute__((target("avx2,bmi,popcnt")))
#define AVX2_INLINE TARGET_AVX2 static inline __attribute__((always_inline))

/* For each set of bytes to leave out of eight: the shuffle that closes the gaps. */
static struct {
    _Alignas(8) unsigned char of[256][8];
} shuffles;

static void fill_shuffles(void)
{
    for (unsigned set = 0; set < 256; set++) {
        unsigned count = 0;

        for (unsigned i = 0; i < 8; i++) {
            if ((set >> i & 1) == 0)
                shuffles.of[set][count++] = (unsigned char)i;
        }
        while (count < 8)
            shuffles.of[set][count++] = 0x80;
    }
}

static bool has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt");
}

/* The backslashes that begin an escape: every second one where they stand in a row. */
static inline uint64_t escapes_of(uint64_t slashes)
{
    uint64_t escapes = 0;

    if ((slashes & slashes << 1) == 0)
        return slashes;
    while (slashes != 0) {
        uint64_t lowest = slashes & -slashes;

        escapes |= lowest;
        slashes &= ~(lowest | lowest << 1);
    }
    return escapes;
}

/* Stores 8 bytes without those in `drop`; returns where the next go. */
AVX2_INLINE char *store_eight(const char *from, uint64_t drop, char *to)
{
    __m128i eight = _mm_loadl_epi64((const __m128i *)(const void *)from);
    __m128i shuffle = _mm_loadl_epi64((const __m128i *)(const void *)shuffles.of[drop & 0xff]);

    _mm_storel_epi64((__m128i *)(void *)to, _mm_shuffle_epi8(eight, shuffle));
    return to + 8 - _mm_popcnt_u64(drop & 0xff);
}

/* The same for 64; written out, as compilers leave the loop. */
AVX2_INLINE char *store_block(const char *from, uint64_t drop, char *to)
{
    to = store_eight(from, drop, to);
    to = store_eight(from + 8, drop >> 8, to);
    to = store_eight(from + 16, drop >> 16, to);
    to = store_eight(from + 24, drop >> 24, to);
    to = store_eight(from + 32, drop >> 32, to);
    to = store_eight(from + 40, drop >> 40, to);
    to = store_eight(from + 48, drop >> 48, to);
    return store_eight(from + 56, drop >> 56, to);
}

/* A block of 64 bytes; bit i of a mask is byte i. */
struct block {
    __m256i low;
    __m256i high;
};

AVX2_INLINE uint64_t mask_of(__m256i low, __m256i high)
{
    return (uint32_t)_mm256_movemask_epi8(low) | (uint64_t)(uint32_t)_mm256_movemask_epi8(high) << 32;
}

AVX2_INLINE uint64_t equal_to(struct block block, char byte)
{
    __m256i pattern = _mm256_set1_epi8(byte);

    return mask_of(_mm256_cmpeq_epi8(block.low, pattern), _mm256_cmpeq_epi8(block.high, pattern));
}

AVX2_INLINE uint64_t controls_of(struct block block)
{
    __m256i last = _mm256_set1_epi8(0x1f);

    return mask_of(_mm256_cmpeq_epi8(_mm256_min_epu8(block.low, last), block.low),
                   _mm256_cmpeq_epi8(_mm256_min_epu8(block.high, last), block.high));
}

/* Puts the letters in `others` right in what was stored. Returns the first that is no simple one, or 64. */
AVX2_INLINE unsigned fix_letters(const char *from, uint64_t others, uint64_t keep, char *to)
{
    for (; others != 0; others &= others - 1) {
        unsigned i = (unsigned)__builtin_ctzll(others);
        char letter = letters[(unsigned char)from[i]];

        if (letter == 0)
            return i;
        to[_mm_popcnt_u64(keep & ((UINT64_C(1) << i) - 1))] = letter;
    }
    return 64;
}

static inline uint64_t bits_below(unsigned n)
{
    return n >= 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

enum progress { GOES_ON, ENDS, UNICODE, BROKEN };

struct decoder {
    const char *from;
    char *to;
    uint64_t carry; /* the byte before `from` was a backslash that escapes the one at `from` */
    bool high;
};

/*
 * One block of 64 bytes. With ENDS, `from` stands on the closing quote; with UNICODE behind the backslash of what is
 * perhaps \uXXXX. Blocks follow each other at fixed distances, so that the next one is being loaded meanwhile.
 */
AVX2_INLINE enum progress decode_block(struct decoder *self)
{
    const char *from = self->from;
    struct block block = { _mm256_loadu_si256((const __m256i *)(const void *)from),
                           _mm256_loadu_si256((const __m256i *)(const void *)(from + 32)) };
    uint64_t quotes = equal_to(block, '"');
    uint64_t slashes = equal_to(block, '\\');
    uint64_t escapes = escapes_of(slashes & ~self->carry);
    uint64_t letters_at = escapes << 1 | self->carry;
    uint64_t ends = quotes & ~letters_at;
    uint64_t others = letters_at & ~(quotes | slashes);
    enum progress progress = GOES_ON;
    unsigned taken = 64;
    char *to = self->to;

    to = store_block(from, escapes, to);
    if (ends != 0) {
        taken = (unsigned)__builtin_ctzll(ends);
        others &= bits_below(taken);
        progress = ENDS;
    }
    if (others != 0) {
        unsigned stop = fix_letters(from, others, ~escapes, self->to);

        if (stop < 64) {
            taken = stop;
            progress = UNICODE;
        }
    }
    if ((controls_of(block) & bits_below(taken)) != 0)
        return BROKEN;
    self->high |= (mask_of(block.low, block.high) & bits_below(taken)) != 0;
    self->from += taken;
    self->to = progress == GOES_ON ? to : self->to + _mm_popcnt_u64(~escapes & bits_below(taken));
    self->carry = escapes >> 63;
    return progress;
}

static bool decode_unicode(struct decoder *self, const char *end)
{
    const char *slash = self->from - 1;
    size_t written;

    if (json_escape_length(slash, end) == 0)
        return false;
    self->from = slash + decode_escape(slash, end, 6, self->to, &written);
    self->to += written;
    self->carry = 0;
    return true;
}

TARGET_AVX2 static bool decode_avx2(struct lb_str text, char *out, struct json_decoded *decoded)
{
    struct decoder decoder = { text.ptr, out, 0, false };
    const char *end = text.ptr + text.len;
    enum progress progress = GOES_ON;

    while (progress == GOES_ON && end - decoder.from >= 64) {
        progress = decode_block(&decoder);
        if (progress == UNICODE)
            progress = decode_unicode(&decoder, end) ? GOES_ON : BROKEN;
    }
    decoded->used = (size_t)(decoder.from - text.ptr) - (progress == GOES_ON ? decoder.carry : 0);
    decoded->len = (size_t)(decoder.to - out);
    decoded->high = decoder.high;
    return progress == ENDS || (progress == GOES_ON && decode_plain(text, out, decoded));
}

static bool has_simd(void)
{
    if (!has_avx2())
        return false;
    fill_shuffles();
    return true;
}
#else
static bool decode_avx2(struct lb_str text, char *out, struct json_decoded *decoded)
{
    return decode_plain(text, out, decoded);
}

static bool has_simd(void)
{
    return false;
}
#endif

static bool simd;

/* Before main() and so before any thread: the table is filled once. */
__attribute__((constructor)) static void choose(void)
{
    simd = has_simd();
}

void json_decode_allow_simd(bool allow)
{
    simd = allow && has_simd();
}

bool json_decode_string(struct lb_str text, char *out, struct json_decoded *decoded)
{
    *decoded = (struct json_decoded){ 0, 0, false };
    if (!(simd ? decode_avx2(text, out, decoded) : decode_plain(text, out, decoded)))
        return false;
    decoded->used++;
    return true;
}

size_t lb_json_unescape(struct lb_str text, char *out)
{
    const char *end = text.ptr + text.len;
    const char *at = text.ptr;
    size_t len = 0;

    while (at < end) {
        const char *slash = memchr(at, '\\', (size_t)(end - at));
        size_t run = (size_t)((slash != NULL ? slash : end) - at);
        size_t written = 1;

        memmove(out + len, at, run);
        len += run;
        at += run;
        if (at == end)
            break;
        size_t escape = json_escape_length(at, end);
        if (escape == 0) {
            out[len] = *at++;
        } else {
            char decoded[4];

            at += decode_escape(at, end, escape, decoded, &written);
            memcpy(out + len, decoded, written);
        }
        len += written;
    }
    return len;
}
