/* tail_lines_test.c - lines, cuts, and that a slab is never overrun. */
#include "tail_lines.c"

#include "lb_test.h"

enum { CAPACITY = 512 };

static _Alignas(8) char slab[CAPACITY];
static uint32_t ends[LB_TAIL_EVENTS_MAX];

static struct lb_batch batch_of(const char *text)
{
    memcpy(slab, text, strlen(text));
    return (struct lb_batch){ .bytes = slab, .capacity = CAPACITY };
}

static void check_events(const struct lb_batch *batch, const char *const *expected)
{
    uint32_t i = 0;

    for (; expected[i] != NULL; i++) {
        assert_true(i < batch->event_count);
        const struct lb_event *event = lb_batch_event(batch, i);
        assert_text(((struct lb_str){ batch->bytes + event->start, event->length }), expected[i]);
    }
    assert_int_equal(batch->event_count, i);
}

static const struct {
    const char *text;
    size_t consumed;
    const char *events[5];
} cases[] = {
    { "", 0, { NULL } },
    { "half", 0, { NULL } },
    { "one\n", 4, { "one", NULL } },
    { "one\r\ntwo\nha", 9, { "one", "two", NULL } },
    { "\n\r\n\n", 4, { NULL } },
    { "\na\n\nb\n", 6, { "a", "b", NULL } },
    { "a\rb\n", 4, { "a\rb", NULL } },
    { "a\r\r\n", 4, { "a\r", NULL } },
};

static void notes_lines_without_their_ends(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_batch batch = batch_of(cases[i].text);
        bool full;

        assert_int_equal(lb_lines_note(&batch, strlen(cases[i].text), 100, ends, &full), cases[i].consumed);
        assert_false(full);
        check_events(&batch, cases[i].events);
    }
}

static void cuts_long_lines_between_characters(void **state)
{
    static const struct {
        const char *line;
        size_t max;
        size_t cut;
    } lines[] = {
        { "abcdef", 4, 4 },
        { "abc\xc3\xa4"
          "f",
          4, 3 },
        { "a\xf0\x9f\x98\x80"
          "f",
          4, 1 },
        { "\x80\x80\x80\x80\x80\x80", 4, 4 }, /* no UTF-8: anywhere will do */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct lb_batch batch = batch_of(lines[i].line);

        lb_lines_note_rest(&batch, 0, strlen(lines[i].line), lines[i].max);
        assert_int_equal(lb_batch_event(&batch, 0)->length, lines[i].cut);
        assert_true(lb_batch_event(&batch, 0)->truncated);
    }
}

static void stops_when_the_table_is_full(void **state)
{
    char text[CAPACITY];
    bool full;

    (void)state;
    memset(text, '\n', sizeof(text));
    for (size_t i = 0; i < sizeof(text); i += 2)
        text[i] = 'x';
    text[lb_lines_room(CAPACITY)] = '\0';
    struct lb_batch batch = batch_of(text);
    size_t consumed = lb_lines_note(&batch, strlen(text), 100, ends, &full);
    assert_true(full);
    assert_int_equal(batch.event_count, lb_lines_max(CAPACITY));
    assert_int_equal(consumed, 2 * lb_lines_max(CAPACITY));
}

static void a_slab_asked_for_has_room_for_its_bytes(void **state)
{
    (void)state;
    for (size_t bytes = 1; bytes < 20 * 1024 * 1024; bytes += 1 + bytes / 7) {
        size_t capacity = lb_lines_slab(bytes);

        assert_true(lb_lines_room((uint32_t)capacity) > bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notes_lines_without_their_ends),
        cmocka_unit_test(cuts_long_lines_between_characters),
        cmocka_unit_test(stops_when_the_table_is_full),
        cmocka_unit_test(a_slab_asked_for_has_room_for_its_bytes),
    };

    return cmocka_run_group_tests_name("ingest/tail_lines", tests, NULL, NULL);
}
