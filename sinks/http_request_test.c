#include "lb_test.h"

#include "http_request.c"

#include "lb_json.h"

static void add(struct http_request *request, unsigned n)
{
    char id[LB_RECORD_ID_SIZE];
    uint32_t start;

    snprintf(id, sizeof(id), "00000000000000ab-%x", n);
    http_request_begin(request, &start);
    lb_buffer_print(&request->body, "{\"n\":%u,\"pad\":\"%.*s\"}\n", n, (int)(n * 7 % 50),
                    "..................................................");
    assert_true(http_request_end(request, start, id, NULL));
}

static struct http_request *make(enum http_framing framing, unsigned first, unsigned count)
{
    struct http_request *request = http_request_new(framing, 1 << 20);

    for (unsigned n = first; n < first + count; n++)
        add(request, n);
    http_request_seal(request);
    return request;
}

/* Is it, byte for byte, what would have been made of these records from the start? */
static void assert_same(const struct http_request *request, const unsigned *numbers, unsigned count)
{
    struct http_request *fresh = http_request_new(request->framing, 1 << 20);

    for (unsigned i = 0; i < count; i++)
        add(fresh, numbers[i]);
    http_request_seal(fresh);
    assert_int_equal(request->count, count);
    assert_string_equal(request->id, fresh->id);
    assert_int_equal(request->body.len, fresh->body.len);
    assert_memory_equal(request->body.ptr, fresh->body.ptr, fresh->body.len);
    for (unsigned i = 0; i < count; i++) {
        assert_string_equal(request->items[i].id, fresh->items[i].id);
        assert_true(lb_json_valid(http_request_record(request, i)));
    }
    http_request_free(fresh);
}

static void what_is_kept_is_as_if_it_had_been_alone(void **state)
{
    (void)state;
    for (int framing = HTTP_ARRAY; framing <= HTTP_LINES; framing++) {
        for (unsigned mask = 1; mask < 64; mask++) {
            struct http_request *request = make((enum http_framing)framing, 0, 6);
            bool keep[6];
            unsigned numbers[6];
            unsigned count = 0;

            for (unsigned i = 0; i < 6; i++) {
                keep[i] = (mask >> i & 1) != 0;
                if (keep[i])
                    numbers[count++] = i;
            }
            http_request_keep(request, keep);
            assert_same(request, numbers, count);
            http_request_free(request);
        }
    }
}

static void halves_are_as_if_they_had_been_alone(void **state)
{
    static const unsigned numbers[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8 };

    (void)state;
    for (int framing = HTTP_ARRAY; framing <= HTTP_LINES; framing++) {
        for (unsigned count = 2; count <= 9; count++) {
            struct http_request *lower = make((enum http_framing)framing, 0, count);
            struct http_request *upper = http_request_split(lower);

            assert_non_null(upper);
            assert_same(lower, numbers, count / 2);
            assert_same(upper, numbers + count / 2, count - count / 2);
            http_request_free(lower);
            http_request_free(upper);
        }
    }
}

static void a_single_record_has_no_halves(void **state)
{
    struct http_request *request = make(HTTP_ARRAY, 3, 1);

    (void)state;
    assert_null(http_request_split(request));
    assert_string_equal(request->id, "lb_00000000000000ab-3");
    http_request_free(request);
}

static void without_memory_nothing_is_split(void **state)
{
    static const unsigned numbers[] = { 0, 1, 2, 3 };
    struct http_request *request = make(HTTP_ARRAY, 0, 4);

    (void)state;
    for (long n = 1; n <= 3; n++) {
        lb_alloc_fail_at = n;
        assert_null(http_request_split(request));
        lb_alloc_fail_at = 0;
        assert_same(request, numbers, 4);
    }
    http_request_free(request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_is_as_if_it_had_been_alone),
        cmocka_unit_test(halves_are_as_if_they_had_been_alone),
        cmocka_unit_test(a_single_record_has_no_halves),
        cmocka_unit_test(without_memory_nothing_is_split),
    };

    return cmocka_run_group_tests_name("sinks/http_request", tests, NULL, NULL);
}
