/* tail_read_test.c - slabs: long lines, tiny ones, lines that grow slowly, and where events must end. */
#include "tail_world.h"

static void long_lines_take_larger_slabs_and_overlong_ones_are_cut(void **state)
{
    static const size_t sizes[] = { 100, 5000, 70000, 300000, 1024 * 1024, 1024 * 1024 + 1, 3 * 1024 * 1024, 10 };
    enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
    struct world world;
    char *line = malloc(3 * 1024 * 1024 + 2);

    (void)state;
    world_init(&world, "*.log");
    for (size_t i = 0; i < COUNT; i++) {
        memset(line, 'a' + (int)i, sizes[i]);
        line[sizes[i]] = '\n';
        line[sizes[i] + 1] = '\0';
        world_write(&world, "log/app.log", line);
    }
    world_start(&world);
    world_stop(&world);
    assert_int_equal(world.committed[0].count, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        const struct world_line *got = &world.committed[0].items[i];
        bool cut = sizes[i] > LB_LINE_BYTES;

        assert_int_equal(got->text[0], 'a' + (int)i);
        assert_int_equal(strlen(got->text), cut ? LB_LINE_BYTES : sizes[i]);
        assert_int_equal(got->truncated, cut);
    }
    free(line);
    world_free(&world);
}

static void a_long_line_that_grows_slowly_is_not_read_again_and_again(void **state)
{
    struct world world;
    char piece[1001];

    (void)state;
    memset(piece, 'x', 1000);
    piece[1000] = '\0';
    world_init(&world, "*.log");
    world_start(&world);
    for (unsigned i = 0; i < 500; i++) {
        world_write(&world, "log/app.log", piece);
        world_run(&world);
    }
    assert_true(world.tail->files[0]->scanned == 500 * 1000);
    assert_int_equal(world.batches, 0);
    world_write(&world, "log/app.log", "\nshort\n");
    world_stop(&world);
    assert_int_equal(world.committed[0].count, 2);
    assert_int_equal(strlen(world.committed[0].items[0].text), 500 * 1000);
    world_free(&world);
}

static void a_slab_of_tiny_lines_holds_a_bounded_number_of_events(void **state)
{
    struct world world;
    char text[20001];

    (void)state;
    for (size_t i = 0; i < 20000; i += 2)
        memcpy(text + i, "x\n", 2);
    text[20000] = '\0';
    world_init(&world, "*.log");
    world_write(&world, "log/app.log", text);
    world_start(&world);
    world_stop(&world);
    assert_int_equal(world.committed[0].count, 10000);
    world_free(&world);
}

static void quiet_files_take_small_slabs(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.log");
    world_write(&world, "log/app.log", "one\n");
    world_start(&world);
    world_run(&world);
    assert_int_equal(world.largest, LB_SLAB_SMALL);
    world_stop(&world);
    world_free(&world);
}

/* One consumer ended in the middle of a line (the end of the file, then); the line grew. No byte comes twice. */
static void events_end_where_a_consumer_was(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.log");
    world.source.exit_at_eof = true;
    world_write(&world, "log/app.log", "one\nhalf");
    world_start(&world);
    world_run(&world);
    world_commit(&world, 0);
    world_crash(&world);
    world_write(&world, "log/app.log", " and half\n");
    world_start(&world);
    world_stop(&world);
    world_expect(&world, "one\nhalf\n and half\n");
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(long_lines_take_larger_slabs_and_overlong_ones_are_cut),
        cmocka_unit_test(a_long_line_that_grows_slowly_is_not_read_again_and_again),
        cmocka_unit_test(a_slab_of_tiny_lines_holds_a_bounded_number_of_events),
        cmocka_unit_test(quiet_files_take_small_slabs),
        cmocka_unit_test(events_end_where_a_consumer_was),
    };

    return cmocka_run_group_tests_name("ingest/tail_read", tests, world_quiet, NULL);
}
