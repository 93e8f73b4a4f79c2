/* chain_test.c - parsers in order, `auto`, and the list of parsers; the envelope of plain lines. */
#include "chain.c"

#include "lb_test.h"
#include "lb_test_batch.h"

extern const struct lb_parser_type lb_parser_json;

static struct lb_batch batch;

/* Accepts messages that start with its letter, and counts how often it was asked. */
struct letter {
    char letter;
    enum lb_err otherwise;
    int *asked;
};

static enum lb_err parse_letter(const void *state, struct lb_record *record, struct lb_parse_context *context)
{
    const struct letter *self = state;

    (*self->asked)++;
    if (record->message.len > 0 && record->message.ptr[0] == self->letter) {
        record->level = LB_LEVEL_INFO;
        return LB_OK;
    }
    context->reason = self->otherwise == LB_BAD_INPUT ? "expected the letter" : NULL;
    return self->otherwise;
}

static const struct lb_parser_type letter_type = { .module = { .name = "letter" }, .parse = parse_letter };

static struct lb_record apply(const struct lb_parser_chain *chain, const char *text)
{
    struct lb_record record = { .message = lb_value_text(lb_str_from(text)), .level = LB_LEVEL_NONE };
    struct lb_parse_context context = { .batch = &batch };

    lb_parser_chain_apply(chain, &record, &context);
    return record;
}

static void auto_is_asked_when_those_before_it_have_refused(void **state)
{
    int asked = 0;
    struct letter letter = { 'l', LB_BAD_INPUT, &asked };
    struct lb_parser parser = { .type = &letter_type, .state = &letter };
    const struct lb_parser *const list[] = { &parser };
    struct lb_parser_chain chain = { .parsers = list, .count = 1, .automatic = true };
    struct lb_record record;

    (void)state;
    record = apply(&chain, "level=warn msg=x"); /* logfmt, but the letter is asked first */
    assert_int_equal(record.level, LB_LEVEL_INFO);
    record = apply(&chain, "msg=x level=warn");
    assert_int_equal(record.level, LB_LEVEL_WARN);
    record = apply(&chain, "no one's text");
    assert_int_equal(record.level, LB_LEVEL_NONE);
    assert_int_equal(record.flags, 0);
    assert_int_equal(asked, 3);
}

static void the_first_that_accepts_ends_the_chain(void **state)
{
    int asked_a = 0;
    int asked_b = 0;
    struct letter a = { 'a', LB_BAD_INPUT, &asked_a };
    struct letter b = { 'b', LB_BAD_INPUT, &asked_b };
    struct lb_parser parsers[] = { { .type = &letter_type, .state = &a }, { .type = &letter_type, .state = &b } };
    const struct lb_parser *const list[] = { &parsers[0], &parsers[1] };
    struct lb_parser_chain chain = { .parsers = list, .count = 2 };

    (void)state;
    struct lb_record record = apply(&chain, "a text");
    assert_int_equal(record.level, LB_LEVEL_INFO);
    assert_int_equal(record.flags, 0);
    assert_int_equal(asked_b, 0);
    record = apply(&chain, "b text");
    assert_int_equal(record.flags, 0);
    assert_int_equal(asked_a, 2);
    record = apply(&chain, "c text");
    assert_int_equal(record.flags, LB_RECORD_PARSE_ERROR);
    assert_text(record.reason, "expected the letter");
    assert_text(((struct lb_str){ record.message.ptr, record.message.len }), "c text");
}

static void a_chain_without_parsers_leaves_text_alone(void **state)
{
    struct lb_parser_chain chain = { 0 };

    (void)state;
    assert_int_equal(apply(&chain, "{\"level\":\"info\"}").level, LB_LEVEL_NONE);
    assert_int_equal(apply(&chain, "text").flags, 0);
}

static void a_refusal_without_a_reason_gets_one(void **state)
{
    int asked = 0;
    struct letter a = { 'a', LB_LIMIT, &asked };
    struct lb_parser parser = { .type = &letter_type, .state = &a };
    const struct lb_parser *const list[] = { &parser };
    struct lb_parser_chain chain = { .parsers = list, .count = 1 };

    (void)state;
    struct lb_record record = apply(&chain, "x");
    assert_int_equal(record.flags, LB_RECORD_PARSE_ERROR);
    assert_true(record.reason.len > 0);
}

static void automatic_reads_json_and_leaves_other_text(void **state)
{
    struct lb_parser_chain chain = { .automatic = true };

    (void)state;
    assert_int_equal(apply(&chain, "{\"level\":\"warn\"}").level, LB_LEVEL_WARN);
    assert_int_equal(apply(&chain, " \t{\"level\":\"warn\"}").level, LB_LEVEL_WARN);
    static const char *const texts[] = { "", "plain", "{not json", "{\"a\":1} x", "[1]" };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct lb_record record = apply(&chain, texts[i]);

        assert_int_equal(record.flags, 0);
        assert_text(((struct lb_str){ record.message.ptr, record.message.len }), texts[i]);
    }
}

static void what_the_envelope_refused_is_not_parsed(void **state)
{
    struct lb_parser_chain chain = { .automatic = true };
    struct lb_record record = { .message = lb_value_text(LB_STR("{\"level\":\"warn\"}")),
                                .level = LB_LEVEL_NONE,
                                .flags = LB_RECORD_PARSE_ERROR };
    struct lb_parse_context context = { .batch = &batch };

    (void)state;
    lb_parser_chain_apply(&chain, &record, &context);
    assert_int_equal(record.level, LB_LEVEL_NONE);
}

static void parsers_are_found_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(lb_parser_find(LB_STR("json")), &lb_parser_json);
    assert_null(lb_parser_find(LB_STR("jso")));
    const struct lb_parser *json = lb_parser_builtin(LB_STR("json"));
    assert_non_null(json);
    assert_true(json->opened);
    assert_null(lb_parser_builtin(LB_STR("nothing")));
    for (size_t i = 0; lb_parser_types()[i] != NULL; i++) {
        const struct lb_parser_type *type = lb_parser_types()[i];

        assert_ptr_equal(lb_parser_find(lb_str_from(type->module.name)), type);
        assert_non_null(type->parse);
        assert_non_null(type->module.help);
    }
}

static void lines_are_records_as_they_are(void **state)
{
    struct lb_str lines[] = { LB_STR("first"), LB_STR(""), LB_STR("third \xff") };
    struct lb_batch plain;

    (void)state;
    lb_test_batch_init(&plain, lines, 3);
    lb_batch_event(&plain, 2)->truncated = 1;
    assert_int_equal(lb_envelope_lines.open(&plain), LB_OK);
    assert_int_equal(plain.record_count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const struct lb_record *record = &plain.records[i];

        assert_true(lb_str_equal((struct lb_str){ record->message.ptr, record->message.len }, lines[i]));
        assert_int_equal(record->message.kind, LB_VALUE_TEXT);
        assert_int_equal(record->time_ns, plain.arrival_ns);
        assert_int_equal(record->flags, LB_RECORD_NO_TIME | (i == 2 ? LB_RECORD_TRUNCATED : 0));
        assert_int_equal(record->start, lb_batch_offset(&plain, i));
        assert_int_equal(record->end, lb_batch_end(&plain, i));
        assert_int_equal(record->level, LB_LEVEL_NONE);
    }
    assert_int_equal(plain.records[2].end, plain.length - 1); /* without its newline */
    lb_test_batch_free(&plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_that_accepts_ends_the_chain),
        cmocka_unit_test(auto_is_asked_when_those_before_it_have_refused),
        cmocka_unit_test(a_chain_without_parsers_leaves_text_alone),
        cmocka_unit_test(a_refusal_without_a_reason_gets_one),
        cmocka_unit_test(automatic_reads_json_and_leaves_other_text),
        cmocka_unit_test(what_the_envelope_refused_is_not_parsed),
        cmocka_unit_test(parsers_are_found_by_name),
        cmocka_unit_test(lines_are_records_as_they_are),
    };

    lb_test_batch_init(&batch, NULL, 0);
    int failed = cmocka_run_group_tests_name("parse/chain", tests, NULL, NULL);
    lb_test_batch_free(&batch);
    return failed;
}
