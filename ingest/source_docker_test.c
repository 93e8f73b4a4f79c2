/* source_docker_test.c - where batches may be cut, and what is read of a container. */
#include "container_lines.c"
#include "source_docker.c"

#include "lb_conf.h"
#include "lb_test.h"
#include "tail_world.h"

static _Alignas(8) char slab[8192];

/* `lines` separated by newlines. */
static struct lb_batch batch_of(const char *lines)
{
    static uint32_t ends[LB_TAIL_EVENTS_MAX];
    struct lb_batch batch = { .bytes = slab, .capacity = sizeof(slab) };
    bool full;

    memcpy(slab, lines, strlen(lines));
    lb_lines_note(&batch, strlen(lines), LB_LINE_BYTES, ends, &full);
    return batch;
}

#define OUT(log) "{\"log\":\"" log "\",\"stream\":\"stdout\",\"time\":\"2026-03-01T12:00:00.123456789Z\"}\n"
#define ERR(log) "{\"log\":\"" log "\",\"stream\":\"stderr\",\"time\":\"2026-03-01T12:00:00Z\"}\n"

static const struct {
    const char *what;
    const char *lines;
    uint32_t whole;
} cases[] = {
    { "nothing", "", 0 },
    { "whole lines", OUT("a\\n") OUT("b\\n"), 2 },
    { "an open part at the end", OUT("a\\n") OUT("b"), 1 },
    { "only a part", OUT("a"), 0 },
    { "a closed run", OUT("a") OUT("b") OUT("c\\n"), 3 },
    { "the other stream within a run", OUT("a") ERR("e\\n") OUT("c\\n"), 3 },
    { "an open run behind which the other goes on", OUT("x\\n") OUT("a") ERR("e\\n") ERR("f\\n"), 1 },
    { "both open", OUT("x\\n") ERR("e") OUT("a"), 1 },
    { "a run that is closed, then another opened", OUT("a") OUT("b\\n") ERR("e") OUT("c\\n"), 2 },
    { "interleaved to the front", OUT("a") ERR("e") OUT("b\\n") ERR("f"), 0 },
    { "a backslash before an n is no newline", OUT("x\\n") OUT("a\\\\n"), 1 },
    { "a backslash and a newline", OUT("a\\\\\\n"), 1 },
    { "an empty text is a part", OUT("x\\n") OUT(""), 1 },
    { "no Docker line counts as whole", "plain text\n" OUT("a\\n") "{\"x\":1}\n", 3 },
    { "a line without a stream", "{\"log\":\"a\"}\n", 0 },
    { "blanks between", "{\"log\": \"a\\n\", \"stream\": \"stderr\"}\n", 1 },
    { "attributes before the time", "{\"log\":\"a\\n\",\"stream\":\"stdout\",\"attrs\":{\"k\":\"v\"},\"time\":\"t\"}\n",
      1 },
    { "a text that looks like the rest", OUT("\\\",\\\"stream\\\":\\\"stderr\\\"") OUT("b\\n"), 2 },
    { "a line that is cut", "{\"log\":\"abc\n", 1 },
};

static void cuts_where_no_run_is_open(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lb_batch batch = batch_of(cases[i].lines);

        if (count_whole_lines(&format, &batch) != cases[i].whole)
            fail_msg("%s: %u whole, expected %u", cases[i].what, count_whole_lines(&format, &batch), cases[i].whole);
    }
}

/* From the front, as the envelope does it. */
static uint32_t count_forward(const struct lb_batch *batch)
{
    bool open[2] = { false, false };
    uint32_t whole = 0;

    for (uint32_t i = 0; i < batch->event_count; i++) {
        enum lb_container_line line = kind_of_event(&format, batch, i);

        if (line != LB_LINE_WHOLE)
            open[line == LB_LINE_PART_ERR || line == LB_LINE_WHOLE_ERR] =
                line == LB_LINE_PART_OUT || line == LB_LINE_PART_ERR;
        if (!open[0] && !open[1])
            whole = i + 1;
    }
    return whole;
}

static void looking_back_finds_what_looking_forward_finds(void **state)
{
    static const char *const lines[] = { OUT("a\\n"), OUT("a"), ERR("e\\n"), ERR("e"), "x\n" };
    uint64_t random = lb_seed();

    (void)state;
    for (unsigned run = 0; run < 20000; run++) {
        char text[4096] = "";

        for (unsigned n = lb_random(&random) % 20; n > 0; n--)
            strcat(text, lines[lb_random(&random) % 5]);
        struct lb_batch batch = batch_of(text);
        if (count_whole_lines(&format, &batch) != count_forward(&batch))
            fail_msg("seed %llu: %u, not %u, in\n%s", (unsigned long long)lb_seed(), count_whole_lines(&format, &batch),
                     count_forward(&batch), text);
    }
}

/* Wherever a batch ends, what is cut there is whole in the long run too. */
static void no_event_is_cut(void **state)
{
    static const char *const lines[] = { OUT("a\\n"), OUT("  b\\n"), OUT("\\tc"), OUT("d\\n"),
                                         ERR("e\\n"), ERR(" f\\n"),  "x\n" };
    const struct lb_node word = { .kind = LB_NODE_SCALAR, .text = LB_STR("auto") };
    struct lb_multiline *rule;
    uint64_t random = lb_seed();

    (void)state;
    assert_true(lb_multiline_read(NULL, &word, "", &rule, NULL));
    for (unsigned run = 0; run < 5000; run++) {
        struct sequence sequences[2] = { 0 };
        uint32_t first[64];
        uint32_t scratch[64];
        char text[4096] = "";

        for (unsigned n = lb_random(&random) % 20; n > 0; n--)
            strcat(text, lines[lb_random(&random) % 7]);
        struct lb_batch batch = batch_of(text);
        uint32_t count = batch.event_count;
        find_firsts(&format, &batch, count, rule, sequences, first);
        for (batch.event_count = 0; batch.event_count <= count; batch.event_count++) {
            uint32_t whole = count_whole(&batch, rule, scratch);

            assert_true(whole <= batch.event_count);
            for (uint32_t i = whole; i < count; i++)
                if (first[i] < whole)
                    fail_msg("seed %llu: of %u lines %u are said to be whole, but line %u belongs to %u, in\n%s",
                             (unsigned long long)lb_seed(), batch.event_count, whole, i, first[i], text);
        }
    }
    lb_multiline_free(rule);
}

/* What a tail of this source looks for in its state. */
static void be_docker(struct world *world, struct docker_state *docker)
{
    *docker = (struct docker_state){ .rotation = docker_rotation_new(&world->source) };
    world->kind = &kind;
    world->source.state = docker;
}

static void a_run_that_is_cut_by_the_end_of_the_file_waits(void **state)
{
    struct world world;
    struct docker_state docker;

    (void)state;
    lb_log_level = LB_LEVEL_ERROR;
    world_init(&world, "*.log");
    be_docker(&world, &docker);
    lb_clock_set(lb_clock_now());
    world_write(&world, "log/c-json.log", OUT("whole\\n") OUT("part"));
    world_start(&world);
    world_run(&world);
    world_commit(&world, 0);
    assert_int_equal(world.committed[0].count, 1);
    lb_clock_set(lb_clock_monotonic() + 2 * LB_SECOND);
    lb_tail_tick(world.tail);
    world_run(&world);
    world_commit(&world, 0);
    assert_int_equal(world.committed[0].count, 1);
    lb_clock_set(lb_clock_monotonic() + 4 * LB_SECOND);
    lb_tail_tick(world.tail);
    world_run(&world);
    world_commit(&world, 0);
    assert_int_equal(world.committed[0].count, 2);
    world_stop(&world);
    world_free(&world);
    docker_rotation_free(docker.rotation);
}

static void a_run_of_many_parts_is_one_batch(void **state)
{
    enum { PARTS = 40, PART_BYTES = 16 * 1024 };
    struct world world;
    struct docker_state docker;
    char *part = malloc(PART_BYTES + 1);

    (void)state;
    memset(part, 'x', PART_BYTES);
    part[PART_BYTES] = '\0';
    world_init(&world, "*.log");
    be_docker(&world, &docker);
    for (unsigned i = 0; i <= PARTS; i++) {
        world_write(&world, "log/c-json.log", "{\"log\":\"");
        world_write(&world, "log/c-json.log", part);
        world_write(&world, "log/c-json.log",
                    i < PARTS ? "\",\"stream\":\"stdout\"}\n" : "\\n\",\"stream\":\"stdout\"}\n");
    }
    world_start(&world);
    world_run(&world);
    assert_int_equal(world.batches, 1);
    world_stop(&world);
    assert_int_equal(world.committed[0].count, PARTS + 1);
    free(part);
    world_free(&world);
    docker_rotation_free(docker.rotation);
}

/* --- facts ------------------------------------------------------------------------------- */

static void write_config(struct world *world, const char *text)
{
    char id[128] = "log/";

    memset(id + 4, 'a', 64);
    assert_int_equal(mkdir(world_path(world, id), 0755), 0);
    strcat(id, "/config.v2.json");
    world_write(world, id, text);
}

static void describe_in(struct world *world, struct lb_stream *stream)
{
    char path[PATH_MAX] = "";
    char id[65];

    memset(id, 'a', 64);
    id[64] = '\0';
    snprintf(path, sizeof(path), "%s/log/%s/%s-json.log", world->dir, id, id);
    lb_arena_init(&stream->arena, 0);
    stream->source = &world->source;
    describe(stream, path);
}

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void tells_what_docker_knows_of_the_container(void **state)
{
    static const struct {
        const char *config;
        const char *container;
        const char *compose;
        const char *service;
    } facts[] = {
        { "{\"Name\":\"/web\",\"Config\":{\"Image\":\"shop:1\",\"Labels\":{\"com.docker.compose.service\":\"front\"}}}",
          "{\"id\":\"" A64 "\",\"name\":\"web\",\"image\":\"shop:1\"}", "{\"service\":\"front\"}", "front" },
        { "{\"Config\":{\"Image\":\"a\\\"b\",\"Labels\":null},\"Name\":\"/w\\u00e4b\"}",
          "{\"id\":\"" A64 "\",\"name\":\"w\xc3\xa4"
          "b\",\"image\":\"a\\\"b\"}",
          NULL,
          "w\xc3\xa4"
          "b" },
        { "{\"Name\":7,\"Config\":[]}", "{\"id\":\"" A64 "\"}", NULL, "" },
        { "{\"Name\":\"/cut", "{\"id\":\"" A64 "\"}", NULL, "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
        struct world world;
        struct lb_stream stream = { 0 };

        world_init(&world, "*/*.log");
        write_config(&world, facts[i].config);
        describe_in(&world, &stream);
        assert_int_equal(stream.field_count, facts[i].compose != NULL ? 2 : 1);
        assert_text(((struct lb_str){ stream.fields[0].value.ptr, stream.fields[0].value.len }), facts[i].container);
        if (facts[i].compose != NULL)
            assert_text(((struct lb_str){ stream.fields[1].value.ptr, stream.fields[1].value.len }), facts[i].compose);
        assert_text(((struct lb_str){ stream.service.ptr, stream.service.len }), facts[i].service);
        lb_arena_free(&stream.arena);
        world_free(&world);
    }
}

static void the_service_of_the_configuration_wins(void **state)
{
    struct world world;
    struct lb_stream stream = { 0 };

    (void)state;
    world_init(&world, "*/*.log");
    world.source.options.service = LB_STR("mine");
    write_config(&world, "{\"Name\":\"/web\"}");
    describe_in(&world, &stream);
    assert_int_equal(stream.service.kind, LB_VALUE_NONE);
    lb_arena_free(&stream.arena);
    world_free(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_where_no_run_is_open),
        cmocka_unit_test(looking_back_finds_what_looking_forward_finds),
        cmocka_unit_test(no_event_is_cut),
        cmocka_unit_test(a_run_that_is_cut_by_the_end_of_the_file_waits),
        cmocka_unit_test(a_run_of_many_parts_is_one_batch),
        cmocka_unit_test(tells_what_docker_knows_of_the_container),
        cmocka_unit_test(the_service_of_the_configuration_wins),
    };

    return cmocka_run_group_tests_name("ingest/source_docker", tests, NULL, NULL);
}
