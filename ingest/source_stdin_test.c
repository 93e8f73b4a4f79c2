/* source_stdin_test.c - a pipe and a file in place of standard input, on a loop that the test turns. */
#include "source_stdin.c"

#include "lb_test.h"
#include "tail_world.h"

#include <fcntl.h>

struct input {
    struct world world;
    struct stdin_state state;
    unsigned finished;
};

static void note_finished(void *context, struct lb_source *source)
{
    struct input *self = context;

    (void)source;
    self->finished++;
}

static void begin(struct input *self, int fd, uint64_t max_line)
{
    *self = (struct input){ 0 };
    world_init(&self->world, "none");
    world_start(&self->world);
    struct lb_source *source = &self->world.source;
    source->state = &self->state;
    source->loop = lb_loop_new("test");
    source->options.max_line = max_line;
    source->exit_at_eof = true;
    source->finished = note_finished;
    source->finished_context = self;
    assert_int_equal(open_fd(source, fd), LB_OK);
}

static void turn(struct input *self)
{
    for (unsigned i = 0; i < 64; i++) {
        event_base_loop(lb_loop_base(self->world.source.loop), EVLOOP_NONBLOCK);
        world_deliver(&self->world);
    }
    world_commit(&self->world, 0);
    world_commit(&self->world, 1);
}

static void end_test(struct input *self)
{
    stop(&self->world.source);
    close_source(&self->world.source);
    lb_loop_free(self->world.source.loop);
    world_crash(&self->world);
    world_free(&self->world);
}

static void say(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void reads_lines_as_they_come_and_the_rest_at_the_end(void **state)
{
    struct input input;
    int ends[2];

    (void)state;
    lb_log_level = LB_LEVEL_ERROR;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    begin(&input, ends[0], 100);
    say(ends[1], "one\r\ntw");
    turn(&input);
    world_expect(&input.world, "one\n");
    say(ends[1], "o\n\nrest");
    turn(&input);
    world_expect(&input.world, "one\ntwo\n");
    assert_int_equal(input.finished, 0);
    close(ends[1]);
    turn(&input);
    world_expect(&input.world, "one\ntwo\nrest\n");
    assert_int_equal(input.finished, 1);
    end_test(&input);
    close(ends[0]);
}

static void cuts_a_long_line_and_skips_its_rest(void **state)
{
    struct input input;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    begin(&input, ends[0], 10);
    say(ends[1], "0123456789abc");
    turn(&input);
    say(ends[1], "def");
    turn(&input);
    say(ends[1], "ghi\n0123456789X\nnext\n");
    turn(&input);
    world_expect(&input.world, "0123456789\n0123456789\nnext\n");
    assert_true(input.world.committed[0].items[0].truncated);
    assert_true(input.world.committed[0].items[1].truncated);
    assert_false(input.world.committed[0].items[2].truncated);
    assert_int_equal(input.state.position, strlen("0123456789abcdefghi\n0123456789X\nnext\n"));
    close(ends[1]);
    end_test(&input);
    close(ends[0]);
}

static void reads_a_file_of_many_lines_to_its_end(void **state)
{
    enum { LINES = 50000 };
    struct input input;
    FILE *file = tmpfile();

    (void)state;
    for (unsigned i = 0; i < LINES; i++)
        fprintf(file, "%u\n", i);
    fflush(file);
    rewind(file);
    begin(&input, fileno(file), 1000);
    while (input.finished == 0)
        turn(&input);
    assert_int_equal(input.world.committed[0].count, LINES);
    for (unsigned i = 0; i < LINES; i++)
        assert_int_equal(strtoul(input.world.committed[0].items[i].text, NULL, 10), i);
    end_test(&input);
    fclose(file);
}

static void waits_for_credit_and_goes_on(void **state)
{
    struct input input;
    struct lb_batch *held[2000];
    size_t count = 0;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    begin(&input, ends[0], 100);
    while ((held[count] = lb_pool_take(input.world.source.share, LB_SLAB_SMALL, NULL)) != NULL)
        assert_true(++count < 2000);
    say(ends[1], "one\n");
    turn(&input);
    world_expect(&input.world, "");
    while (count > 0)
        lb_batch_unref(held[--count]);
    turn(&input);
    world_expect(&input.world, "one\n");
    close(ends[1]);
    end_test(&input);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_lines_as_they_come_and_the_rest_at_the_end),
        cmocka_unit_test(cuts_a_long_line_and_skips_its_rest),
        cmocka_unit_test(reads_a_file_of_many_lines_to_its_end),
        cmocka_unit_test(waits_for_credit_and_goes_on),
    };

    return cmocka_run_group_tests_name("ingest/source_stdin", tests, NULL, NULL);
}
