/* tail_packed_test.c - compressed files: once, as they grow, over restarts. */
#include "tail_world.h"

static void a_compressed_file_is_read_once_whatever_was_committed(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.gz");
    world_write_packed(&world, "log/a.gz", "one\ntwo\n");
    world_start(&world);
    world_run(&world);
    world_commit(&world, 1); /* the other has nothing */
    world_crash(&world);
    world_write_packed(&world, "log/b.gz", "three\nfour");
    world_start(&world);
    world_run(&world);
    world_commit_all(&world);
    world_later(&world, 1); /* what everybody has is noted */
    world_commit_all(&world);
    world_crash(&world);
    world_start(&world);
    assert_true(world.tail->files[0]->finished && world.tail->files[1]->finished);
    world_stop(&world);
    assert_int_equal(world.committed[0].count, 4); /* in any order of the files */
    assert_int_equal(world.committed[1].count, 4);
    world_free(&world);
}

static void a_compressed_file_that_grows_by_a_member_goes_on(void **state)
{
    struct world world;

    (void)state;
    world_init(&world, "*.gz");
    world_write_packed(&world, "log/a.gz", "one\n");
    world_start(&world);
    world_run(&world);
    world_commit_all(&world);
    world_later(&world, 1);
    world_write_packed(&world, "log/a.gz", "two\n");
    world_run(&world);
    world_commit_all(&world);
    world_stop(&world);
    world_write_packed(&world, "log/a.gz", "three\n");
    world_start(&world);
    world_stop(&world);
    world_expect(&world, "one\ntwo\nthree\n");
    world_free(&world);
}

static void overlong_lines_of_a_compressed_file_are_cut(void **state)
{
    struct world world;
    char *text = malloc(2000001);

    (void)state;
    world_init(&world, "*.gz");
    world.source.options.max_line = 4096;
    memset(text, 'x', 2000000);
    text[2000000] = '\0';
    memcpy(text + 4096, "\n", 1);                 /* just as long as may be */
    memcpy(text + 4097 + 5000, "\n", 1);          /* in one slab */
    memcpy(text + 1000000, "\nshort\n", 7);       /* over many */
    world_write_packed(&world, "log/a.gz", text); /* and one that never ends */
    free(text);
    world_start(&world);
    world_stop(&world);
    world_start(&world);
    world_stop(&world);
    assert_int_equal(world.committed[0].count, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(strlen(world.committed[0].items[i].text), i == 3 ? 5 : 4096);
        assert_int_equal(world.committed[0].items[i].truncated, i != 0 && i != 3);
    }
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_compressed_file_is_read_once_whatever_was_committed),
        cmocka_unit_test(a_compressed_file_that_grows_by_a_member_goes_on),
        cmocka_unit_test(overlong_lines_of_a_compressed_file_are_cut),
    };

    return cmocka_run_group_tests_name("ingest/tail_packed", tests, world_quiet, NULL);
}
