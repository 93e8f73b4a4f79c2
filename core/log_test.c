/* log_test.c - who listens hears what is written, once, and nothing after it has stopped. */
#include "lb_log.h"

#include "lb_clock.h"

#include "lb_test.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

struct ear {
    struct lb_log_listener listener;
    unsigned count;
    bool speaks; /* logs while it hears */
    char text[256];
};

static void hear(void *context, const struct lb_log_line *line)
{
    struct ear *self = context;

    self->count++;
    snprintf(self->text, sizeof(self->text), "%d %s " LB_STR_FMT, line->level, line->module, LB_STR_ARG(line->text));
    assert_non_null(line->site);
    if (self->speaks)
        LB_ERROR("ear", "said while hearing");
}

static void open_ear(struct ear *self, int level)
{
    *self = (struct ear){ .listener = { .level = level, .hear = hear, .context = self } };
    lb_log_listen(&self->listener);
}

static void hears_the_line_without_its_head(void **state)
{
    struct ear ear;

    (void)state;
    open_ear(&ear, LB_LEVEL_WARN);
    LB_WARN("sink.http", "delivery failed status=%d", 503);
    assert_int_equal(ear.count, 1);
    assert_string_equal(ear.text, "4 sink.http delivery failed status=503");
    LB_INFO("sink.http", "of no interest");
    assert_int_equal(ear.count, 1);
    lb_log_unlisten(&ear.listener);
    LB_ERROR("sink.http", "after the end");
    assert_int_equal(ear.count, 1);
}

static void each_hears_what_is_bad_enough_for_it(void **state)
{
    struct ear all;
    struct ear bad;

    (void)state;
    open_ear(&bad, LB_LEVEL_ERROR);
    open_ear(&all, LB_LEVEL_TRACE);
    LB_INFO("x", "an info");
    LB_ERROR("x", "an error");
    assert_int_equal(all.count, 2);
    assert_int_equal(bad.count, 1);
    lb_log_unlisten(&all.listener);
    LB_ERROR("x", "another error");
    assert_int_equal(all.count, 2);
    assert_int_equal(bad.count, 2);
    lb_log_unlisten(&bad.listener);
    lb_log_unlisten(&bad.listener); /* is no more there */
}

static void what_is_not_written_is_not_heard(void **state)
{
    struct ear ear;

    (void)state;
    lb_clock_set(1000 * LB_SECOND); /* the bound is for each second */
    open_ear(&ear, LB_LEVEL_TRACE);
    LB_DEBUG("x", "below the level of the log");
    assert_int_equal(ear.count, 0);
    for (unsigned i = 0; i < 5 * LB_LOG_SITE_MAX; i++)
        LB_INFO("x", "one site");
    lb_clock_set(LB_TIME_NONE);
    assert_int_equal(ear.count, LB_LOG_SITE_MAX);
    lb_log_unlisten(&ear.listener);
}

static void what_a_listener_logs_it_does_not_hear(void **state)
{
    struct ear ear;

    (void)state;
    open_ear(&ear, LB_LEVEL_TRACE);
    ear.speaks = true;
    LB_INFO("x", "begin");
    assert_int_equal(ear.count, 1);
    assert_string_equal(ear.text, "6 x begin");
    lb_log_unlisten(&ear.listener);
}

static void *speak(void *context)
{
    (void)context;
    for (unsigned i = 0; i < 2000; i++)
        LB_INFO("thread", "line %u", i);
    return NULL;
}

/* After unlisten has returned nothing is written to the ear: TSan and ASan look. */
static void listeners_come_and_go_while_threads_log(void **state)
{
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, speak, NULL), 0);
    for (unsigned i = 0; i < 500; i++) {
        struct ear *ear = malloc(sizeof(*ear));

        open_ear(ear, LB_LEVEL_TRACE);
        lb_log_unlisten(&ear->listener);
        free(ear);
    }
    for (size_t i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
}

static void a_line_that_is_too_long_is_cut(void **state)
{
    struct ear ear;
    char text[4096];

    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    open_ear(&ear, LB_LEVEL_TRACE);
    LB_INFO("x", "%s", text);
    assert_int_equal(ear.count, 1);
    lb_log_unlisten(&ear.listener);
}

static int stderr_copy;

/* The lines themselves are not what is looked at. */
static int be_quiet(void **state)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)state;
    stderr_copy = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    dup2(nowhere, STDERR_FILENO);
    close(nowhere);
    return 0;
}

static int speak_again(void **state)
{
    (void)state;
    dup2(stderr_copy, STDERR_FILENO);
    close(stderr_copy);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hears_the_line_without_its_head),
        cmocka_unit_test(each_hears_what_is_bad_enough_for_it),
        cmocka_unit_test(what_is_not_written_is_not_heard),
        cmocka_unit_test(what_a_listener_logs_it_does_not_hear),
        cmocka_unit_test(listeners_come_and_go_while_threads_log),
        cmocka_unit_test(a_line_that_is_too_long_is_cut),
    };

    return cmocka_run_group_tests_name("core/log", tests, be_quiet, speak_again);
}
