/*
 * What is posted: heads are read strictly, chunks whatever the cuts, and bodies to their last byte.
 */
#include "lb_test.h"

#include "post_body.c"
#define trimmed trimmed_head
#define refuse refuse_head
#define next_line next_head_line
#include "post_head.c"

static enum lb_err read_text(const char *text, struct post_head *head)
{
    return post_head_read(lb_str_from(text), head);
}

static void reads_what_a_request_says(void **state)
{
    static const char text[] = "POST /in?a=b HTTP/1.1\r\nhost: x\r\nCONTENT-length:  12 \r\nContent-Encoding: GZIP\r\n"
                               "Content-Type: Application/JSON; charset=utf-8\r\nConnection: foo, close\r\n"
                               "Authorization: Bearer x y\r\nExpect: 100-Continue\r\n\r\nbody";
    struct post_head head;

    (void)state;
    assert_int_equal(read_text(text, &head), LB_OK);
    assert_int_equal(head.length, sizeof(text) - 1 - 4);
    assert_true(lb_str_is(head.method, "POST") && lb_str_is(head.path, "/in"));
    assert_true(lb_str_is(head.authorization, "Bearer x y"));
    assert_true(head.sized && head.size == 12 && !head.chunked && !head.keep_alive && head.expects);
    assert_int_equal(head.coding, POST_ZLIB);
    assert_int_equal(head.media, POST_JSON);
    for (size_t length = 0; length < head.length; length++)
        assert_int_equal(post_head_read((struct lb_str){ text, length }, &(struct post_head){ 0 }), LB_AGAIN);
}

/* A body in chunks, cut at every byte, is the same; returns what came of it. */
static enum lb_err join(const char *text, size_t cut, char *out)
{
    struct post_chunks chunks = { 0 };
    struct lb_str piece;
    size_t used = 0;
    size_t length = 0;
    enum lb_err err = LB_AGAIN;

    for (size_t end = cut; err == LB_AGAIN; end = strlen(text)) {
        while ((err = post_chunks_read(&chunks, (struct lb_str){ text, end }, &used, &piece)) == LB_OK) {
            memcpy(out + length, piece.ptr, piece.len);
            length += piece.len;
        }
        if (end == strlen(text))
            break;
    }
    out[length] = '\0';
    return err;
}

static void chunks_are_the_same_whatever_the_cuts(void **state)
{
    static const char text[] = "5\r\nhello\r\n0A;ext=1\r\n, again an\r\n1 \r\nd\r\n0\r\nTrailer: x\r\n\r\n";
    char out[100];

    (void)state;
    for (size_t cut = 0; cut < sizeof(text); cut++) {
        assert_int_equal(join(text, cut, out), LB_END);
        assert_string_equal(out, "hello, again and");
    }
    for (size_t cut = 0; cut < sizeof(text) - 1; cut++) {
        struct post_chunks chunks = { 0 };
        struct lb_str piece;
        size_t used = 0;
        enum lb_err err;

        while ((err = post_chunks_read(&chunks, (struct lb_str){ text, cut }, &used, &piece)) == LB_OK)
            ;
        assert_int_equal(err, LB_AGAIN);
    }
}

static void chunks_that_are_none_are_refused(void **state)
{
    static const char *const cases[] = { "\r\n",          "x\r\n",    "5\nhello\r\n", "5\r\nhelloX", "5\r\nhello\rX",
                                         "123456789\r\n", "0\r\n\rX", "5 x\nhello",   "0\r\nA: b\n" };
    char out[100];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        assert_int_equal(join(cases[i], strlen(cases[i]), out), LB_BAD_INPUT);
}

static void finds_the_events_of_a_body(void **state)
{
    static const struct {
        const char *text;
        enum post_media media;
        const char *events; /* "a|b|"; NULL: it is refused */
    } cases[] = {
        { "{\"a\":1}", POST_JSON, "{\"a\":1}|" },
        { " {\"a\":1}\n{\"b\":\n2} {}", POST_ANY, "{\"a\":1}|{\"b\":\n2}|{}|" },
        { "[{\"a\":1} , {}]\n", POST_JSON, "{\"a\":1}|{}|" },
        { "[]", POST_JSON, "" },
        { "", POST_JSON, "" },
        { "a\r\n\nb", POST_ANY, "a|b|" },
        { "{\"a\":1}\nb", POST_TEXT, "{\"a\":1}|b|" },
        { "[{}", POST_JSON, NULL },
        { "[{},]", POST_JSON, NULL },
        { "[{}] x", POST_JSON, NULL },
        { "[{} {}]", POST_JSON, NULL },
        { "[,{}]", POST_JSON, NULL },
        { "[1]", POST_JSON, NULL },
        { "{\"a\":}", POST_JSON, NULL },
        { "a", POST_JSON, NULL },
        { "{} x", POST_ANY, NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char found[200] = "";
        struct post_body body;
        size_t start;
        size_t length;
        enum lb_err err;

        post_body_open(&body, lb_str_from(cases[i].text), cases[i].media);
        while ((err = post_body_next(&body, &start, &length)) == LB_OK) {
            strncat(found, cases[i].text + start, length);
            strcat(found, "|");
        }
        if (err != (cases[i].events != NULL ? LB_END : LB_BAD_INPUT))
            fail_msg("case %zu: %d", i, (int)err);
        if (cases[i].events != NULL)
            assert_string_equal(found, cases[i].events);
        else
            assert_non_null(body.reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_a_request_says),
        cmocka_unit_test(chunks_are_the_same_whatever_the_cuts),
        cmocka_unit_test(chunks_that_are_none_are_refused),
        cmocka_unit_test(finds_the_events_of_a_body),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
