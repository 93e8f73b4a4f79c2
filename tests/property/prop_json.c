/*
 * prop_json.c - what must hold of JSON whatever the text: reading and writing
 * again gives the same, every implementation of scanning agrees, what is
 * expected changes nothing, docker's envelope gives back what was wrapped, and
 * a formatted record is valid JSON.
 */
#include "lb_format.h"
#include "lb_json.h"
#include "lb_limits.h"
#include "lb_parser.h"
#include "lb_scan.h"
#include "lb_test.h"
#include "lb_test_batch.h"

enum { TEXT_MAX = 32 * 1024, FIELDS = 64, ROUNDS = 3000, LINES = 24 };

static const char *const scanners[] = { "plain", "sse2", "avx2", "neon" };

/* --- random JSON ----------------------------------------------------------------- */

struct text {
    char bytes[TEXT_MAX];
    size_t len;
    uint64_t random;
};

static uint64_t below(struct text *text, uint64_t bound)
{
    return lb_random(&text->random) % bound;
}

static void put(struct text *text, const char *piece)
{
    size_t len = strlen(piece);

    if (text->len + len < TEXT_MAX - 1024) {
        memcpy(text->bytes + text->len, piece, len);
        text->len += len;
    }
}

static void put_blanks(struct text *text, bool blanks)
{
    while (blanks && below(text, 3) == 0)
        put(text, (const char *const[]){ " ", "\t", "\r", "  " }[below(text, 4)]);
}

static void put_string(struct text *text)
{
    static const char *const pieces[] = { "a",           "key",
                                          " ",           "0123456789abcdef",
                                          "caf\xc3\xa9", "\\\"",
                                          "\\\\",        "\\n",
                                          "\\u00e9",     "\\ud83d\\ude00",
                                          "/",           "{",
                                          "]",           ",",
                                          ":",           "\x7f" };
    uint64_t kinds = below(text, 4) == 0 ? 16 : 4;

    put(text, "\"");
    for (uint64_t n = below(text, below(text, 20) == 0 ? 300 : 6); n > 0; n--)
        put(text, pieces[below(text, kinds)]);
    put(text, "\"");
}

static void put_scalar(struct text *text)
{
    static const char *const words[] = { "0",    "-0",    "12",   "-3.50", "1e9", "2.5E-3",
                                         "true", "false", "null", "{}",    "[]",  "123456789012345678901234567890" };

    if (below(text, 3) == 0)
        put(text, words[below(text, 12)]);
    else
        put_string(text);
}

/* Brackets are kept on a stack of their own: no recursion. */
static void put_object(struct text *text, bool blanks)
{
    char closers[40];
    size_t depth = 0;
    uint64_t items = 1 + below(text, 40);

    put(text, "{");
    closers[depth++] = '}';
    bool first = true;
    for (; items > 0; items--) {
        put_blanks(text, blanks);
        put(text, first ? "" : ",");
        put_blanks(text, blanks);
        first = false;
        if (closers[depth - 1] == '}') {
            put_string(text);
            put_blanks(text, blanks);
            put(text, ":");
            put_blanks(text, blanks);
        }
        if (below(text, 6) == 0 && depth < sizeof(closers)) {
            bool object = below(text, 2) == 0;

            put(text, object ? "{" : "[");
            closers[depth++] = object ? '}' : ']';
            first = true;
            continue;
        }
        put_scalar(text);
        if (below(text, 4) == 0 && depth > 1)
            text->bytes[text->len++] = closers[--depth];
    }
    put_blanks(text, blanks);
    while (depth > 0)
        text->bytes[text->len++] = closers[--depth];
}

/* --- reading and writing ------------------------------------------------------------ */

static struct lb_str rewrite(const struct lb_json_object *object, struct lb_buffer *out)
{
    lb_buffer_reset(out);
    lb_buffer_append_char(out, '{');
    for (uint32_t i = 0; i < object->field_count; i++) {
        if (i > 0)
            lb_buffer_append_char(out, ',');
        lb_json_write_value(out, object->fields[i].key);
        lb_buffer_append_char(out, ':');
        lb_json_write_value(out, object->fields[i].value);
    }
    if (object->rest.len > 0) {
        lb_buffer_append(out, ",", object->field_count > 0);
        lb_buffer_append_str(out, object->rest);
    }
    lb_buffer_append_char(out, '}');
    return lb_buffer_str(out);
}

static void what_is_read_is_written_again(void **state)
{
    static struct text text;
    struct lb_buffer out;

    (void)state;
    text.random = lb_seed();
    lb_buffer_init(&out, 1 << 20);
    for (int round = 0; round < ROUNDS; round++) {
        struct lb_field fields[FIELDS];
        struct lb_json_object object = { .fields = fields, .field_max = (uint32_t)below(&text, FIELDS) };

        text.len = 0;
        put_object(&text, false);
        if (lb_json_read_object((struct lb_str){ text.bytes, text.len }, &object) != LB_OK)
            fail_msg("seed %llu: refused %.*s: %s at %zu", (unsigned long long)lb_seed(), (int)text.len, text.bytes,
                     object.reason, object.reason_at);
        assert_int_equal(object.end, text.len);
        /* Without blanks, writing gives every byte back. */
        assert_true(lb_str_equal(rewrite(&object, &out), (struct lb_str){ text.bytes, text.len }));
        text.len = 0;
        put_object(&text, true);
        assert_int_equal(lb_json_read_object((struct lb_str){ text.bytes, text.len }, &object), LB_OK);
        assert_true(lb_json_valid(rewrite(&object, &out)));
    }
    lb_buffer_free(&out);
}

/* A valid text with something wrong: implementations must agree on it, and on valid ones. */
static void all_scanners_agree(void **state)
{
    static struct text text;

    (void)state;
    text.random = lb_seed() + 1;
    for (int round = 0; round < ROUNDS; round++) {
        struct lb_json_object first = { 0 };
        enum lb_err first_err = LB_OK;
        bool have_first = false;

        text.len = 0;
        put_object(&text, below(&text, 2) == 0);
        for (uint64_t faults = below(&text, 3); faults > 0; faults--)
            text.bytes[below(&text, text.len)] = "\"\\{}[],:\x01\xff"
                                                 "a0"[below(&text, 12)];
        for (size_t i = 0; i < sizeof(scanners) / sizeof(scanners[0]); i++) {
            struct lb_field fields[FIELDS];
            struct lb_json_object object = { .fields = fields, .field_max = FIELDS };

            if (!lb_scan_force(scanners[i]))
                continue;
            enum lb_err err = lb_json_read_object((struct lb_str){ text.bytes, text.len }, &object);
            if (!have_first) {
                first = object;
                first_err = err;
                have_first = true;
            }
            if (err != first_err || (err == LB_OK && object.field_count != first.field_count) ||
                (err != LB_OK && object.reason_at != first.reason_at))
                fail_msg("seed %llu, round %d: %s disagrees", (unsigned long long)lb_seed(), round, scanners[i]);
        }
    }
    lb_scan_force(NULL);
}

static bool same_value(struct lb_value a, struct lb_value b)
{
    return a.ptr == b.ptr && a.len == b.len && a.kind == b.kind && a.flags == b.flags;
}

/* Objects that are alike, then not: members swapped, changed, broken. What is expected must not change what is read. */
static void the_shape_never_changes_the_result(void **state)
{
    static const char *const keys[] = {
        "\"a\":",        "\"time\":", "\"level\" :",      "\"thirteen_long\":", "\"fourteen__long\":",
        "\"k\\u0061\":", "\"\":",     "\"caf\xc3\xa9\":", "\"b\xff\":",         "\"a\","
    };
    static struct text text;
    struct lb_json_shape shape = { .lengths = { 0 } };

    (void)state;
    text.random = lb_seed() + 3;
    for (int round = 0; round < ROUNDS * 4; round++) {
        struct lb_field plain_fields[FIELDS];
        struct lb_field fields[FIELDS];
        struct lb_json_object plain = { .fields = plain_fields, .field_max = FIELDS };
        struct lb_json_object object = { .shape = &shape, .fields = fields, .field_max = FIELDS };

        text.len = 0;
        put(&text, "{");
        for (uint64_t i = 0, members = below(&text, 30); i < members; i++) {
            put(&text, i > 0 ? "," : "");
            put(&text, below(&text, 8) == 0 ? " " : "");
            put(&text, below(&text, 8) == 0 ? keys[below(&text, 10)] : keys[i % 5]);
            put(&text, below(&text, 4) == 0 ? " " : "");
            put_scalar(&text);
            put(&text, below(&text, 8) == 0 ? " " : "");
        }
        put(&text, "}");
        struct lb_str bytes = { text.bytes, text.len - (below(&text, 10) == 0) };
        enum lb_err err = lb_json_read_object(bytes, &plain);
        assert_int_equal(lb_json_read_object(bytes, &object), err);
        if (err != LB_OK) {
            assert_int_equal(object.reason_at, plain.reason_at);
            continue;
        }
        assert_int_equal(object.field_count, plain.field_count);
        for (uint32_t i = 0; i < plain.field_count; i++) {
            assert_true(same_value(fields[i].key, plain_fields[i].key));
            assert_true(same_value(fields[i].value, plain_fields[i].value));
        }
    }
}

/* --- through docker's envelope to a line ----------------------------------------------- */

static void put_text(struct text *text, size_t len)
{
    static const char *const pieces[] = {
        "word ", "\"", "\\", "\t", "caf\xc3\xa9", "{\"a\":\"b\"}", "\x1b[0m", "<b>&"
    };

    if (below(text, 2) == 0) {
        put_object(text, false);
        return;
    }
    while (text->len < len)
        put(text, pieces[below(text, 8)]);
}

/* A line of docker's with `content`, sometimes with its members in another order. */
static struct lb_str wrap(struct text *text, struct lb_str content, struct lb_buffer *out)
{
    bool exact = below(text, 8) != 0;

    lb_buffer_reset(out);
    lb_buffer_print(out, exact ? "{\"log\":\"" : "{\"stream\":\"stderr\",\"log\":\"");
    lb_json_escape(out, content);
    lb_buffer_print(out, exact ? "\\n\",\"stream\":\"stdout\",\"time\":\"2026-03-01T10:00:00.000000001Z\"}"
                               : "\\n\",\"time\":\"2026-03-01T10:00:00Z\"}");
    return lb_buffer_str(out);
}

static void check_batch(struct lb_str *contents, struct lb_str *lines, uint32_t count, struct lb_buffer *out)
{
    static char room[LB_SCRATCH_BYTES];
    struct lb_scratch scratch = { room, sizeof(room), 0 };
    struct lb_formatter formatter = { .format = LB_FORMAT_JSON, .scratch = &scratch };
    struct lb_parser_chain chain = { .automatic = true };
    struct lb_batch batch;

    lb_test_batch_init(&batch, lines, count);
    assert_int_equal(lb_envelope_docker.open(&batch), LB_OK);
    assert_int_equal(batch.record_count, count);
    for (uint32_t i = 0; i < count; i++) {
        struct lb_value message = batch.records[i].message;

        if (!lb_str_equal((struct lb_str){ message.ptr, message.len }, contents[i]))
            fail_msg("seed %llu: line %u lost its text", (unsigned long long)lb_seed(), i);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct lb_parse_context context = { .batch = &batch, .scratch = &scratch };

        lb_parser_chain_apply(&chain, &batch.records[i], &context);
        lb_buffer_reset(out);
        lb_format_write(&formatter, &batch, &batch.records[i], out);
        assert_true(lb_json_valid(lb_buffer_str(out)));
        assert_int_equal(lb_utf8_valid(lb_buffer_str(out)), out->len);
    }
    lb_test_batch_free(&batch);
}

static void what_docker_wrapped_comes_out_again(void **state)
{
    static struct text text;
    struct lb_buffer out;

    (void)state;
    text.random = lb_seed() + 2;
    lb_buffer_init(&out, 1 << 20);
    for (int round = 0; round < ROUNDS / 20; round++) {
        struct lb_str contents[LINES];
        struct lb_str lines[LINES];
        struct lb_arena arena;

        lb_arena_init(&arena, 64 << 20);
        for (int i = 0; i < LINES; i++) {
            text.len = 0;
            put_text(&text, below(&text, 600));
            contents[i] = lb_arena_copy(&arena, (struct lb_str){ text.bytes, text.len });
            lines[i] = lb_arena_copy(&arena, wrap(&text, contents[i], &out));
        }
        check_batch(contents, lines, LINES, &out);
        lb_arena_free(&arena);
    }
    lb_buffer_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_written_again),
        cmocka_unit_test(all_scanners_agree),
        cmocka_unit_test(the_shape_never_changes_the_result),
        cmocka_unit_test(what_docker_wrapped_comes_out_again),
    };

    return cmocka_run_group_tests_name("property/json", tests, NULL, NULL);
}
