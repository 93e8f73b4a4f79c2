/* filters_change_test.c - parse, decode, flatten, unflatten, types: what goes in and what comes out. */
#include "lb_test.h"
#include "lb_test_filter.h"

struct row {
    const char *filters;
    const char *line;
    const char *expected; /* as JSON, behind the timestamp */
};

static const struct row rows[] = {
    /* parse */
    { "[{parse: logfmt}]", "{\"message\":\"level=warn user=eve msg=hi\",\"n\":1}",
      "\"level\":\"warn\",\"message\":\"hi\",\"n\":1,\"user\":\"eve\"" },
    { "[{parse: {with: logfmt, where: n == 2}}]", "{\"message\":\"user=eve\",\"n\":1}",
      "\"message\":\"user=eve\",\"n\":1" },
    { "[{parse: {with: json, field: payload}}]",
      "{\"message\":\"m\",\"a\":1,\"payload\":\"{\\\"a\\\":2,\\\"level\\\":\\\"error\\\"}\"}",
      "\"level\":\"error\",\"message\":\"m\",\"payload\":\"{\\\"a\\\":2,\\\"level\\\":\\\"error\\\"}\",\"a\":2" },
    { "[{parse: {with: json, field: payload, remove: true}}]",
      "{\"message\":\"m\",\"payload\":\"{\\\"a\\\":2,\\\"msg\\\":\\\"inner\\\"}\"}", "\"message\":\"inner\",\"a\":2" },
    { "[{parse: {with: json, field: o.p}}]", "{\"message\":\"m\",\"o\":{\"p\":\"{\\\"a\\\":2}\"}}",
      "\"message\":\"m\",\"o\":{\"p\":\"{\\\"a\\\":2}\"},\"a\":2" },
    { "[{parse: nginx}]", "{\"message\":\"nothing of the kind\",\"n\":1}",
      "\"message\":\"nothing of the kind\",\"n\":1" },
    { "[{parse: [nginx, logfmt]}]", "{\"message\":\"a=b\"}", "\"a\":\"b\"" },
    { "[{parse: {with: json, field: n}}]", "{\"message\":\"m\",\"n\":1}", "\"message\":\"m\",\"n\":1" },
    /* decode */
    { "[{decode: {field: a, as: json}}]", "{\"message\":\"m\",\"a\":\" {\\\"b\\\":[1,2]}\\n\"}",
      "\"message\":\"m\",\"a\":{\"b\":[1,2]}" },
    { "[{decode: {field: a, as: json, to: c}}]", "{\"message\":\"m\",\"a\":\"[\\n1\\n]\"}",
      "\"message\":\"m\",\"a\":\"[\\n1\\n]\",\"c\":[ 1 ]" },
    { "[{decode: {field: a, as: json}}]", "{\"message\":\"m\",\"a\":\"{\\\"b\\\":}\"}",
      "\"message\":\"m\",\"a\":\"{\\\"b\\\":}\"" },
    { "[{decode: {field: a, as: percent}}]", "{\"message\":\"m\",\"a\":\"a%20b%2Fc%zz%4\"}",
      "\"message\":\"m\",\"a\":\"a b/c%zz%4\"" },
    { "[{decode: {field: a, as: percent}}]", "{\"message\":\"m\",\"a\":\"%ff%00\"}",
      "\"message\":\"m\",\"a\":\"\xef\xbf\xbd\\u0000\"" },
    { "[{decode: {field: a, as: query}}]", "{\"message\":\"m\",\"a\":\"?q=a+b&x=&=z&flag&t=%22\"}",
      "\"message\":\"m\",\"a\":{\"q\":\"a b\",\"x\":\"\",\"flag\":\"\",\"t\":\"\\\"\"}" },
    { "[{decode: {field: a, as: query}}]", "{\"message\":\"m\",\"a\":\"no query\"}",
      "\"message\":\"m\",\"a\":\"no query\"" },
    { "[{decode: {field: a, as: url}}]", "{\"message\":\"m\",\"a\":\"https://eve:pw@example.org:8443/x/y?p=1#top\"}",
      "\"message\":\"m\",\"a\":{\"scheme\":\"https\",\"user\":\"eve\",\"host\":\"example.org\",\"port\":8443,\"path\":"
      "\"/x/y\",\"query\":{\"p\":\"1\"},\"fragment\":\"top\"}" },
    { "[{decode: {field: a, as: url}}]", "{\"message\":\"m\",\"a\":\"http://[2001:db8::1]/\"}",
      "\"message\":\"m\",\"a\":{\"scheme\":\"http\",\"host\":\"[2001:db8::1]\",\"path\":\"/\"}" },
    { "[{decode: {field: a, as: url, to: uri}}]", "{\"message\":\"m\",\"a\":\"/x?p=1\"}",
      "\"message\":\"m\",\"a\":\"/x?p=1\",\"uri\":{\"path\":\"/x\",\"query\":{\"p\":\"1\"}}" },
    { "[{decode: {field: a, as: url}}]", "{\"message\":\"m\",\"a\":\"http://h:abc\"}",
      "\"message\":\"m\",\"a\":{\"scheme\":\"http\",\"host\":\"h\"}" },
    { "[{decode: {field: a, as: url}}]", "{\"message\":\"m\",\"a\":\"none\"}", "\"message\":\"m\",\"a\":\"none\"" },
    { "[{decode: {field: a, as: base64}}]", "{\"message\":\"m\",\"a\":\"aGVsbG8=\"}",
      "\"message\":\"m\",\"a\":\"hello\"" },
    { "[{decode: {field: a, as: base64}}]", "{\"message\":\"m\",\"a\":\"aGk_Pj8-\"}",
      "\"message\":\"m\",\"a\":\"hi?>?>\"" },
    { "[{decode: {field: a, as: base64}}]", "{\"message\":\"m\",\"a\":\"not base64!\"}",
      "\"message\":\"m\",\"a\":\"not base64!\"" },
    { "[{decode: {field: a, as: base64, where: n == 2}}]", "{\"message\":\"m\",\"a\":\"aGVsbG8=\"}",
      "\"message\":\"m\",\"a\":\"aGVsbG8=\"" },
    { "[{decode: {field: message, as: base64}}]", "{\"message\":\"aGVsbG8=\"}", "\"message\":\"hello\"" },
    /* flatten */
    { "[{flatten: http}]",
      "{\"message\":\"m\",\"http\":{\"status\":200,\"h\":{\"a\":\"x\",\"e\":{}}},\"z\":[{\"b\":1}]}",
      "\"message\":\"m\",\"z\":[{\"b\":1}],\"http.status\":200,\"http.h.a\":\"x\",\"http.h.e\":{}" },
    { "[{flatten: {fields: '*', separator: _, depth: 1}}]",
      "{\"message\":\"m\",\"o\":{\"a\":{\"b\":1}},\"p\":{\"c\\\"\":2}}",
      "\"message\":\"m\",\"o_a\":{\"b\":1},\"p_c\\\"\":2" },
    { "[{flatten: [no, n, e]}]", "{\"message\":\"m\",\"n\":1,\"e\":{}}", "\"message\":\"m\",\"n\":1,\"e\":{}" },
    /* unflatten */
    { "[{unflatten: http}]",
      "{\"message\":\"m\",\"http.status\":200,\"z\":1,\"http.h.a\":\"x\",\"http.h.b\":\"\\\"\",\"httpd\":2}",
      "\"message\":\"m\",\"http\":{\"status\":200,\"h\":{\"a\":\"x\",\"b\":\"\\\"\"}},\"z\":1,\"httpd\":2" },
    { "[{unflatten: a}]", "{\"message\":\"m\",\"a.b\":1,\"a.b.c\":2,\"a..d\":3,\"a.\":4}",
      "\"message\":\"m\",\"a\":{\"b\":1,\"b.c\":2,\".d\":3},\"a.\":4" },
    { "[{unflatten: a}]", "{\"message\":\"m\",\"a\":0,\"a.b\":1}", "\"message\":\"m\",\"a\":0,\"a.b\":1" },
    { "[{flatten: o}, {unflatten: o}]", "{\"message\":\"m\",\"o\":{\"a\":{\"b\":[1,\"\\u00e9\"]},\"c\":null}}",
      "\"message\":\"m\",\"o\":{\"a\":{\"b\":[1,\"\\u00e9\"]},\"c\":null}" },
    /* types */
    { "[{types: {n: int, f: float, b: bool, d: duration, s: bytes}}]",
      "{\"message\":\"m\",\"n\":\"007\",\"f\":\"1.50\",\"b\":\"yes\",\"d\":\"1m30s\",\"s\":\"2KiB\"}",
      "\"message\":\"m\",\"n\":7,\"f\":1.50,\"b\":true,\"d\":90,\"s\":2048" },
    { "[{types: {n: int, gone: int}}]", "{\"message\":\"m\",\"n\":\"seven\"}", "\"message\":\"m\",\"n\":\"seven\"" },
    { "[{types: {n: int}}]", "{\"message\":\"m\",\"n\":1.5}", "\"message\":\"m\",\"n\":1.5" },
};

static void filters_change_records(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct lb_test_filter filter;
        struct lb_str got;
        struct lb_str front = LB_STR("{\"timestamp\":\"2026-01-01T00:00:00Z\",");

        if (!lb_test_filter_open(&filter, rows[i].filters)) {
            lb_diag_print(&filter.diag, stderr);
            fail_msg("%s", rows[i].filters);
        }
        lb_test_filter_run(&filter, lb_str_from(rows[i].line));
        got = lb_test_filter_written(&filter, LB_FORMAT_JSON);
        assert_true(lb_str_starts(got, front) && got.ptr[got.len - 1] == '}');
        got = (struct lb_str){ got.ptr + front.len, got.len - front.len - 1 };
        if (!lb_str_is(got, rows[i].expected))
            fail_msg("row %zu, %s on %s:\n expected %s\n got      " LB_STR_FMT, i, rows[i].filters, rows[i].line,
                     rows[i].expected, LB_STR_ARG(got));
        lb_test_filter_close(&filter);
    }
}

/* What a full arena costs: the change, never the record. */
static void a_full_arena_leaves_the_record_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct lb_test_filter filter;
        struct lb_batch *batch = &filter.batch;
        const struct lb_filter *first;

        assert_true(lb_test_filter_open(&filter, "[]"));
        lb_test_filter_run(&filter, lb_str_from(rows[i].line));
        struct lb_test_filter own;
        assert_true(lb_test_filter_open(&own, rows[i].filters));
        batch->arena.next = batch->arena.end;
        batch->arena.bytes_max = batch->arena.bytes_held;
        first = &own.config->plan.filters[0];
        assert_int_equal(first->type->apply(first->state, &batch->records[0], batch, &filter.scratch), LB_PASS);
        assert_true(lb_json_valid(lb_test_filter_written(&filter, LB_FORMAT_JSON)));
        lb_test_filter_close(&own);
        lb_test_filter_close(&filter);
    }
}

static void an_object_with_too_many_members_stays_one(void **state)
{
    static char line[64 * 1024] = "{\"message\":\"m\",\"o\":{\"k\":0";
    struct lb_test_filter filter;
    size_t len = strlen(line);

    (void)state;
    for (int i = 0; i < LB_RECORD_FIELDS_MAX; i++)
        len += (size_t)snprintf(line + len, sizeof(line) - len, ",\"k%d\":%d", i, i);
    snprintf(line + len, sizeof(line) - len, "}}");
    assert_true(lb_test_filter_open(&filter, "[{flatten: o}]"));
    lb_test_filter_run(&filter, lb_str_from(line));
    assert_non_null(memmem(filter.batch.bytes, 64, "\"o\":{\"k\":0,", 11));
    assert_int_equal(filter.batch.records[0].field_count, 1);
    assert_int_equal(filter.batch.records[0].fields[0].value.kind, LB_VALUE_OBJECT);
    lb_test_filter_close(&filter);
}

static void faults_are_told(void **state)
{
    static const struct {
        const char *filters;
        const char *told;
    } faults[] = {
        { "[{types: {n: itn}}]", "'itn' is no type, did you mean 'int'?" },
        { "[{parse: {where: level == info}}]", "with" },
        { "[{parse: {with: jsn}}]", "did you mean \"json\"?" },
        { "[{decode: {field: a, as: base46}}]", "did you mean \"base64\"?" },
        { "[{unflatten: {fields: a, separator: ''}}]", "must not be empty" },
        { "[{flaten: a}]", "did you mean \"flatten\"?" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct lb_test_filter filter;
        char *text = NULL;
        size_t size = 0;
        FILE *file = open_memstream(&text, &size);

        assert_false(lb_test_filter_open(&filter, faults[i].filters));
        lb_diag_print(&filter.diag, file);
        fclose(file);
        if (strstr(text, faults[i].told) == NULL)
            fail_msg("%s: expected \"%s\" in: %s", faults[i].filters, faults[i].told, text);
        free(text);
        lb_test_filter_close(&filter);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_change_records),
        cmocka_unit_test(a_full_arena_leaves_the_record_whole),
        cmocka_unit_test(an_object_with_too_many_members_stays_one),
        cmocka_unit_test(faults_are_told),
    };

    return cmocka_run_group_tests_name("route/filters_change", tests, NULL, NULL);
}
