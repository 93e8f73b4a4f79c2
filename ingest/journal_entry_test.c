/* journal_entry_test.c - what becomes of an entry's fields, through the envelope to the record. */
#include "lb_test.h"
#include "ingest/journald.h"

#include <stdlib.h>

static struct journal_entry reader;
static struct lb_batch batch;
static char slab[LB_SLAB_MEDIUM];

static int set_up(void **state)
{
    (void)state;
    journal_entry_init(&reader, false, 100);
    batch = (struct lb_batch){ .bytes = slab, .capacity = sizeof(slab), .position = 1000, .arrival_ns = 5 };
    lb_arena_init(&batch.arena, 1024 * 1024);
    journal_entry_begin(&reader);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    journal_entry_free(&reader);
    lb_arena_free(&batch.arena);
    return 0;
}

static void add(const char *text)
{
    journal_entry_add(&reader, text, strlen(text));
}

static const struct lb_record *record_at(uint64_t position)
{
    struct lb_entry entry = { .position = position };

    assert_true(journal_entry_end(&reader, &entry));
    assert_true(lb_entry_append(&batch, &entry));
    assert_int_equal(batch.position_end, position + 1);
    assert_int_equal(lb_envelope_entries.open(&batch), LB_OK);
    journal_entry_begin(&reader);
    return &batch.records[batch.record_count - 1];
}

static void expect(struct lb_value value, const char *text)
{
    assert_int_equal(value.len, strlen(text));
    assert_memory_equal(value.ptr, text, value.len);
}

static void positions_are_the_numbers_with_their_gaps(void **state)
{
    (void)state;
    add("MESSAGE=a");
    record_at(1000);
    add("MESSAGE=b");
    const struct lb_record *record = record_at(1007);
    assert_int_equal(record->start, 7);
    assert_int_equal(record->end, 8);
    assert_int_equal(batch.records[0].end, 1);
    expect(batch.records[0].message, "a");
    assert_int_equal(record->flags, LB_RECORD_NO_TIME);
    struct lb_entry far = { .position = 1000 + ((uint64_t)1 << 32) };
    assert_false(lb_entry_append(&batch, &far));
}

static void the_service_is_the_best_of_what_is_there(void **state)
{
    (void)state;
    add("_SYSTEMD_UNIT=session-1.scope");
    add("_COMM=bash");
    expect(record_at(1001)->service, "session-1.scope");
    add("SYSLOG_IDENTIFIER=sudo");
    add("_SYSTEMD_UNIT=session-1.scope");
    expect(record_at(1002)->service, "sudo");
    add("_SYSTEMD_UNIT=nginx.service");
    add("SYSLOG_IDENTIFIER=x");
    expect(record_at(1003)->service, "nginx");
    add("_SYSTEMD_UNIT=docker.service");
    add("CONTAINER_NAME=shop");
    expect(record_at(1004)->service, "shop");
    add("_SYSTEMD_UNIT=user@1000.service");
    add("_COMM=gnome");
    expect(record_at(1005)->service, "gnome");
}

static void odd_fields_do_no_harm(void **state)
{
    (void)state;
    add("=x");
    add("NOVALUE");
    add("PRIORITY=9");
    add("PRIORITY=3"); /* the first one counts */
    add("_PID=12x");
    add("CODE_LINE=7");
    add("__CURSOR=s");
    add("MESSAGE=1");
    add("MESSAGE=2");
    add("X=\"\n");
    const struct lb_record *record = record_at(1001);
    assert_int_equal(record->level, LB_LEVEL_NONE);
    expect(record->message, "1");
    assert_int_equal(record->field_count, 3);
    expect(record->fields[0].value, "12x");
    assert_int_equal(record->fields[1].value.kind, LB_VALUE_NUMBER);
    expect(record->fields[2].value, "\\\"\\n");
}

static void long_ones_are_cut_between_characters(void **state)
{
    char text[300] = "MESSAGE=";

    (void)state;
    memset(text + 8, 'x', 99);
    memcpy(text + 8 + 99, "\xc3\xa4yy", 5);
    add(text);
    const struct lb_record *record = record_at(1001);
    assert_int_equal(record->message.len, 99);
    assert_true(record->flags & LB_RECORD_TRUNCATED);
}

static void cursors_are_read_and_others_refused(void **state)
{
    struct journald_cursor cursor;

    (void)state;
    assert_true(journald_read_cursor(
        LB_STR("s=0123456789abcdef0123456789abcdef;i=1f;b=0123456789abcdef0123456789abcdef;m=2;t=6a;x=1"), &cursor));
    assert_string_equal(cursor.id, "0123456789abcdef0123456789abcdef");
    assert_int_equal(cursor.number, 0x1f);
    assert_int_equal(cursor.time_us, 0x6a);
    assert_false(journald_read_cursor(LB_STR(""), &cursor));
    assert_false(journald_read_cursor(LB_STR("s=0123;i=1;t=1"), &cursor));
    assert_false(journald_read_cursor(LB_STR("s=0123456789abcdef0123456789abcdef;i=;t=1"), &cursor));
    assert_false(journald_read_cursor(LB_STR("s=0123456789abcdef0123456789abcdef;i=ffffffffffffffff;t=1"), &cursor));
    assert_false(journald_read_cursor(LB_STR("s=0123456789abcdef0123456789abcdef;t=1"), &cursor));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(positions_are_the_numbers_with_their_gaps, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_service_is_the_best_of_what_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(odd_fields_do_no_harm, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_ones_are_cut_between_characters, set_up, tear_down),
        cmocka_unit_test(cursors_are_read_and_others_refused),
    };

    return cmocka_run_group_tests_name("ingest/journal_entry", tests, NULL, NULL);
}
