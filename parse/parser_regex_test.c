/*
 * The regex parser: fields in order, leading keys, types, bounds, and faults told at the right column.
 */
#include "lb_alloc.h"
#include "lb_test.h"

#include "parser_regex.c"
#include "regex_match.c"
#include "convert.c"

#include "lb_conf.h"

#define ARRIVAL (INT64_C(1549615069) * LB_SECOND) /* 2019-02-08T08:37:49Z */

/* Stand-ins where the whole library is not linked. */
__attribute__((weak)) struct lb_place lb_section_place(const struct lb_section *section, const char *option)
{
    (void)section;
    return (struct lb_place){ "test.yaml", 7, strcmp(option, "pattern") == 0 ? 12 : 20 };
}

__attribute__((weak)) size_t lb_json_unescape(struct lb_str text, char *out)
{
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\')
            i++;
        out[len++] = text.ptr[i];
    }
    return len;
}

struct bench {
    struct regex_state state;
    struct lb_parser parser;
    struct lb_diag diag;
    struct lb_batch batch;
    struct lb_parse_context context;
};

static struct bench bench;
static struct lb_node empty_map = { .kind = LB_NODE_MAP };

static enum lb_err open_pattern(const char *pattern, const char *format, struct lb_pair *types, size_t type_count)
{
    memset(&bench, 0, sizeof(bench));
    bench.state.pattern = lb_str_from(pattern);
    bench.state.time_format = lb_str_from(format);
    bench.state.types = (struct lb_pairs){ types, type_count };
    bench.state.match_limit = 1000000;
    bench.parser = (struct lb_parser){ &lb_parser_regex, { LB_STR("r"), &empty_map }, &bench.state, false };
    bench.batch.arrival_ns = ARRIVAL;
    bench.context.batch = &bench.batch;
    lb_arena_init(&bench.batch.arena, 1 << 20);
    return regex_open(&bench.parser, &bench.diag);
}

static void close_pattern(enum lb_err opened)
{
    if (opened == LB_OK)
        regex_close(&bench.parser);
    lb_diag_free(&bench.diag);
    lb_arena_free(&bench.batch.arena);
}

static struct lb_record record_of(struct lb_str line)
{
    return (struct lb_record){
        .time_ns = ARRIVAL, .flags = LB_RECORD_NO_TIME, .level = LB_LEVEL_NONE, .message = lb_value_text(line)
    };
}

static struct lb_str text_of(struct lb_value value)
{
    return (struct lb_str){ value.ptr, value.len };
}

/* "key=value key=value", numbers and truth values in brackets. */
static void assert_fields(const struct lb_record *record, const char *expected)
{
    char out[1024];
    size_t len = 0;

    out[0] = '\0';
    for (uint32_t i = 0; i < record->field_count; i++) {
        struct lb_value key = record->fields[i].key;
        struct lb_value value = record->fields[i].value;
        bool bare = value.kind == LB_VALUE_NUMBER || value.kind == LB_VALUE_BOOL;

        len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%.*s=%s%.*s%s", i > 0 ? " " : "", (int)key.len,
                                key.ptr, bare ? "[" : "", (int)value.len, value.ptr, bare ? "]" : "");
    }
    assert_string_equal(out, expected);
}

static void fills_the_leading_keys_and_keeps_the_rest_in_order(void **state)
{
    enum lb_err opened =
        open_pattern("^(?<timestamp>\\S+ \\S+) \\[(?<level>\\w+)\\] (?<zebra>\\d+) (?<service>[\\w-]+)@"
                     "(?<host>\\S+): (?<apple>\\S+) (?<message>.*)$",
                     "%Y-%m-%d %H:%M:%S,%L", NULL, 0);
    struct lb_str line = LB_STR("2019-01-31 12:34:56,789 [WARN] 17 pay-api@web1: red it broke\n  at line 2");
    struct lb_record record = record_of(line);

    (void)state;
    assert_int_equal(opened, LB_OK);
    assert_int_equal(regex_parse(&bench.state, &record, &bench.context), LB_OK);
    assert_int_equal(record.time_ns, INT64_C(1548938096789) * LB_MILLISECOND);
    assert_int_equal(record.flags, 0);
    assert_int_equal(record.level, LB_LEVEL_WARN);
    assert_text(text_of(record.service), "pay-api");
    assert_text(text_of(record.host), "web1");
    assert_text(text_of(record.message), "it broke\n  at line 2");
    assert_fields(&record, "zebra=17 apple=red");
    assert_ptr_equal(record.message.ptr + record.message.len, line.ptr + line.len);
    close_pattern(opened);
}

static void leaves_out_groups_that_took_no_part(void **state)
{
    enum lb_err opened = open_pattern("^(?<a>\\d+)(?: (?<b>x+))?(?<c>y*)$", "guess", NULL, 0);
    struct lb_record record = record_of(LB_STR("12"));

    (void)state;
    assert_int_equal(regex_parse(&bench.state, &record, &bench.context), LB_OK);
    assert_fields(&record, "a=12 c=");
    assert_text(text_of(record.message), "12");
    close_pattern(opened);
}

static void keeps_a_time_or_level_that_it_cannot_read_as_a_field(void **state)
{
    enum lb_err opened = open_pattern("^(?<time>\\S+) (?<severity>\\S+) (?<msg>.*)$", "rfc3339", NULL, 0);
    struct lb_record record = record_of(LB_STR("yesterday loud hello"));

    (void)state;
    assert_int_equal(regex_parse(&bench.state, &record, &bench.context), LB_OK);
    assert_fields(&record, "time=yesterday severity=loud");
    assert_int_equal(record.time_ns, ARRIVAL);
    assert_int_equal(record.flags, LB_RECORD_NO_TIME);
    assert_int_equal(record.level, LB_LEVEL_NONE);
    assert_text(text_of(record.message), "hello");
    close_pattern(opened);
}

static void keeps_fields_that_the_record_has_already(void **state)
{
    enum lb_err opened = open_pattern("^(?<a>.*)$", "guess", NULL, 0);
    struct lb_field before = { lb_value_text(LB_STR("pid")), lb_value_text(LB_STR("7")) };
    struct lb_record record = record_of(LB_STR("x"));

    (void)state;
    record.fields = &before;
    record.field_count = record.field_capacity = 1;
    assert_int_equal(regex_parse(&bench.state, &record, &bench.context), LB_OK);
    assert_fields(&record, "pid=7 a=x");
    close_pattern(opened);
}

static void reads_a_message_that_is_escaped(void **state)
{
    enum lb_err opened = open_pattern("^say \"(?<word>\\w+)\"$", "guess", NULL, 0);
    struct lb_record record = record_of(LB_STR("say \\\"hi\\\""));

    (void)state;
    record.message.kind = LB_VALUE_ESCAPED;
    assert_int_equal(regex_parse(&bench.state, &record, &bench.context), LB_OK);
    assert_fields(&record, "word=hi");
    close_pattern(opened);
}

static void leaves_a_record_alone_that_does_not_match_or_fit(void **state)
{
    enum lb_err opened = open_pattern("^(?<a>\\d+)$", "guess", NULL, 0);
    struct lb_record record = record_of(LB_STR("twelve"));
    struct lb_record before = record;

    (void)state;
    assert_int_equal(regex_parse(&bench.state, &record, &bench.context), LB_BAD_INPUT);
    assert_string_equal(bench.context.reason, "the pattern does not match");
    assert_memory_equal(&record, &before, sizeof(record));
    bench.batch.arena.bytes_max = 0;
    record = before = record_of(LB_STR("12"));
    assert_int_equal(regex_parse(&bench.state, &record, &bench.context), LB_LIMIT);
    assert_memory_equal(&record, &before, sizeof(record));
    close_pattern(opened);
}

static void a_catastrophic_pattern_ends_with_a_reason(void **state)
{
    static const char *const patterns[] = { "^(?<a>(x+x+)+)y$", "^(?<a>(?:x*)*)y$", "(?<a>(.*?,){30}z)" };
    char line[4096];

    (void)state;
    memset(line, 'x', sizeof(line));
    for (size_t i = 0; i < sizeof(line); i += 3)
        line[i] = ',';
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        enum lb_err opened = open_pattern(patterns[i], "guess", NULL, 0);
        struct lb_record record;

        if (i < 2)
            memset(line, 'x', sizeof(line));
        record = record_of((struct lb_str){ line, sizeof(line) });
        assert_int_equal(opened, LB_OK);
        assert_int_equal(regex_parse(&bench.state, &record, &bench.context), LB_BAD_INPUT);
        assert_non_null(bench.context.reason);
        close_pattern(opened);
    }
}

static void bytes_that_are_not_utf8_are_safe_with_and_without_utf(void **state)
{
    static const char *const patterns[] = { "(?<a>b.)c", "(*UTF)(?<a>b.)c" };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        enum lb_err opened = open_pattern(patterns[i], "guess", NULL, 0);
        struct lb_record record = record_of(LB_STR("\xff\xc3\x28 b\xffz b\xc3\xa4"
                                                   "c bxc"));

        assert_int_equal(opened, LB_OK);
        assert_int_equal(regex_parse(&bench.state, &record, &bench.context), LB_OK);
        assert_fields(&record, i == 0 ? "a=bx" : "a=b\xc3\xa4");
        close_pattern(opened);
    }
}

struct type_case {
    const char *type;
    const char *text;
    const char *expected;
};

static void converts_what_is_of_the_type_and_keeps_the_rest_as_text(void **state)
{
    static const struct type_case cases[] = {
        { "int", "42", "v=[42]" },
        { "int", "-42", "v=[-42]" },
        { "int", "00042", "v=[42]" },
        { "int", "+5", "v=[5]" },
        { "int", "123456789012345678901234567890", "v=[123456789012345678901234567890]" },
        { "int", "4.2", "v=4.2" },
        { "int", "four", "v=four" },
        { "int", "-", "" },
        { "int", "", "" },
        { "float", "0.250", "v=[0.250]" },
        { "float", ".5", "v=[0.5]" },
        { "float", "1e-3", "v=[1e-3]" },
        { "float", "1.", "v=1." },
        { "float", "NaN", "v=NaN" },
        { "bool", "Yes", "v=[true]" },
        { "bool", "0", "v=[false]" },
        { "bool", "maybe", "v=maybe" },
        { "duration", "1h30m", "v=[5400]" },
        { "duration", "12.5 ms", "v=[0.0125]" },
        { "duration", "250us", "v=[0.00025]" },
        { "duration", "3", "v=[3]" },
        { "duration", "3 fortnights", "v=3 fortnights" },
        { "bytes", "4KiB", "v=[4096]" },
        { "bytes", "1.5MB", "v=[1500000]" },
        { "bytes", "512", "v=[512]" },
        { "bytes", "5 apples", "v=5 apples" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_pair type = { LB_STR("v"), lb_str_from(cases[i].type) };
        enum lb_err opened = open_pattern("^(?<v>.*)$", "guess", &type, 1);
        struct lb_record record = record_of(lb_str_from(cases[i].text));

        assert_int_equal(opened, LB_OK);
        assert_int_equal(regex_parse(&bench.state, &record, &bench.context), LB_OK);
        assert_fields(&record, cases[i].expected);
        close_pattern(opened);
    }
}

struct fault_case {
    const char *pattern;
    const char *type; /* of the group v */
    const char *text;
    uint32_t column; /* with a stand-in for places: 12 is the first of the pattern */
};

static void tells_faults_where_they_are_and_what_to_do(void **state)
{
    static const struct fault_case cases[] = {
        { "^(?<v>\\d+", NULL, "write \\( or \\) for a parenthesis", 21 },
        { "^(?<v>[a-z)", NULL, "write \\[ for a bracket", 23 },
        { "(?<v>x)**y", NULL, "(character", 20 },
        { "*(?<v>x)", NULL, "write \\*", 12 },
        { "(?<v>x)|(?<v>y)", NULL, "begin the pattern with (?J)", 25 },
        { "^\\d+$", NULL, "has no named group", 12 },
        { "(?<v>x)", "itn", "is no type, did you mean 'int'?", 20 },
        { "(?<w>x)", "int", "has no group 'v'", 20 },
        { "(?<v>\\C)", NULL, "\\C is disabled", 19 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_pair type = { LB_STR("v"), lb_str_from(cases[i].type != NULL ? cases[i].type : "int") };
        enum lb_err opened = open_pattern(cases[i].pattern, "guess", &type, cases[i].type != NULL);

        assert_int_equal(opened, LB_BAD_CONF);
        assert_int_equal(bench.diag.errors, 1);
        if (strstr(bench.diag.entries[0].text, cases[i].text) == NULL)
            fail_msg("expected \"%s\" in \"%s\"", cases[i].text, bench.diag.entries[0].text);
        if (bench.diag.entries[0].place.column != cases[i].column)
            fail_msg("%s: column %u instead of %u: %s", cases[i].pattern, bench.diag.entries[0].place.column,
                     cases[i].column, bench.diag.entries[0].text);
        close_pattern(opened);
    }
}

static void a_match_allocates_nothing_from_the_heap(void **state)
{
    enum lb_err opened = open_pattern("^(?<a>\\S+) (?<b>\\d+) (?<time>\\S+)$", "guess", NULL, 0);
    long before;

    (void)state;
    for (int i = 0; i < 10000; i++) {
        struct lb_record record = record_of(LB_STR("x 12 2019-01-31T12:34:56Z"));

        if (i == 1)
            before = lb_alloc_count;
        assert_int_equal(regex_parse(&bench.state, &record, &bench.context), LB_OK);
        lb_arena_reset(&bench.batch.arena, 1 << 16);
    }
    assert_int_equal(lb_alloc_count, before);
    close_pattern(opened);
}

static void *parse_many(void *context)
{
    const struct regex_state *state = context;
    struct lb_batch batch = { .arrival_ns = ARRIVAL };
    struct lb_parse_context parse = { .batch = &batch };

    lb_arena_init(&batch.arena, 1 << 20);
    for (int i = 0; i < 2000; i++) {
        struct lb_record record = record_of(LB_STR("abc 12"));

        assert_int_equal(regex_parse(state, &record, &parse), LB_OK);
        assert_text(text_of(record.fields[1].value), "12");
        lb_arena_reset(&batch.arena, 1 << 16);
    }
    lb_arena_free(&batch.arena);
    return NULL;
}

static void one_pattern_serves_several_threads(void **state)
{
    enum lb_err opened = open_pattern("^(?<a>\\S+) (?<b>\\d+)$", "guess", NULL, 0);
    pthread_t threads[4];

    (void)state;
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, parse_many, &bench.state), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    close_pattern(opened);
}

static void every_failed_allocation_is_an_error_and_leaks_nothing(void **state)
{
    (void)state;
    for (long n = 1; n < 200; n++) {
        enum lb_err opened;

        lb_alloc_fail_at = n;
        opened = open_pattern("^(?<a>\\S+) (?<time>\\d+)$", "guess", NULL, 0);
        if (opened == LB_OK) {
            struct lb_record record = record_of(LB_STR("x 1548938096"));
            enum lb_err err = regex_parse(&bench.state, &record, &bench.context);

            assert_true(err == LB_OK || err == LB_BAD_INPUT || err == LB_LIMIT);
        }
        lb_alloc_fail_at = 0;
        close_pattern(opened);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_the_leading_keys_and_keeps_the_rest_in_order),
        cmocka_unit_test(leaves_out_groups_that_took_no_part),
        cmocka_unit_test(keeps_a_time_or_level_that_it_cannot_read_as_a_field),
        cmocka_unit_test(keeps_fields_that_the_record_has_already),
        cmocka_unit_test(reads_a_message_that_is_escaped),
        cmocka_unit_test(leaves_a_record_alone_that_does_not_match_or_fit),
        cmocka_unit_test(a_catastrophic_pattern_ends_with_a_reason),
        cmocka_unit_test(bytes_that_are_not_utf8_are_safe_with_and_without_utf),
        cmocka_unit_test(converts_what_is_of_the_type_and_keeps_the_rest_as_text),
        cmocka_unit_test(tells_faults_where_they_are_and_what_to_do),
        cmocka_unit_test(a_match_allocates_nothing_from_the_heap),
        cmocka_unit_test(one_pattern_serves_several_threads),
        cmocka_unit_test(every_failed_allocation_is_an_error_and_leaks_nothing),
    };

    return cmocka_run_group_tests_name("parse/regex", tests, NULL, NULL);
}
