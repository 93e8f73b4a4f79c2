/*
 * fuzz_encoding.c - any bytes in several encodings: what comes out is UTF-8, and again the same; UTF-8 that is right
 * stays as it was.
 */
#include "lb_encoding.h"
#include "lb_json.h"

#include <assert.h>
#include <string.h>

enum { ARENA_BYTES = 1 << 24 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = { "utf-8",     "utf-16le", "utf-16be", "utf-32le", "iso-8859-1",
                                         "shift_jis", "gb18030",  "euc-kr",   "koi8-r",   "windows-1252" };
    struct lb_str bytes = { (const char *)data, size };
    struct lb_arena arena;

    lb_arena_init(&arena, ARENA_BYTES);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct lb_encoding encoding;
        struct lb_str first, second;

        assert(lb_encoding_find(lb_str_from(names[i]), &encoding));
        first = lb_encoding_text(&encoding, bytes, &arena);
        second = lb_encoding_text(&encoding, bytes, &arena);
        assert((first.ptr == NULL) == (second.ptr == NULL));
        if (first.ptr == NULL)
            continue;
        assert(lb_utf8_valid(first) == first.len && lb_str_equal(first, second));
        if (i == 0 && lb_utf8_valid(bytes) == size)
            assert(lb_str_equal(first, bytes));
        lb_arena_reset(&arena, ARENA_BYTES);
    }
    lb_arena_free(&arena);
    return 0;
}
