/* alert_marker_test.c - the newest marker of a service, over a restart and past the bound. */
#include "alert_marker.c"

#include "lb_test.h"

#include <unistd.h>

#define BEGIN (INT64_C(1796083200) * LB_SECOND)
#define MINUTE (60 * LB_SECOND)

struct fixture {
    char path[64];
    struct lb_markers *markers;
};

static int set_up(void **state)
{
    struct fixture *self = calloc(1, sizeof(*self));

    snprintf(self->path, sizeof(self->path), "/tmp/lb_alert_marker_test.%d", (int)getpid());
    self->markers = lb_markers_open(self->path);
    *state = self;
    return self->markers == NULL;
}

static int tear_down(void **state)
{
    struct fixture *self = *state;

    lb_markers_free(self->markers);
    unlink(self->path);
    free(self);
    return 0;
}

static enum lb_err add_at(struct fixture *self, int64_t at, const char *service, const char *text)
{
    struct lb_marker marker = { BEGIN + at, lb_str_from(text), lb_str_from(service), LB_STR("anna") };

    return lb_markers_add(self->markers, &marker);
}

static void expect(struct fixture *self, const char *service, int64_t at, const char *text)
{
    char room[LB_MARKER_TEXT_BYTES];
    size_t len = lb_markers_newest(self->markers, lb_str_from(service), BEGIN + at, LB_MARKER_NEAR_NS, room);

    assert_text(((struct lb_str){ room, len }), text);
}

static void finds_the_newest_of_a_service_within_the_hour(void **state)
{
    struct fixture *self = *state;

    assert_int_equal(add_at(self, 20 * MINUTE, "db", "two"), LB_OK);
    assert_int_equal(add_at(self, 0, "db", "one"), LB_OK);
    assert_int_equal(add_at(self, 10 * MINUTE, "", "all \"of\" them"), LB_OK);
    for (int run = 0; run < 2; run++) {
        expect(self, "db", -1, "");
        expect(self, "db", 5 * MINUTE, "one");
        expect(self, "db", 15 * MINUTE, "all \"of\" them");
        expect(self, "db", 20 * MINUTE, "two");
        expect(self, "db", 80 * MINUTE, "two");
        expect(self, "db", 81 * MINUTE, "");
        expect(self, "web", 30 * MINUTE, "all \"of\" them");
        expect(self, "", 9 * MINUTE, "");
        lb_markers_free(self->markers);
        self->markers = lb_markers_open(self->path);
    }
}

static void writes_those_of_a_time(void **state)
{
    struct fixture *self = *state;
    struct lb_buffer out;

    lb_buffer_init(&out, 1 << 20);
    assert_int_equal(add_at(self, 0, "db", "one"), LB_OK);
    assert_int_equal(add_at(self, MINUTE, "web", "two"), LB_OK);
    lb_markers_write(self->markers, BEGIN, BEGIN + MINUTE, LB_STR("db"), &out);
    assert_text(lb_buffer_str(&out),
                "[{\"time\":\"2026-12-01T00:00:00Z\",\"service\":\"db\",\"text\":\"one\",\"author\":\"anna\"}]");
    lb_buffer_free(&out);
}

static void keeps_the_newest_ones(void **state)
{
    struct fixture *self = *state;
    struct lb_buffer out;

    lb_buffer_init(&out, 1 << 20);
    lb_buffer_print(&out, "{\"version\":1}\n");
    for (int i = 0; i < LB_MARKERS_MAX + 10; i++)
        lb_buffer_print(&out, "{\"time\":\"2026-12-01T%02d:%02d:00Z\",\"text\":\"%d\"}\n", i / 60, i % 60, i);
    assert_true(lb_file_replace(self->path, lb_buffer_str(&out)));
    lb_buffer_free(&out);
    lb_markers_free(self->markers);
    self->markers = lb_markers_open(self->path);
    assert_int_equal(self->markers->count, LB_MARKERS_MAX);
    assert_text(self->markers->items[0]->at.text, "10");
    assert_int_equal(add_at(self, 0, "db", "too old"), LB_LIMIT);
    assert_int_equal(add_at(self, 2000 * MINUTE, "db", "new"), LB_OK);
    assert_int_equal(self->markers->count, LB_MARKERS_MAX);
    assert_text(self->markers->items[0]->at.text, "11");
    lb_markers_free(self->markers);
    self->markers = lb_markers_open(self->path);
    assert_int_equal(self->markers->count, LB_MARKERS_MAX);
    assert_text(self->markers->items[LB_MARKERS_MAX - 1]->at.text, "new");
}

static void refuses_what_is_empty_or_too_long_or_cannot_be_kept(void **state)
{
    struct fixture *self = *state;
    char text[LB_MARKER_TEXT_BYTES + 2];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_int_equal(add_at(self, 0, "", text), LB_LIMIT);
    assert_int_equal(add_at(self, 0, "", ""), LB_LIMIT);
    assert_int_equal(add_at(self, 0, text, "x"), LB_LIMIT);
    self->markers->path[0] = '\0';
    assert_int_equal(add_at(self, 0, "", "x"), LB_IO);
    assert_int_equal(self->markers->count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(finds_the_newest_of_a_service_within_the_hour),
        TEST(writes_those_of_a_time),
        TEST(keeps_the_newest_ones),
        TEST(refuses_what_is_empty_or_too_long_or_cannot_be_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
