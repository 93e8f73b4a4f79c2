/*
 * json_unescape.c - what an escaped string says.
 *
 * The portable way copies runs up to the next backslash. Docker's lines hold
 * JSON inside a JSON string, a backslash every few bytes, where that would
 * branch all the time; so AVX2 takes 32 bytes, marks the backslashes that
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
        decoded->escapes++;
    }
}

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET_AVX2 __attribute__((target("avx2,bmi,popcnt")))

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

/* Of 32 bytes: where quotes, backslashes, control characters and bytes above 0x7f are. */
struct block {
    uint32_t quotes;
    uint32_t slashes;
    uint32_t controls;
    uint32_t high;
};

TARGET_AVX2 static inline struct block look(__m256i bytes)
{
    __m256i controls = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);

    return (struct block){
        (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('"'))),
        (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\\'))),
        (uint32_t)_mm256_movemask_epi8(controls),
        (uint32_t)_mm256_movemask_epi8(bytes),
    };
}

/* The backslashes that begin an escape: every second one where they stand in a row. */
static inline uint32_t escapes_of(uint32_t slashes)
{
    uint32_t escapes = 0;

    if ((slashes & slashes << 1) == 0)
        return slashes;
    while (slashes != 0) {
        uint32_t lowest = slashes & -slashes;

        escapes |= lowest;
        slashes &= ~(lowest | lowest << 1);
    }
    return escapes;
}

/* Stores 32 bytes without those in `drop`. */
TARGET_AVX2 static inline void store_without(const char *from, uint32_t drop, char *to)
{
    for (unsigned i = 0; i < 4; i++) {
        unsigned set = drop >> (8 * i) & 0xff;
        __m128i eight = _mm_loadl_epi64((const __m128i *)(const void *)(from + 8 * (size_t)i));
        __m128i shuffle = _mm_loadl_epi64((const __m128i *)(const void *)shuffles.of[set]);

        _mm_storel_epi64((__m128i *)(void *)to, _mm_shuffle_epi8(eight, shuffle));
        to += 8 - _mm_popcnt_u32(set);
    }
}

/* Puts the letters in `others` right in what was stored. Returns the first that is no simple one, or 32. */
TARGET_AVX2 static inline unsigned fix_letters(const char *from, uint32_t others, uint32_t keep, char *to)
{
    for (; others != 0; others &= others - 1) {
        unsigned i = (unsigned)__builtin_ctz(others);
        char letter = letters[(unsigned char)from[i]];

        if (letter == 0)
            return i;
        to[_mm_popcnt_u32(keep & ((UINT32_C(1) << i) - 1))] = letter;
    }
    return 32;
}

static inline uint32_t bits_below(unsigned n)
{
    return n >= 32 ? UINT32_MAX : (UINT32_C(1) << n) - 1;
}

enum progress { GOES_ON, ENDS, UNICODE, BROKEN };

/* One block of 32 bytes. With UNICODE, decoded->used stands on the backslash. */
TARGET_AVX2 static inline enum progress decode_block(const char *from, char *to, struct json_decoded *decoded)
{
    __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)from);
    struct block block = look(bytes);
    enum progress progress = GOES_ON;
    unsigned taken = 32;

    if ((block.quotes | block.slashes | block.controls) == 0) {
        _mm256_storeu_si256((__m256i *)(void *)to, bytes);
        decoded->used += 32;
        decoded->len += 32;
        decoded->high |= block.high != 0;
        return GOES_ON;
    }
    uint32_t escapes = escapes_of(block.slashes);
    uint32_t ends = block.quotes & ~(escapes << 1);
    if (ends != 0) {
        taken = (unsigned)__builtin_ctz(ends);
        progress = ENDS;
    } else if (escapes >> 31 != 0) {
        taken = 31;
    }
    escapes &= bits_below(taken);
    uint32_t others = escapes << 1 & bits_below(taken) & ~(block.quotes | block.slashes);
    store_without(from, escapes, to);
    unsigned stop = others == 0 ? 32 : fix_letters(from, others, ~escapes, to);
    if (stop < 32) {
        taken = stop - 1;
        progress = UNICODE;
    }
    if ((block.controls & bits_below(taken)) != 0)
        return BROKEN;
    escapes &= bits_below(taken);
    unsigned dropped = (unsigned)_mm_popcnt_u32(escapes);
    decoded->used += taken;
    decoded->len += taken - dropped;
    decoded->escapes += dropped;
    decoded->high |= (block.high & bits_below(taken)) != 0;
    return progress;
}

TARGET_AVX2 static bool decode_avx2(struct lb_str text, char *out, struct json_decoded *decoded)
{
    while (text.len - decoded->used >= 32) {
        const char *at = text.ptr + decoded->used;
        size_t written;

        switch (decode_block(at, out + decoded->len, decoded)) {
        case ENDS: return true;
        case BROKEN: return false;
        case GOES_ON: break;
        case UNICODE:
            at = text.ptr + decoded->used;
            if (json_escape_length(at, text.ptr + text.len) == 0)
                return false;
            decoded->used += decode_escape(at, text.ptr + text.len, 6, out + decoded->len, &written);
            decoded->len += written;
            decoded->escapes++;
            break;
        }
    }
    return decode_plain(text, out, decoded);
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
    *decoded = (struct json_decoded){ 0, 0, 0, false };
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
