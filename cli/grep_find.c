/*
 * grep_find.c - a short text in a long one.
 *
 * The tricky thing is the end: the last places are those where the whole text
 * still fits, and a block of 32 places may not read behind the text. So the
 * last block is laid over the one before it, and places that were seen are
 * masked out.
 */
#include "grep_find.h"

#include <stdatomic.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

struct finder {
    const char *name;
    const char *(*find)(const struct grep_needle *needle, const char *from, const char *end);
    uint64_t (*count)(const char *from, const char *end);
};

/* How frequent a byte is in logs, on a logarithmic scale: 20 is a factor of two. Others are rare. */
static const uint8_t frequency[128] = {
    0,   0,   0,   0,   0,   0,   0,   0,   0,   68,  155, 0,   0,   0,   0,   0,   0,   0,   0,   0,   0,   0,
    0,   0,   0,   0,   0,   21,  0,   0,   0,   0,   233, 20,  237, 83,  72,  143, 78,  119, 146, 146, 70,  122,
    200, 194, 207, 186, 218, 212, 207, 189, 188, 186, 182, 183, 182, 176, 218, 128, 82,  160, 91,  85,  105, 155,
    124, 152, 141, 154, 139, 140, 130, 141, 101, 112, 137, 152, 137, 143, 139, 87,  138, 150, 169, 127, 101, 125,
    110, 97,  117, 205, 187, 159, 84,  178, 62,  219, 176, 203, 200, 233, 179, 188, 182, 214, 117, 158, 205, 196,
    212, 216, 200, 133, 214, 221, 222, 194, 169, 156, 163, 171, 126, 153, 86,  153, 8,   0,
};

static uint32_t frequency_of(char c)
{
    return (unsigned char)c < 128 ? frequency[(unsigned char)c] : 0;
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

struct grep_needle grep_needle(struct lb_str text, bool fold)
{
    struct grep_needle needle = { .text = text, .fold = fold };

    for (uint32_t i = 1; i < text.len; i++) {
        if (frequency_of(text.ptr[i]) < frequency_of(text.ptr[needle.first_at]))
            needle.first_at = i;
    }
    needle.second_at = needle.first_at == 0 && text.len > 1 ? 1 : 0;
    for (uint32_t i = 0; i < text.len; i++) {
        if (i != needle.first_at && frequency_of(text.ptr[i]) < frequency_of(text.ptr[needle.second_at]))
            needle.second_at = i;
    }
    needle.first = (uint8_t)text.ptr[needle.first_at];
    needle.second = (uint8_t)text.ptr[needle.second_at];
    needle.first_case = fold && is_lower((char)needle.first) ? 0x20 : 0;
    needle.second_case = fold && is_lower((char)needle.second) ? 0x20 : 0;
    return needle;
}

uint32_t grep_needle_cost(const struct grep_needle *needle)
{
    uint32_t rarest = frequency_of((char)needle->first);

    return needle->text.len > 1 ? rarest + frequency_of((char)needle->second) : rarest + 256;
}

static bool is_here(const struct grep_needle *needle, const char *at)
{
    if (!needle->fold)
        return memcmp(at, needle->text.ptr, needle->text.len) == 0;
    for (size_t i = 0; i < needle->text.len; i++) {
        char c = at[i];

        if (c != needle->text.ptr[i] && !(is_lower(needle->text.ptr[i]) && (c | 0x20) == needle->text.ptr[i]))
            return false;
    }
    return true;
}

/* --- plain ---------------------------------------------------------------------- */

static const char *find_plain(const struct grep_needle *needle, const char *from, const char *end)
{
    if ((size_t)(end - from) < needle->text.len)
        return NULL;
    if (!needle->fold)
        return memmem(from, (size_t)(end - from), needle->text.ptr, needle->text.len);
    for (; (size_t)(end - from) >= needle->text.len; from++) {
        if ((from[needle->first_at] | needle->first_case) == (char)needle->first && is_here(needle, from))
            return from;
    }
    return NULL;
}

static uint64_t count_plain(const char *from, const char *end)
{
    uint64_t count = 0;

    for (; from < end; from++)
        count += *from == '\n';
    return count;
}

static const struct finder plain = { "plain", find_plain, count_plain };

/* --- x86-64 --------------------------------------------------------------------- */

#if defined(__x86_64__)
enum { NOWHERE = 64 };

/* The first place of a block that `bits` tells and that holds the text, or NOWHERE. */
static inline unsigned first_here(const struct grep_needle *needle, const char *at, uint32_t bits)
{
    for (; bits != 0; bits &= bits - 1) {
        unsigned place = (unsigned)__builtin_ctz(bits);

        if (is_here(needle, at + place))
            return place;
    }
    return NOWHERE;
}

static inline uint32_t pair_sse2(const struct grep_needle *needle, const char *at)
{
    __m128i first = _mm_loadu_si128((const __m128i *)(const void *)(at + needle->first_at));
    __m128i second = _mm_loadu_si128((const __m128i *)(const void *)(at + needle->second_at));

    first = _mm_or_si128(first, _mm_set1_epi8((char)needle->first_case));
    second = _mm_or_si128(second, _mm_set1_epi8((char)needle->second_case));
    first = _mm_cmpeq_epi8(first, _mm_set1_epi8((char)needle->first));
    second = _mm_cmpeq_epi8(second, _mm_set1_epi8((char)needle->second));
    return (uint32_t)_mm_movemask_epi8(_mm_and_si128(first, second));
}

static const char *find_sse2(const struct grep_needle *needle, const char *from, const char *end)
{
    if ((size_t)(end - from) < needle->text.len + 15)
        return find_plain(needle, from, end);
    const char *last = end - needle->text.len - 15; /* of a whole block */
    unsigned place;

    for (; from <= last; from += 16) {
        place = first_here(needle, from, pair_sse2(needle, from));
        if (place != NOWHERE)
            return from + place;
    }
    place = first_here(needle, last, pair_sse2(needle, last) & (0xffffu << (from - last) & 0xffffu));
    return place != NOWHERE ? last + place : NULL;
}

static uint64_t count_sse2(const char *from, const char *end)
{
    const __m128i newline = _mm_set1_epi8('\n');
    uint64_t count = 0;

    for (; end - from >= 16; from += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)from);

        count += (unsigned)__builtin_popcount((unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, newline)));
    }
    return count + count_plain(from, end);
}

static const struct finder sse2 = { "sse2", find_sse2, count_sse2 };

#define TARGET_AVX2 __attribute__((target("avx2,bmi,popcnt")))

struct pair_avx2 {
    __m256i first, second, first_case, second_case;
};

TARGET_AVX2 static inline __m256i pair_bytes(const struct grep_needle *needle, const struct pair_avx2 *pair,
                                             const char *at)
{
    __m256i first = _mm256_loadu_si256((const __m256i *)(const void *)(at + needle->first_at));
    __m256i second = _mm256_loadu_si256((const __m256i *)(const void *)(at + needle->second_at));

    first = _mm256_cmpeq_epi8(_mm256_or_si256(first, pair->first_case), pair->first);
    second = _mm256_cmpeq_epi8(_mm256_or_si256(second, pair->second_case), pair->second);
    return _mm256_and_si256(first, second);
}

TARGET_AVX2 static inline unsigned look_avx2(const struct grep_needle *needle, const struct pair_avx2 *pair,
                                             const char *at, uint32_t mask)
{
    return first_here(needle, at, (uint32_t)_mm256_movemask_epi8(pair_bytes(needle, pair, at)) & mask);
}

TARGET_AVX2 static const char *find_avx2(const struct grep_needle *needle, const char *from, const char *end)
{
    if ((size_t)(end - from) < needle->text.len + 31)
        return find_sse2(needle, from, end);
    const struct pair_avx2 pair = {
        _mm256_set1_epi8((char)needle->first),
        _mm256_set1_epi8((char)needle->second),
        _mm256_set1_epi8((char)needle->first_case),
        _mm256_set1_epi8((char)needle->second_case),
    };
    const char *last = end - needle->text.len - 31; /* of a whole block */
    unsigned place;

    while (from <= last) {
        if (last - from >= 64) { /* most have nothing: two blocks are asked at once */
            __m256i both = _mm256_or_si256(pair_bytes(needle, &pair, from), pair_bytes(needle, &pair, from + 32));

            if (_mm256_testz_si256(both, both)) {
                from += 64;
                continue;
            }
        }
        place = look_avx2(needle, &pair, from, UINT32_MAX);
        if (place != NOWHERE)
            return from + place;
        from += 32;
    }
    uint64_t seen = (uint64_t)(from - last); /* at most 32 */
    place = look_avx2(needle, &pair, last, (uint32_t)(UINT64_C(0xffffffff) << seen));
    return place != NOWHERE ? last + place : NULL;
}

TARGET_AVX2 static uint64_t count_avx2(const char *from, const char *end)
{
    const __m256i newline = _mm256_set1_epi8('\n');
    uint64_t count = 0;

    for (; end - from >= 32; from += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)from);

        count += (unsigned)__builtin_popcount((unsigned)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, newline)));
    }
    return count + count_plain(from, end);
}

static const struct finder avx2 = { "avx2", find_avx2, count_avx2 };

static bool has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt");
}
#endif

/* --- choosing -------------------------------------------------------------------- */

static _Atomic(const struct finder *) chosen;

static const struct finder *choose(const char *name)
{
    static const struct finder *const finders[] = {
#if defined(__x86_64__)
        &avx2,
        &sse2,
#endif
        &plain,
    };

    for (size_t i = 0; i < sizeof(finders) / sizeof(finders[0]); i++) {
#if defined(__x86_64__)
        if (finders[i] == &avx2 && !has_avx2())
            continue;
#endif
        if (name != NULL && strcmp(finders[i]->name, name) != 0)
            continue;
        atomic_store_explicit(&chosen, finders[i], memory_order_relaxed);
        return finders[i];
    }
    return NULL;
}

static inline const struct finder *finder(void)
{
    const struct finder *current = atomic_load_explicit(&chosen, memory_order_relaxed);

    return current != NULL ? current : choose(NULL);
}

const char *grep_find(const struct grep_needle *needle, const char *from, const char *end)
{
    return finder()->find(needle, from, end);
}

uint64_t grep_count_newlines(const char *from, const char *end)
{
    return finder()->count(from, end);
}

bool grep_find_force(const char *name)
{
    return choose(name) != NULL;
}
